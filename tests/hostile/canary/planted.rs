//! A site with a secret in every place where an operator has some.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::Result;
use lockgate_servers::S3Server;
use lockgate_tests::{Lockgate, Site, command, random::Random};

/// Where secrets are planted: each name is a place in the configuration or the environment of this test's site.
const PLACES: [&str; 32] = [
    "repository password",
    "password file, second line",
    "other repository, password variable",
    "other repository, password command",
    "S3 access key",
    "S3 secret key",
    "S3 session token",
    "S3 key of a configured repository",
    "S3 secret of a configured repository",
    "credential of the source, from a file",
    "the file's second line",
    "credential of the source, from a variable",
    "credential of the source, from a command",
    "credential of the source that is not used",
    "neighbour's credential, from a file",
    "neighbour's credential, from a variable",
    "neighbour's credential, from a command",
    "neighbour's configuration",
    "neighbour's nested configuration",
    "neighbour's principal",
    "neighbour's folder",
    "neighbour's file",
    "neighbour's endpoint",
    "neighbour's server name",
    "authority file",
    "a key beside the authority file",
    "comment in the configuration",
    "environment variable",
    "environment variable with a URL",
    "the operator's home",
    "a file beside the granted folder",
    "a file behind a link",
];

/// What all secrets begin with, so that one search finds them all.
pub const COMMON: &str = "canary-";

pub struct Planted {
    pub site: Site,
    pub canaries: BTreeMap<&'static str, String>,
    lockgate: Lockgate,
    /// Of S3, when the repository is there.
    server: Option<S3Server>,
}

impl Planted {
    /// With the repository in a folder.
    pub fn new() -> Result<Self> {
        Self::in_storage(|_, _| Ok(None))
    }

    /// With the repository on an S3 server whose keys are among the secrets.
    pub fn on_s3() -> Result<Self> {
        Self::in_storage(|access_key, secret_key| {
            Ok(Some(S3Server::start_for(access_key, secret_key)?))
        })
    }

    fn in_storage(server: impl Fn(&str, &str) -> Result<Option<S3Server>>) -> Result<Self> {
        let mut site = Site::local()?;
        let mut random = Random::new(u64::from(std::process::id()));
        let mut canary = || format!("{COMMON}{:016x}{:016x}", random.number(), random.number());
        let canaries: BTreeMap<_, _> = PLACES.into_iter().map(|place| (place, canary())).collect();
        let server = server(&canaries["S3 access key"], &canaries["S3 secret key"])?;
        if let Some(server) = &server {
            site.repository = server.location("backup");
        }
        let lockgate = site.lockgate.clone();
        let mut planted = Self { site, canaries, lockgate, server };
        planted.files()?;
        planted.lockgate = planted.environment();
        planted.lockgate.ok(&["init"])?;
        Ok(planted)
    }

    pub fn of(&self, place: &str) -> &str {
        self.canaries.get(place).map(String::as_str).unwrap_or_default()
    }

    fn write(&self, name: &str, places: &[&str]) -> Result<()> {
        let lines: Vec<&str> = places.iter().map(|place| self.of(place)).collect();
        let path = self.site.path(name);
        fs::write(&path, lines.join("\n"))?;
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
    }

    fn files(&self) -> Result<()> {
        for folder in ["given", "home", "neighbour"] {
            fs::create_dir(self.site.path(folder))?;
        }
        fs::write(self.site.path("given/file"), "a file")?;
        std::os::unix::fs::symlink("../behind", self.site.path("given/link"))?;
        self.write("password", &["repository password", "password file, second line"])?;
        self.write("secret", &["credential of the source, from a file", "the file's second line"])?;
        self.write("unused", &["credential of the source that is not used"])?;
        self.write("neighbour-secret", &["neighbour's credential, from a file"])?;
        self.write("neighbour/file", &["neighbour's file"])?;
        self.write("authority.pem", &["authority file"])?;
        self.write("authority.key", &["a key beside the authority file"])?;
        self.write("home/.netrc", &["the operator's home"])?;
        self.write("beside", &["a file beside the granted folder"])?;
        self.write("behind", &["a file behind a link"])
    }

    fn environment(&self) -> Lockgate {
        let mut lockgate = self.site.lockgate.clone();
        // A server that knows keys and no tokens refuses one.
        if self.server.is_none() {
            lockgate = lockgate.with("AWS_SESSION_TOKEN", self.of("S3 session token"));
        }
        lockgate
            .with("LOCKGATE_PASSWORD_FILE", self.site.path("password"))
            .with("LOCKGATE_CACHE", self.site.path("cache"))
            .with("LOCKGATE_LOG", "trace")
            .with("LOCKGATE_REPOSITORY", &self.site.repository)
            .with("AWS_REGION", "us-east-1")
            .with("LOCKGATE_AUDIT", self.site.path("state/audit.jsonl"))
            .with("HOME", self.site.path("home"))
            .with("OTHER_PASSWORD", self.of("other repository, password variable"))
            .with("AWS_ACCESS_KEY_ID", self.of("S3 access key"))
            .with("AWS_SECRET_ACCESS_KEY", self.of("S3 secret key"))
            .with("ACCOUNT", self.of("credential of the source, from a variable"))
            .with("NEIGHBOUR", self.of("neighbour's credential, from a variable"))
            .with("API_TOKEN", self.of("environment variable"))
            .with(
                "DATABASE_URL",
                format!("pg://u:{}@db/x", self.of("environment variable with a URL")),
            )
    }

    /// The command with a plugin that behaves in this way.
    pub fn behaving(&self, behaviour: &str, at: &str) -> Result<Lockgate> {
        let plugin = command::plugins()?.with_file_name("plugins-hostile").join("hostile.wasm");
        let (of, text) = (|place: &str| self.of(place), |name: &str| self.site.text(name));
        let configuration = [
            format!("# {}", of("comment in the configuration")),
            format!("[repositories.main]\nurl = \"{}\"", self.site.repository),
            format!("[repositories.other]\nurl = \"{}\"", text("other")),
            format!("password-command = [\"echo\", \"{}\"]", of("other repository, password command")),
            "[repositories.third]\nurl = \"s3:https://127.0.0.1:9/bucket\"\npassword-variable = \"OTHER_PASSWORD\"".to_owned(),
            format!(
                "options = {{ access_key_id = \"{}\", secret_access_key = \"{}\" }}",
                of("S3 key of a configured repository"),
                of("S3 secret of a configured repository")
            ),
            format!("[sources.bad]\nplugin = \"{}\"\nrepository = \"main\"\nparallel = 1\nclock = true", plugin.display()),
            format!("config = {{ behaviour = \"{behaviour}\", at = \"{at}\" }}"),
            format!("folders.given = {{ path = \"{}\" }}", text("given")),
            format!("credentials.account = {{ principal = \"a\", secret-file = \"{}\" }}", text("secret")),
            "credentials.variable = { principal = \"a\", secret-variable = \"ACCOUNT\" }".to_owned(),
            format!(
                "credentials.command = {{ principal = \"a\", secret-command = [\"echo\", \"{}\"] }}",
                of("credential of the source, from a command")
            ),
            format!("credentials.unused = {{ principal = \"a\", secret-file = \"{}\" }}", text("unused")),
            "[sources.neighbour]\nplugin = \"files\"\nrepository = \"other\"".to_owned(),
            format!(
                "config = {{ token = \"{}\", nested = {{ deep = [\"{}\"] }} }}",
                of("neighbour's configuration"),
                of("neighbour's nested configuration")
            ),
            format!("folders.data = {{ path = \"{}/{}\" }}", text("neighbour"), of("neighbour's folder")),
            format!(
                "endpoints.server = {{ address = \"{}.example:1\", server-name = \"{}.example\", ca-file = \"{}\" }}",
                of("neighbour's endpoint"),
                of("neighbour's server name"),
                text("authority.pem")
            ),
            format!(
                "credentials.file = {{ principal = \"{}\", secret-file = \"{}\" }}",
                of("neighbour's principal"),
                text("neighbour-secret")
            ),
            "credentials.variable = { principal = \"n\", secret-variable = \"NEIGHBOUR\" }".to_owned(),
            format!(
                "credentials.command = {{ principal = \"n\", secret-command = [\"echo\", \"{}\"] }}",
                of("neighbour's credential, from a command")
            ),
        ]
        .join("\n");
        let path = self.site.path("config.toml");
        fs::write(&path, configuration)?;
        let lockgate = self.lockgate.clone().with("LOCKGATE_CONFIG", path);
        lockgate.ok(&["plugin", "lock"])?;
        Ok(lockgate)
    }

    /// Everything that is kept: the repository, compiled code, and what the host remembers of its runs.
    pub fn kept(&self) -> Vec<PathBuf> {
        let repository = match &self.server {
            Some(server) => server.objects(),
            None => self.site.path("repository"),
        };
        vec![repository, self.site.path("cache"), self.site.path("state")]
    }
}
