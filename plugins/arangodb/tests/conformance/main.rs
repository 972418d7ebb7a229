//! ArangoDB as the conformance suite drives it: a stand-in of its public protocol, filled and read by the maker's client in Python
//! (`driver.py`), and held against the maker's own tests of its client in Go (`suite.rs`).

mod client;
mod suite;

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, Result, ensure};
use lockgate_conformance::{
    Content, Contents, Datastore, Disguise, Endpoint, Options, Renaming, Role, Selection, Server,
    Source, Writer, run,
};
use lockgate_servers::StandIn;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::client::Client;

/// What the stand-in calls itself.
const VERSION: &str = "3.12.5";
/// The password of `root`, which the stand-in begins with.
const PASSWORD: &str = "secret";

/// A single server, or a cluster behind a coordinator.
struct Arango {
    is_cluster: bool,
}

impl Datastore for Arango {
    fn plugin(&self) -> &str {
        "arangodb"
    }

    fn server_version(&self) -> Result<String> {
        let role = if self.is_cluster { "coordinator" } else { "single server" };
        Ok(format!("recorded protocol of ArangoDB {VERSION} ({role})"))
    }

    fn start(&self, _role: Role) -> Result<Box<dyn Server>> {
        Ok(Box::new(Running::start(self.is_cluster)?))
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        match self.is_cluster {
            true => vec![(
                "concurrent-writes",
                "shards of a cluster have moments of their own, which the plugin says; the single server shows one moment",
            )],
            false => Vec::new(),
        }
    }
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&Arango { is_cluster: false })
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn it_conforms_as_a_cluster() -> Result<()> {
    lockgate_conformance::check(&Arango { is_cluster: true })
}

/// A single server and a cluster, in the cases that say most.
#[test]
fn it_conforms_in_short() -> Result<()> {
    short(false, &["concurrent-writes", "fingerprint", "rename", "restore-non-empty"])?;
    short(true, &["fingerprint", "rename", "selective-restore", "nothing-left"])
}

fn short(is_cluster: bool, cases: &[&str]) -> Result<()> {
    let store = Arango { is_cluster };
    let options = Options {
        on_case: &|case| print!("{}", case.text()),
        ..Options::of_tests(store.plugin(), cases)?
    };
    let report = run(&store, &options)?;
    let failed: Vec<&str> = report.failed().map(|case| case.name.as_str()).collect();
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

struct Running {
    server: StandIn,
    client: Client,
    secret: NamedTempFile,
}

impl Running {
    fn start(is_cluster: bool) -> Result<Self> {
        let mut server = StandIn::start("arangodb")?;
        if is_cluster {
            std::fs::write(server.state().join("role"), "coordinator")?;
            server.kill();
            server.restart()?;
        }
        let mut secret = NamedTempFile::new()?;
        writeln!(secret, "{PASSWORD}")?;
        let client = Client::start(server.port())?;
        Ok(Self { server, client, secret })
    }
}

fn table(pairs: &[(&str, &str)]) -> toml::Table {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect()
}

impl Server for Running {
    fn source(&self) -> Source {
        let secret = self.secret.path().display().to_string();
        let account = table(&[("principal", "root"), ("secret-file", &secret)]);
        let credentials: toml::Table =
            [("account".to_owned(), account.into())].into_iter().collect();
        let mut settings = toml::Table::new();
        settings.insert("clock".to_owned(), true.into());
        settings.insert("parallel".to_owned(), 2.into());
        settings.insert("credentials".to_owned(), credentials.into());
        let endpoint = Endpoint {
            address: format!("127.0.0.1:{}", self.server.port()),
            settings: table(&[
                ("encryption", "off"),
                ("credential", "account"),
                ("scheme", "basic"),
            ]),
        };
        Source { endpoints: BTreeMap::from([("server".to_owned(), endpoint)]), settings }
    }

    fn clear(&mut self) -> Result<()> {
        self.client.ask(&json!({ "verb": "clear" })).map(drop)
    }

    fn fill(&mut self, content: Content) -> Result<()> {
        let content = match content {
            Content::Usual => json!({ "kind": "usual" }),
            Content::Huge { bytes } => json!({ "kind": "huge", "bytes": bytes }),
            Content::Many { count } => json!({ "kind": "many", "count": count }),
            Content::Bulk { bytes } => json!({ "kind": "bulk", "bytes": bytes }),
            Content::Odd => json!({ "kind": "odd" }),
        };
        self.client.ask(&json!({ "verb": "fill", "content": content })).map(drop)
    }

    fn contents(&mut self) -> Result<Contents> {
        Ok(serde_json::from_value(self.client.ask(&json!({ "verb": "contents" }))?)?)
    }

    fn selection(&self) -> Selection {
        Selection {
            parts: vec!["collection/shop/people".to_owned(), "database/shop".to_owned()],
            objects: [
                "db/shop",
                "collection/shop/people",
                "analyzer/shop/quiet",
                "_aqlfunctions/shop/MY::TWICE",
                "_apps/shop/7",
                "_appbundles/shop/abc",
            ]
            .map(str::to_owned)
            .to_vec(),
        }
    }

    fn renaming(&self) -> Renaming {
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        Renaming {
            parts: Vec::new(),
            names: vec![pair("shop", "shop2"), pair("shop.people", "persons")],
            objects: vec![
                pair("collection/shop/people", "collection/shop2/persons"),
                pair("collection/shop/places", "collection/shop2/places"),
                pair("analyzer/shop/quiet", "analyzer/shop2/quiet"),
                // Edges lead to the vertices' new names.
                pair("reach/shop/social", "reach/shop2/social"),
                pair("collection/crm/ledger", "collection/crm/ledger"),
            ],
        }
    }

    fn write(&mut self) -> Result<Box<dyn Writer>> {
        let client = Client::start(self.server.port())?;
        client.ask(&json!({ "verb": "write" }))?;
        Ok(Box::new(Writing(client)))
    }

    fn check_invariant(&mut self) -> Result<()> {
        self.client.ask(&json!({ "verb": "check" })).map(drop)
    }

    fn kill(&mut self) -> Result<()> {
        self.server.kill();
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.server.restart()
    }

    fn revoke(&mut self) -> Result<()> {
        self.client.ask(&json!({ "verb": "revoke" })).map(drop)
    }

    fn disguise(&mut self) -> Result<Disguise> {
        let shown = |version: &str| format!("\"version\":\"{version}\"").into_bytes();
        Ok(Disguise::Replies(vec![(shown(VERSION), shown("4.12.5"))]))
    }

    fn leftovers(&mut self) -> Result<Vec<String>> {
        Ok(serde_json::from_value(self.client.ask(&json!({ "verb": "leftovers" }))?)?)
    }
}

struct Writing(Client);

impl Writer for Writing {
    fn stop(self: Box<Self>) -> Result<u64> {
        let made: Value = self.0.ask(&json!({ "verb": "stop" }))?;
        made.as_u64().context("a number of changes")
    }
}

#[test]
fn the_stand_in_does_what_the_suite_asks_of_a_driver() -> Result<()> {
    for is_cluster in [false, true] {
        let mut server = Arango { is_cluster }.start(Role::Source)?;
        let empty = server.contents()?;
        for content in [
            Content::Usual,
            Content::Odd,
            Content::Huge { bytes: 3 << 20 },
            Content::Many { count: 12_000 },
            Content::Bulk { bytes: 2 << 20 },
        ] {
            server.fill(content)?;
            let filled = server.contents()?;
            assert!(filled.len() > empty.len(), "{content:?}: {filled:?}");
            if content == Content::Usual {
                let selection = server.selection();
                let missing = selection.objects.iter().find(|object| !filled.contains_key(*object));
                assert_eq!(missing, None);
                server.kill()?;
                server.restart()?;
                assert_eq!(server.contents()?, filled);
                let writer = server.write()?;
                std::thread::sleep(std::time::Duration::from_millis(300));
                assert!(writer.stop()? > 0);
                server.check_invariant()?;
            }
            server.clear()?;
            assert_eq!(server.contents()?, empty, "{content:?}");
        }
        assert_eq!(server.leftovers()?, Vec::<String>::new());
    }
    Ok(())
}
