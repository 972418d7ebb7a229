//! Elasticsearch and OpenSearch as the conformance suite drives them: real servers, asked over plain HTTP.

mod content;
mod contents;
mod ledger;

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::{Context, Result};
use lockgate_conformance::{
    Content, Contents, Datastore, Disguise, Endpoint, Renaming, Role, Selection, Server, Source,
    Writer,
};
use lockgate_servers::{Elasticsearch, SearchProduct};
use serde_json::Value;
use tempfile::NamedTempFile;

use crate::ledger::Ledger;

struct Search(SearchProduct);

impl Datastore for Search {
    fn plugin(&self) -> &str {
        "elasticsearch"
    }

    fn server_version(&self) -> Result<String> {
        Ok(self.0.version())
    }

    fn start(&self, _role: Role) -> Result<Box<dyn Server>> {
        let server = Elasticsearch::start(self.0)?;
        let mut secret = NamedTempFile::new()?;
        if let Some((_, password)) = server.account() {
            writeln!(secret, "{password}")?;
        }
        Ok(Box::new(Running { server, secret }))
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        match self.0 {
            SearchProduct::OpenSearch => vec![(
                "revoked-credential",
                "the OpenSearch of the tests has no security, so that there is no credential; Elasticsearch shows it",
            )],
            SearchProduct::Elasticsearch => Vec::new(),
        }
    }
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&Search(SearchProduct::OpenSearch))
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn it_conforms_to_elasticsearch() -> Result<()> {
    lockgate_conformance::check(&Search(SearchProduct::Elasticsearch))
}

struct Running {
    server: Elasticsearch,
    secret: NamedTempFile,
}

impl Running {
    fn get(&self, target: &str) -> Result<Value> {
        let text = self.server.client.request("GET", target, "")?;
        serde_json::from_str(&text).with_context(|| target.to_owned())
    }
}

impl Server for Running {
    fn source(&self) -> Source {
        let mut endpoint = toml::Table::new();
        endpoint.insert("encryption".to_owned(), "off".into());
        let mut settings = toml::Table::new();
        settings.insert("clock".to_owned(), true.into());
        settings.insert("parallel".to_owned(), 2.into());
        if let Some((name, _)) = self.server.account() {
            endpoint.insert("credential".to_owned(), "account".into());
            endpoint.insert("scheme".to_owned(), "basic".into());
            let secret = self.secret.path().display().to_string();
            let account: toml::Table = [("principal", name.to_owned()), ("secret-file", secret)]
                .map(|(key, value)| (key.to_owned(), value.into()))
                .into_iter()
                .collect();
            let mut credentials = toml::Table::new();
            credentials.insert("account".to_owned(), account.into());
            settings.insert("credentials".to_owned(), credentials.into());
        }
        let client = &self.server.client;
        let address = format!("{}:{}", client.host, client.port);
        let endpoint = Endpoint { address, settings: endpoint };
        Source { endpoints: BTreeMap::from([("server".to_owned(), endpoint)]), settings }
    }

    fn clear(&mut self) -> Result<()> {
        content::clear(&self.server.client)
    }

    fn fill(&mut self, content: Content) -> Result<()> {
        content::fill(&self.server.client, self.server.product(), content)
    }

    fn contents(&mut self) -> Result<Contents> {
        contents::read(&self.server.client)
    }

    fn selection(&self) -> Selection {
        Selection {
            parts: vec!["index/people".to_owned()],
            objects: ["index/people", "alias/everybody", "alias/adults"]
                .map(str::to_owned)
                .to_vec(),
        }
    }

    fn renaming(&self) -> Renaming {
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        Renaming {
            parts: vec!["index/people".to_owned()],
            names: vec![pair("people", "people-copy"), pair("everybody", "everybody-copy")],
            objects: vec![
                pair("index/people", "index/people-copy"),
                pair("alias/everybody", "alias/everybody-copy"),
            ],
        }
    }

    fn write(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Ledger::start(self.server.client.clone())?))
    }

    fn check_invariant(&mut self) -> Result<()> {
        ledger::check(&self.server.client)
    }

    fn kill(&mut self) -> Result<()> {
        self.server.kill();
        Ok(())
    }

    fn restart(&mut self) -> Result<()> {
        self.server.restart()
    }

    fn revoke(&mut self) -> Result<()> {
        self.server.revoke()
    }

    fn disguise(&mut self) -> Result<Disguise> {
        let version = self.server.product().version();
        let number = version.split(' ').next_back().context("a version has a number")?;
        let (_, rest) = number.split_once('.').context("a version has dots")?;
        let other = format!("9.{rest}");
        Ok(Disguise::Replies(vec![(number.as_bytes().to_vec(), other.into_bytes())]))
    }

    fn leftovers(&mut self) -> Result<Vec<String>> {
        let mut left = Vec::new();
        let nodes = self.get("/_nodes/stats/indices/search")?;
        for node in nodes["nodes"].as_object().into_iter().flat_map(|nodes| nodes.values()) {
            let open = node["indices"]["search"]["open_contexts"].as_u64();
            match open.context("a node tells its open contexts")? {
                0 => {}
                count => left.push(format!("{count} points in time or scrolls")),
            }
        }
        let settings = self.get("/_all/_settings?flat_settings=true&expand_wildcards=all")?;
        for (index, settings) in settings.as_object().context("settings are by index")? {
            if settings["settings"]["index.final_pipeline"] == "_none" {
                left.push(format!("index {index}, which is not complete"));
            }
        }
        let tasks = self.get("/_tasks?actions=*reindex*,*bulk*,*search*")?;
        for node in tasks["nodes"].as_object().into_iter().flat_map(|nodes| nodes.values()) {
            for task in node["tasks"].as_object().into_iter().flat_map(|tasks| tasks.values()) {
                left.push(format!("task {}", task["action"]));
            }
        }
        Ok(left)
    }
}

#[test]
fn opensearch_does_what_the_suite_asks_of_a_driver() -> Result<()> {
    rehearse(&Search(SearchProduct::OpenSearch))
}

#[test]
fn elasticsearch_does_what_the_suite_asks_of_a_driver() -> Result<()> {
    rehearse(&Search(SearchProduct::Elasticsearch))
}

/// The driver itself, before anything is concluded from what it says.
fn rehearse(datastore: &Search) -> Result<()> {
    let mut server = datastore.start(Role::Source)?;
    let empty = server.contents()?;
    for content in [
        Content::Usual,
        Content::Odd,
        Content::Huge { bytes: 3 << 20 },
        Content::Many { count: 25_000 },
        Content::Bulk { bytes: 8 << 20 },
    ] {
        server.fill(content)?;
        let filled = server.contents()?;
        assert!(filled.len() > empty.len(), "{content:?}: {filled:?}");
        if content == Content::Usual {
            let selection = server.selection();
            let missing = selection.objects.iter().find(|object| !filled.contains_key(*object));
            assert_eq!(missing, None);
            let writer = server.write()?;
            std::thread::sleep(std::time::Duration::from_millis(500));
            assert!(writer.stop()? > 0);
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
