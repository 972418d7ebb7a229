//! Secrets are planted wherever an operator has some. Then everything that a run leaves or shows is searched for them, and
//! the memory of a worker while its plugin runs.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::{Lockgate, Outcome, Site, command, random::Random};

use crate::measure;

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
const COMMON: &str = "canary-";

struct Planted {
    site: Site,
    canaries: BTreeMap<&'static str, String>,
    lockgate: Lockgate,
}

impl Planted {
    fn new() -> Result<Self> {
        let site = Site::local()?;
        let mut random = Random::new(u64::from(std::process::id()));
        let mut canary = || format!("{COMMON}{:016x}{:016x}", random.number(), random.number());
        let canaries = PLACES.into_iter().map(|place| (place, canary())).collect();
        let lockgate = site.lockgate.clone();
        let mut planted = Self { site, canaries, lockgate };
        planted.files()?;
        planted.lockgate = planted.environment();
        planted.lockgate.ok(&["init"])?;
        Ok(planted)
    }

    fn of(&self, place: &str) -> &str {
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
        let lockgate = self.site.lockgate.clone();
        lockgate
            .with("LOCKGATE_PASSWORD_FILE", self.site.path("password"))
            .with("LOCKGATE_CACHE", self.site.path("cache"))
            .with("LOCKGATE_LOG", "trace")
            .with("HOME", self.site.path("home"))
            .with("OTHER_PASSWORD", self.of("other repository, password variable"))
            .with("AWS_ACCESS_KEY_ID", self.of("S3 access key"))
            .with("AWS_SECRET_ACCESS_KEY", self.of("S3 secret key"))
            .with("AWS_SESSION_TOKEN", self.of("S3 session token"))
            .with("ACCOUNT", self.of("credential of the source, from a variable"))
            .with("NEIGHBOUR", self.of("neighbour's credential, from a variable"))
            .with("API_TOKEN", self.of("environment variable"))
            .with(
                "DATABASE_URL",
                format!("pg://u:{}@db/x", self.of("environment variable with a URL")),
            )
    }

    /// The command with a plugin that behaves in this way.
    fn behaving(&self, behaviour: &str, at: &str) -> Result<Lockgate> {
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

    /// The places whose secrets are in these bytes, as they are or in hexadecimal digits.
    fn found(&self, bytes: &[u8]) -> Vec<&'static str> {
        let mut found: Vec<&str> = Vec::new();
        for place in positions(bytes, COMMON.as_bytes()) {
            let rest = bytes.get(place..).unwrap_or_default();
            found.extend(
                self.canaries.iter().filter(|it| rest.starts_with(it.1.as_bytes())).map(|it| *it.0),
            );
        }
        for place in positions(bytes, hexadecimal(COMMON).as_bytes()) {
            let rest = bytes.get(place..).unwrap_or_default();
            let is_here = |canary: &str| rest.starts_with(hexadecimal(canary).as_bytes());
            found.extend(self.canaries.iter().filter(|it| is_here(it.1)).map(|it| *it.0));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    fn none_in(&self, what: &str, bytes: &[u8]) -> Result<()> {
        let found = self.found(bytes);
        ensure!(found.is_empty(), "{what} has the secrets of {found:?}");
        Ok(())
    }
}

fn hexadecimal(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    positions(bytes, wanted).next().is_some()
}

/// Where `wanted`, which is not empty, begins in `bytes`.
fn positions<'a>(bytes: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = usize> {
    let first = wanted.first().copied().unwrap_or_default();
    let is_there = |place: &usize| bytes.get(*place..).is_some_and(|rest| rest.starts_with(wanted));
    // Most positions fail at the first byte.
    bytes
        .iter()
        .enumerate()
        .filter(move |(_, byte)| **byte == first)
        .map(|(place, _)| place)
        .filter(is_there)
}

#[test]
fn nothing_that_is_shown_or_kept_has_a_secret() -> Result<()> {
    let planted = Planted::new()?;
    let runs: [(&str, &str, &[&str], i32); 13] = [
        ("good", "export", &["-vvv", "backup", "bad"], 0),
        ("good", "export", &["--json", "-vvv", "backup", "bad"], 0),
        ("panic", "export", &["-vvv", "backup", "bad"], 21),
        ("terminal-error", "begin", &["-vvv", "--json", "backup", "bad"], 1),
        ("credential-ungranted", "export", &["-vvv", "backup", "bad"], 1),
        ("folder-ungranted", "export", &["-vvv", "backup", "bad"], 1),
        ("fail", "preview", &["-vvv", "restore", "latest", "--dry-run"], 1),
        ("good", "import", &["-vvv", "restore", "latest"], 0),
        ("panic", "import", &["-vvv", "--json", "restore", "latest"], 21),
        ("good", "import", &["-vvv", "show"], 0),
        ("good", "import", &["-vvv", "--json", "snapshots"], 0),
        ("good", "import", &["-vvv", "check", "--read-data"], 0),
        ("good", "import", &["-vvv", "-r", "third", "snapshots"], 13),
    ];
    for (behaviour, at, arguments, code) in runs {
        let outcome: Outcome = planted.behaving(behaviour, at)?.run(arguments)?;
        ensure!(
            outcome.code == Some(code),
            "{behaviour} {arguments:?}: {:?} {}",
            outcome.code,
            outcome.error_line()
        );
        let printed = format!("{}{}", outcome.stdout, outcome.stderr);
        planted.none_in(&format!("{behaviour} {arguments:?}"), printed.as_bytes())?;
    }
    let kept = [planted.site.path("repository"), planted.site.path("cache")];
    let mut files = 0;
    for folder in &kept {
        files += search(&planted, folder)?;
    }
    ensure!(files > 5, "only {files} files were searched");
    // The search itself works: the folder of this test has them all but those of the environment and of the home.
    let configuration = fs::read(planted.site.path("config.toml"))?;
    ensure!(planted.found(&configuration).len() == 12, "{:?}", planted.found(&configuration));
    Ok(())
}

/// Searches every file below a folder, and the names; returns how many.
fn search(planted: &Planted, folder: &Path) -> Result<usize> {
    let mut files = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        planted.none_in("a name", path.as_os_str().as_encoded_bytes())?;
        if path.is_dir() {
            files += search(planted, &path)?;
        } else {
            files += 1;
            planted.none_in(&path.display().to_string(), &fs::read(&path)?)?;
        }
    }
    Ok(files)
}

#[test]
fn the_memory_of_a_worker_has_no_secret() -> Result<()> {
    let planted = Planted::new()?;
    planted.behaving("good", "export")?.ok(&["backup", "bad"])?;
    let keys = master_keys(&planted)?;
    for (at, arguments) in [
        ("export", &["backup", "bad", "--force"][..]),
        ("import", &["restore", "latest", "--no-verify"]),
    ] {
        let lockgate = planted.behaving("wait", at)?;
        let mut command = lockgate.command(arguments);
        let mut host = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let looked = look(&planted, &keys, &host);
        let status = host.wait()?;
        looked.with_context(|| format!("during an {at}"))?;
        ensure!(status.success(), "the plugin that waits failed: {status}");
    }
    Ok(())
}

/// Reads the memory of the worker whose plugin sleeps, and of the host, which must have what the worker must not.
fn look(planted: &Planted, keys: &[Vec<u8>], host: &Child) -> Result<()> {
    let worker = sleeping_worker(host.id())?;
    // All at once, before the plugin wakes up.
    let environment = fs::read(format!("/proc/{worker}/environ"))?;
    let arguments = fs::read(format!("/proc/{worker}/cmdline"))?;
    let (theirs, ours) = (memory(worker)?, memory(host.id())?);
    println!(
        "{} MiB of the worker searched, {} MiB of the host",
        theirs.len() >> 20,
        ours.len() >> 20
    );
    let has_key = |bytes: &[u8]| keys.iter().any(|key| contains(bytes, key));
    ensure!(contains(&theirs, b"hostile"), "the worker's memory was not read");
    planted.none_in("the worker's memory", &theirs)?;
    ensure!(!has_key(&theirs), "the worker's memory has a key of the repository");
    planted.none_in("the worker's environment", &environment)?;
    planted.none_in("the worker's arguments", &arguments)?;
    ensure!(has_key(&ours), "the host's memory has no key either: the search proves nothing");
    ensure!(!planted.found(&ours).is_empty(), "the host's memory has no secret either");
    Ok(())
}

/// The worker of the session, once it has run code for a while without using the processor: its plugin sleeps.
fn sleeping_worker(host: u32) -> Result<u32> {
    let started = Instant::now();
    let mut before = BTreeMap::new();
    while started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(500));
        for worker in measure::workers(host) {
            let stat = fs::read_to_string(format!("/proc/{worker}/stat")).unwrap_or_default();
            let time: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
            let used =
                (time.get(12).map(|it| (*it).to_owned()), time.get(13).map(|it| (*it).to_owned()));
            let tasks = fs::read_dir(format!("/proc/{worker}/task")).into_iter().flatten();
            let lanes = tasks
                .flatten()
                .filter_map(|task| fs::read_to_string(task.path().join("comm")).ok())
                .filter(|name| name.trim() == "lane")
                .count();
            if lanes >= 2 && before.insert(worker, used.clone()) == Some(used) {
                return Ok(worker);
            }
        }
    }
    anyhow::bail!("no worker sleeps")
}

/// Of memory, in bytes.
const PAGE: u64 = 4096;

/// All pages of a process that are there and can be read (`proc_pid_mem(5)`).
fn memory(process: u32) -> Result<Vec<u8>> {
    let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
    let file = fs::File::open(format!("/proc/{process}/mem"))?;
    let pages = fs::File::open(format!("/proc/{process}/pagemap"))?;
    let mut memory = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) =
            (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let Some((start, end)) = range.split_once('-') else { continue };
        // The program file is the same for everybody.
        if !rights.starts_with('r')
            || line.contains("[v")
            || (line.contains("/lockgate") && !rights.contains('w'))
        {
            continue;
        }
        let (start, end) = (u64::from_str_radix(start, 16)?, u64::from_str_radix(end, 16)?);
        let mut present = vec![0; usize::try_from((end - start) / PAGE * 8)?];
        pages.read_exact_at(&mut present, start / PAGE * 8)?;
        for (page, entry) in (0..).zip(present.chunks(8)) {
            // Bits 63 and 62 of a page's entry: it is in memory, or swapped out (`proc_pid_pagemap(5)`).
            if entry.last().is_some_and(|bits| bits & 0xc0 != 0) {
                let mut bytes = [0; PAGE as usize];
                if file.read_exact_at(&mut bytes, start + page * PAGE).is_ok() {
                    memory.extend_from_slice(&bytes);
                }
            }
        }
    }
    Ok(memory)
}

/// The repository's keys as restic tells them: 32 bytes to encrypt, twice 16 to authenticate.
fn master_keys(planted: &Planted) -> Result<Vec<Vec<u8>>> {
    let output = std::process::Command::new(lockgate_servers::restic()?)
        .args(["cat", "masterkey", "--no-cache"])
        .env("RESTIC_REPOSITORY", planted.site.path("repository"))
        .env("RESTIC_PASSWORD", planted.of("repository password"))
        .output()?;
    let keys: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let texts = [&keys["encrypt"], &keys["mac"]["k"], &keys["mac"]["r"]];
    texts.into_iter().map(|text| base64(text.as_str().context("a key")?)).collect()
}

/// Base 64 of RFC 4648, section 4.
fn base64(text: &str) -> Result<Vec<u8>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for character in text.bytes().filter(|byte| *byte != b'=') {
        let value = ALPHABET.iter().position(|it| *it == character).context("no base 64")?;
        bits = bits << 6 | u32::try_from(value)?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Ok(bytes)
}
