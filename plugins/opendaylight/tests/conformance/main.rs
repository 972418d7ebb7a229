//! OpenDaylight as the conformance suite drives it: a real node, asked over RESTCONF with plain HTTP.

mod content;
mod ledger;
mod rate;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;

use anyhow::{Context, Result};
use lockgate_conformance::{
    Content, Contents, Datastore, Disguise, Endpoint, Renaming, Role, Selection, Server, Source,
    Writer,
};
use lockgate_servers::OpenDaylight;
use tempfile::NamedTempFile;

use crate::ledger::Ledger;

/// Memory of a node, in MiB: for the largest content of the suite, several times.
const HEAP_MIB: u32 = 2048;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Json,
    Snapshot,
}

struct Nodes(Way);

impl Datastore for Nodes {
    fn plugin(&self) -> &str {
        "opendaylight"
    }

    fn server_version(&self) -> Result<String> {
        let way = if self.0 == Way::Json { "json" } else { "snapshot" };
        Ok(format!("{}, way {way}", OpenDaylight::version()))
    }

    fn start(&self, role: Role) -> Result<Box<dyn Server>> {
        Ok(Box::new(Running::start(self.0, role)?))
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        const RENAME: (&str, &str) = (
            "rename",
            "the name of a container is part of its model, and that of a shard of the configuration",
        );
        const FILE: &str = "the data goes through a file and not over the connection that the suite holds or slows";
        match self.0 {
            Way::Json => vec![RENAME],
            Way::Snapshot => vec![
                RENAME,
                ("selective-restore", "a node takes a snapshot as a whole"),
                (
                    "fingerprint",
                    "the server gives no digest of a shard; the restore compares the file and the place in the log",
                ),
                (
                    "dry-run",
                    "to look at a target starts its node, which has data then and is no target any more",
                ),
                ("slow-server", FILE),
                ("cancel", FILE),
                ("server-killed", FILE),
                ("server-killed-in-restore", "the node is down during a restore"),
            ],
        }
    }
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&Nodes(Way::Json))
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn it_conforms_by_snapshots() -> Result<()> {
    lockgate_conformance::check(&Nodes(Way::Snapshot))
}

/// After which a node has written how far its log was applied.
const APPLIED_TIME: std::time::Duration = std::time::Duration::from_secs(5);

struct Running {
    node: OpenDaylight,
    way: Way,
    /// Whether it is down unless it is looked at, as a target of snapshots must be.
    is_down: bool,
    secret: NamedTempFile,
}

impl Running {
    fn start(way: Way, role: Role) -> Result<Self> {
        let is_down = way == Way::Snapshot && role == Role::Target;
        let node =
            if is_down { OpenDaylight::prepare(HEAP_MIB)? } else { OpenDaylight::start(HEAP_MIB)? };
        let mut secret = NamedTempFile::new()?;
        writeln!(secret, "{}", OpenDaylight::ADMINISTRATOR.1)?;
        Ok(Self { node, way, is_down, secret })
    }

    /// Does something while the node is up.
    fn awake<T>(&mut self, work: impl FnOnce(&OpenDaylight) -> Result<T>) -> Result<T> {
        if !self.node.is_up() {
            self.node.restart()?;
        }
        let done = work(&self.node);
        if self.is_down {
            // How far its log was applied is written some time after it was: what comes behind is not seen by the next start.
            std::thread::sleep(APPLIED_TIME);
            self.node.kill();
        }
        done
    }

    fn folder(&self, name: &str) -> toml::Value {
        let path = self.node.home().join(name).display().to_string();
        let mut grant = toml::Table::new();
        grant.insert("path".to_owned(), path.into());
        grant.insert("access".to_owned(), "read-write".into());
        grant.into()
    }
}

impl Server for Running {
    fn source(&self) -> Source {
        let endpoint: toml::Table =
            [("encryption", "off"), ("credential", "account"), ("scheme", "basic")]
                .map(|(key, value)| (key.to_owned(), value.into()))
                .into_iter()
                .collect();
        let secret = self.secret.path().display().to_string();
        let account: toml::Table =
            [("principal", OpenDaylight::ADMINISTRATOR.0.to_owned()), ("secret-file", secret)]
                .map(|(key, value)| (key.to_owned(), value.into()))
                .into_iter()
                .collect();
        let mut settings = toml::Table::new();
        settings.insert("clock".to_owned(), true.into());
        settings.insert("parallel".to_owned(), 2.into());
        let mut config = toml::Table::new();
        if self.way == Way::Json {
            config.insert("way".to_owned(), "json".into());
        } else {
            config.insert("way".to_owned(), "snapshot".into());
            config.insert("wait-seconds".to_owned(), 0.into());
            let backup = self.node.home().join("backup").display().to_string();
            config.insert("backup-path".to_owned(), backup.into());
            let folders: toml::Table = [
                ("backup", "backup"),
                ("restore", "clustered-datastore-restore"),
                ("journal", "segmented-journal"),
                ("snapshots", "snapshots"),
            ]
            .map(|(name, folder)| (name.to_owned(), self.folder(folder)))
            .into_iter()
            .collect();
            settings.insert("folders".to_owned(), folders.into());
        }
        settings.insert("config".to_owned(), config.into());
        let credentials: toml::Table =
            [("account".to_owned(), account.into())].into_iter().collect();
        settings.insert("credentials".to_owned(), credentials.into());
        let address = format!("127.0.0.1:{}", self.node.port());
        let endpoint = Endpoint { address, settings: endpoint };
        Source { endpoints: BTreeMap::from([("server".to_owned(), endpoint)]), settings }
    }

    fn clear(&mut self) -> Result<()> {
        if self.is_down {
            self.node.kill();
            return self.node.forget();
        }
        content::clear(&self.node.client)
    }

    fn fill(&mut self, content: Content) -> Result<()> {
        self.awake(|node| content::fill(&node.client, content))
    }

    fn contents(&mut self) -> Result<Contents> {
        // A snapshot brings the keys of the installation too.
        let is_all = self.way == Way::Snapshot;
        self.awake(|node| content::settled(&node.client, is_all))
    }

    fn selection(&self) -> Selection {
        Selection {
            parts: vec!["config/people:people".to_owned()],
            objects: vec!["people:people/one".to_owned(), "people:people/two".to_owned()],
        }
    }

    fn renaming(&self) -> Renaming {
        Renaming::default()
    }

    fn write(&mut self) -> Result<Box<dyn Writer>> {
        // Of the target only what it has written counts.
        if !self.node.is_up() {
            self.node.restart()?;
        }
        Ok(Box::new(Ledger::start(self.node.client.clone())?))
    }

    fn check_invariant(&mut self) -> Result<()> {
        self.awake(|node| ledger::check(&node.client))
    }

    fn kill(&mut self) -> Result<()> {
        self.node.kill();
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.node.restart()
    }

    fn revoke(&mut self) -> Result<()> {
        self.node.revoke()
    }

    fn disguise(&mut self) -> Result<Disguise> {
        let told = |version: &str| format!("\"Version\":\"{version}\"").into_bytes();
        Ok(Disguise::Replies(vec![(told("9.0.4"), told("3.0.4"))]))
    }

    fn leftovers(&mut self) -> Result<Vec<String>> {
        // A file for the next start is what a restore is for: only one that a node leaves is left over.
        self.awake(|node| {
            let mut left = Vec::new();
            for folder in ["backup", "clustered-datastore-restore"] {
                for entry in fs::read_dir(node.home().join(folder))? {
                    let name = entry?.file_name().to_string_lossy().into_owned();
                    // The one file that the next backup writes anew; the page says so.
                    if (folder, name.as_str()) != ("backup", "lockgate.snapshot") {
                        left.push(format!("{folder}/{name}"));
                    }
                }
            }
            Ok(left)
        })
    }
}

#[test]
#[ignore = "takes minutes: --ignored runs it"]
fn a_node_does_what_the_suite_asks_of_a_driver() -> Result<()> {
    let mut server = Running::start(Way::Json, Role::Source)?;
    let empty = server.contents()?;
    for content in [
        Content::Usual,
        Content::Odd,
        Content::Huge { bytes: 3 << 20 },
        Content::Many { count: 5_000 },
        Content::Bulk { bytes: 8 << 20 },
    ] {
        server.fill(content)?;
        let filled = server.contents()?;
        assert!(filled.len() > empty.len(), "{content:?}");
        if content == Content::Usual {
            let selection = server.selection();
            let missing = selection.objects.iter().find(|object| !filled.contains_key(*object));
            assert_eq!(missing, None);
            let writer = server.write()?;
            std::thread::sleep(std::time::Duration::from_millis(500));
            assert!(writer.stop().context("the program that writes")? > 0);
            server.check_invariant()?;
            server.kill()?;
            server.restart()?;
            server.check_invariant()?;
        }
        server.clear()?;
        assert_eq!(server.contents()?, empty, "{content:?}");
    }
    assert_eq!(server.leftovers()?, Vec::<String>::new());
    Ok(())
}
