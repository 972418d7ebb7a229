use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use lockgate_conformance::{
    Content, Contents, Disguise, Endpoint, Renaming, Selection, Server, Source, Writer,
};
use lockgate_servers::{Etcd, EtcdOptions, EtcdRelease};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::content::{self, TOGETHER};
use crate::gateway::{Gateway, from_base64};
use crate::version;
use crate::writer::Counting;

const PASSWORD: &str = "backup secret";
/// Values up to so many bytes are shown as they are.
const SHOWN_BYTES_MAX: usize = 40;

/// A server that lets in `root` with a password, who backs up and restores.
pub struct Cluster {
    server: Etcd,
    password: String,
    folder: TempDir,
}

impl Cluster {
    pub fn open(release: EtcdRelease) -> Result<Self> {
        // For the huge value; all others fit into what a server takes by default.
        let arguments = vec!["--max-request-bytes=25165824".to_owned()];
        let mut server =
            Etcd::start_with(&EtcdOptions { release, arguments, ..EtcdOptions::default() })?;
        server.enable_auth(PASSWORD)?;
        let folder = TempDir::new()?;
        fs::write(folder.path().join("secret"), PASSWORD)?;
        Ok(Self { server, password: PASSWORD.to_owned(), folder })
    }

    fn gateway(&self) -> Result<Gateway> {
        Gateway::open(&self.server.address, &self.password)
    }

    fn json(&self, arguments: &[&str]) -> Result<Value> {
        let said = self.server.ctl(&[arguments, &["--write-out=json"]].concat())?;
        Ok(serde_json::from_str(&said)?)
    }

    fn value(&self, key: &[u8]) -> Result<String> {
        self.server.ctl(&["get", std::str::from_utf8(key)?, "--print-value-only"])
    }

    fn keys(&self, contents: &mut Contents) -> Result<()> {
        let said = self.json(&["get", "", "--from-key"])?;
        for pair in said["kvs"].as_array().into_iter().flatten() {
            let key = from_base64(&pair["key"])?;
            let value = from_base64(&pair["value"])?;
            let lease = &pair["lease"];
            contents.insert(
                format!("key {}", key.escape_ascii()),
                format!("{} lease {lease}", shown(&value)),
            );
        }
        Ok(())
    }

    fn leases(&self, contents: &mut Contents) -> Result<()> {
        let listed = self.server.ctl(&["lease", "list"])?;
        for lease in listed.lines().filter(|line| !line.contains(' ') && !line.is_empty()) {
            let said = self.json(&["lease", "timetolive", lease])?;
            let granted = said.get("granted-ttl").or(said.get("granted_ttl")).context("a lease")?;
            contents.insert(format!("lease {lease}"), granted.to_string());
        }
        Ok(())
    }

    fn accounts(&self, contents: &mut Contents) -> Result<()> {
        let users = self.server.ctl(&["user", "list"])?;
        for user in users.lines().filter(|name| *name != "root") {
            let said = self.server.ctl(&["user", "get", user])?;
            contents.insert(format!("user {user}"), said);
        }
        let roles = self.server.ctl(&["role", "list"])?;
        for role in roles.lines().filter(|name| *name != "root") {
            let mut said = self.json(&["role", "get", role])?;
            // Beside the permissions there is only who answered, and when.
            contents.insert(format!("role {role}"), said["perm"].take().to_string());
        }
        Ok(())
    }
}

fn shown(value: &[u8]) -> String {
    if value.len() <= SHOWN_BYTES_MAX {
        return format!("\"{}\"", value.escape_ascii());
    }
    let mut text = format!("{} bytes ", value.len());
    for byte in Sha256::digest(value) {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl Server for Cluster {
    fn source(&self) -> Source {
        let endpoint = Endpoint {
            address: self.server.address.clone(),
            settings: toml::Table::from_iter([("encryption".to_owned(), "off".into())]),
        };
        let mut settings = toml::toml! {
            parallel = 2
            credentials.account = { principal = "root", secret-file = "", reveal = true }
        };
        let secret = self.folder.path().join("secret").display().to_string();
        settings["credentials"]["account"]["secret-file"] = secret.into();
        Source { endpoints: BTreeMap::from([("server".to_owned(), endpoint)]), settings }
    }

    fn clear(&mut self) -> Result<()> {
        self.server.reset()
    }

    fn fill(&mut self, content: Content) -> Result<()> {
        content::fill(&mut self.gateway()?, content)
    }

    fn contents(&mut self) -> Result<Contents> {
        let mut contents = Contents::new();
        self.keys(&mut contents)?;
        self.leases(&mut contents)?;
        self.accounts(&mut contents)?;
        Ok(contents)
    }

    fn selection(&self) -> Selection {
        // The leases of its keys come with a part, and no others.
        let objects = ["key /locks/one", "key /locks/two", "lease 0000000000000007"];
        let objects = objects.map(str::to_owned);
        Selection { parts: vec!["keys/%2Flocks%2F".to_owned()], objects: objects.to_vec() }
    }

    fn renaming(&self) -> Renaming {
        let object = |name: &str| (format!("key /app/{name}"), format!("key /copy/of/{name}"));
        Renaming {
            parts: vec!["keys/%2Fapp%2F".to_owned()],
            names: vec![("/app/".to_owned(), "/copy/of/".to_owned())],
            objects: ["config/000", "config/299", "changed", "sequence"].map(object).to_vec(),
        }
    }

    fn write(&mut self) -> Result<Box<dyn Writer>> {
        let from = self.value(TOGETHER[0])?.trim().parse()?;
        Ok(Box::new(Counting::start(self.gateway()?, from)))
    }

    fn check_invariant(&mut self) -> Result<()> {
        let numbers: Vec<String> =
            TOGETHER.iter().map(|key| self.value(key)).collect::<Result<_>>()?;
        let first = numbers.first().context("a number")?;
        ensure!(first.trim().parse::<u64>()? > 0, "nothing was counted: {numbers:?}");
        ensure!(
            numbers.iter().all(|number| number == first),
            "parts are of different moments: {numbers:?}"
        );
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        self.server.kill();
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.server.restart()
    }

    fn revoke(&mut self) -> Result<()> {
        self.password = "another".to_owned();
        self.server.change_password(&self.password)
    }

    fn disguise(&mut self) -> Result<Disguise> {
        let version = version(&self.server)?;
        let other = version.replacen('3', "9", 1);
        Ok(Disguise::Replies(vec![(version.into(), other.into())]))
    }

    fn leftovers(&mut self) -> Result<Vec<String>> {
        let keys = self.server.ctl(&["get", "lockgate", "--prefix", "--keys-only"])?;
        Ok(keys.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
    }
}
