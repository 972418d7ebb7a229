//! A program that writes entries one after the other, each when the one before is acknowledged. Whatever one moment shows has
//! all entries up to some number and none behind it, and each says the same twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, ensure};
use lockgate_conformance::Writer;
use lockgate_servers::SearchClient;
use serde_json::{Value, json};

use crate::contents::documents;

const INDEX: &str = "ledger";
/// The document that is written again each time.
const LAST: &str = "last";

/// Makes the index. One shard: nothing is promised across shards.
pub fn make(client: &SearchClient) -> Result<()> {
    let body = json!({ "settings": { "number_of_shards": 1, "number_of_replicas": 0 } });
    client.request("PUT", &format!("/{INDEX}"), &body.to_string())?;
    write(client, 0)
}

fn write(client: &SearchClient, n: u64) -> Result<()> {
    let entry = json!({ "a": n, "b": n }).to_string();
    client.request("PUT", &format!("/{INDEX}/_doc/{n}"), &entry)?;
    client.request("PUT", &format!("/{INDEX}/_doc/{LAST}"), &entry).map(drop)
}

/// The running program.
pub struct Ledger {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64>>,
}

impl Ledger {
    /// Starts to write.
    pub fn start(client: SearchClient) -> Result<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        client.request("POST", &format!("/{INDEX}/_refresh"), "")?;
        // One of the documents is no entry.
        let first = documents(&client, INDEX)?.len().saturating_sub(1) as u64;
        let thread = std::thread::spawn(move || {
            let mut next = first;
            while !over.load(Ordering::Relaxed) {
                write(&client, next)?;
                next += 1;
            }
            Ok(next - first)
        });
        Ok(Self { is_over, thread })
    }
}

impl Writer for Ledger {
    fn stop(self: Box<Self>) -> Result<u64> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the writer panicked"))?
    }
}

/// Checks what the program keeps.
pub fn check(client: &SearchClient) -> Result<()> {
    client.request("POST", &format!("/{INDEX}/_refresh"), "")?;
    let mut numbers = Vec::new();
    let mut last = None;
    for (id, _, _, source) in documents(client, INDEX)? {
        let entry: Value = serde_json::from_str(&source)?;
        ensure!(entry["a"] == entry["b"], "{id} says two things: {source}");
        let number = entry["a"].as_u64().context("an entry has a number")?;
        if id == LAST {
            last = Some(number);
        } else {
            ensure!(id == number.to_string(), "{id} says {number}");
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    let highest = numbers.last().copied().context("there is no entry")?;
    ensure!(numbers.len() as u64 == highest + 1, "{} entries up to {highest}", numbers.len());
    let last = last.context("the last entry is not there")?;
    ensure!(last == highest || last + 1 == highest, "the last is {last}, and {highest} is there");
    Ok(())
}
