//! OpenSearch's snapshots in a folder and that into restic; restored from such a folder.

use std::fmt::Write as _;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use lockgate_servers::{Elasticsearch, SearchProduct};
use lockgate_tests::random::Random;
use serde_json::{Value, json};

use super::shell::{Shell, word};
use super::{Datastore, Side, Sides, Size};

const DOCUMENTS: u64 = 100_000;
const DOCUMENTS_AT_ONCE: u64 = 5_000;
/// The name of a snapshot repository.
const KEPT: &str = "kept";

struct Search {
    sides: Sides<Elasticsearch>,
    /// Snapshots since the repository is new.
    snapshots: u32,
}

pub fn open(size: Size) -> Result<Box<dyn Datastore>> {
    let product = SearchProduct::OpenSearch;
    let (source, target) = (Elasticsearch::start(product)?, Elasticsearch::start(product)?);
    source.client.request(
        "PUT",
        "/orders",
        &json!({"settings": {"number_of_shards": 1, "number_of_replicas": 0}}).to_string(),
    )?;
    let mut random = Random::new(9);
    let documents = size.of(DOCUMENTS);
    for first in (0..documents).step_by(DOCUMENTS_AT_ONCE as usize) {
        let mut lines = String::new();
        for number in first..documents.min(first + DOCUMENTS_AT_ONCE) {
            let text = String::from_utf8(random.text(200))?;
            let document = json!({"customer": format!("customer {}", number % 5000), "amount": number % 10_000, "paid": number % 3 == 0,
                "code": format!("{:016x}", random.number()), "text": text});
            writeln!(lines, "{{\"index\":{{\"_id\":\"{number}\"}}}}\n{document}")?;
        }
        source.client.request("POST", "/orders/_bulk", &lines)?;
    }
    source.client.request("POST", "/orders/_flush", "")?;
    Ok(Box::new(Search { sides: Sides { source, target }, snapshots: 0 }))
}

impl Search {
    fn register(&self, side: Side) -> Result<()> {
        let server = self.sides.of(side);
        let location = server.snapshots().display().to_string();
        let settings = json!({"type": "fs", "settings": {"location": location}}).to_string();
        server.client.request("PUT", &format!("/_snapshot/{KEPT}"), &settings).map(drop)
    }

    /// Makes the server forget its repository, and removes the snapshots.
    fn forget(&self, side: Side) -> Result<()> {
        let server = self.sides.of(side);
        if server.client.request("GET", &format!("/_snapshot/{KEPT}"), "").is_ok() {
            server.client.request("DELETE", &format!("/_snapshot/{KEPT}"), "")?;
        }
        for entry in fs::read_dir(server.snapshots())? {
            let path = entry?.path();
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
        Ok(())
    }
}

impl Datastore for Search {
    fn way(&self) -> &'static str {
        "snapshots in a folder, restic"
    }

    fn source(&self, side: Side, _secret: &Path) -> String {
        format!(
            "clock = true\nendpoints.server = {{ address = \"127.0.0.1:{}\", encryption = \"off\" }}\n",
            self.sides.of(side).client.port
        )
    }

    fn begin(&mut self) -> Result<()> {
        self.snapshots = 0;
        self.forget(Side::Source)?;
        self.register(Side::Source)
    }

    fn save(&mut self, shell: &mut Shell) -> Result<()> {
        self.snapshots += 1;
        let target =
            format!("/_snapshot/{KEPT}/snapshot-{}?wait_for_completion=true", self.snapshots);
        self.sides.source.client.request("PUT", &target, "")?;
        shell.run(&format!("restic backup {}", word(self.sides.source.snapshots())))
    }

    fn restore(&mut self, shell: &mut Shell) -> Result<()> {
        let [from, to] =
            [&self.sides.source, &self.sides.target].map(|server| word(server.snapshots()));
        shell.run(&format!("restic restore latest:{from} --target {to}"))?;
        self.register(Side::Target)?;
        let name = format!("/_snapshot/{KEPT}/snapshot-{}", self.snapshots);
        let restore = format!("{name}/_restore?wait_for_completion=true");
        self.sides.target.client.request("POST", &restore, "").map(drop)
    }

    fn empty(&mut self) -> Result<()> {
        self.sides.target.client.request("DELETE", "/orders", "")?;
        self.forget(Side::Target)
    }

    fn contents(&self, side: Side) -> Result<String> {
        let client = &self.sides.of(side).client;
        let mapping = client.request("GET", "/orders/_mapping", "")?;
        client.request("POST", "/orders/_refresh", "")?;
        let question = json!({"size": 5000, "sort": ["_doc"]}).to_string();
        let mut page = client.request("POST", "/orders/_search?scroll=1m", &question)?;
        let (mut count, mut sum) = (0_u64, 0_u64);
        loop {
            let parsed: Value = serde_json::from_str(&page)?;
            let hits = parsed["hits"]["hits"].as_array().context("no hits")?;
            if hits.is_empty() {
                return Ok(format!("{count} documents, {sum:016x}, {mapping}"));
            }
            for hit in hits {
                let mut hash = DefaultHasher::new();
                (hit["_id"].to_string(), hit["_source"].to_string()).hash(&mut hash);
                (count, sum) = (count + 1, sum.wrapping_add(hash.finish()));
            }
            let more = json!({"scroll": "1m", "scroll_id": parsed["_scroll_id"]}).to_string();
            page = client.request("POST", "/_search/scroll", &more)?;
        }
    }

    fn change(&mut self) -> Result<()> {
        self.sides.target.client.request("PUT", "/orders/_doc/0", "{\"amount\": 1}").map(drop)
    }

    fn process(&self, side: Side) -> Option<u32> {
        self.sides.of(side).pid()
    }
}
