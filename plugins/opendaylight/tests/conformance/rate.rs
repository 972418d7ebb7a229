//! Shows that writes go on while a backup runs.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lockgate_conformance::command::{Lockgate, plugins};
use lockgate_conformance::{Content, Role, Server, Writer};
use serde_json::Value;

use crate::ledger::Ledger;
use crate::{Running, Way};

/// How long is measured before, during (one backup after the other) and after.
const TIME: Duration = Duration::from_secs(6);
/// Data beside what is written.
const BYTES: u64 = 16 << 20;

#[test]
#[ignore = "a measurement of a minute or two: --ignored runs it"]
fn writes_go_on_during_snapshots() -> Result<()> {
    measure(Way::Snapshot)
}

#[test]
#[ignore = "a measurement of a minute or two: --ignored runs it"]
fn writes_go_on_while_json_is_read() -> Result<()> {
    measure(Way::Json)
}

fn measure(way: Way) -> Result<()> {
    let mut server = Running::start(way, Role::Source)?;
    server.fill(Content::Usual)?;
    // Not where the accounts are, whose sum is looked at.
    let people: Vec<Value> = (0..BYTES / (32 << 10))
        .map(|number| serde_json::json!({"id": format!("p{number}"), "address": format!("{number:032768}")}))
        .collect();
    for some in people.chunks(100) {
        crate::content::merge(&server.node.client, "people:people", "person", some)?;
    }
    let folder = tempfile::tempdir()?;
    let lockgate = configured(&server, folder.path())?;
    lockgate.ok(&["init"])?;
    let writer = Ledger::start(server.node.client.clone())?;
    std::thread::sleep(Duration::from_secs(3));
    let before = rate(&writer, || {
        std::thread::sleep(TIME);
        Ok(())
    })?;
    let (mut backups, mut first) = (0, Duration::ZERO);
    let during = rate(&writer, || {
        let start = Instant::now();
        while start.elapsed() < TIME {
            lockgate.ok(&["backup", "node"])?;
            backups += 1;
            if backups == 1 {
                first = start.elapsed();
            }
        }
        Ok(())
    })?;
    let after = rate(&writer, || {
        std::thread::sleep(TIME);
        Ok(())
    })?;
    Box::new(writer).stop()?;
    crate::ledger::check(&server.node.client)?;
    println!(
        "way {way:?}: {before:.0} writes/s before, {during:.0} during {backups} backups (the first took {:.1} s), {after:.0} after",
        first.as_secs_f64()
    );
    ensure!(during > before / 10.0, "the backups have held the writes up");
    Ok(())
}

fn rate(writer: &Ledger, work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let (start, changes) = (Instant::now(), writer.changes());
    work()?;
    Ok((writer.changes() - changes) as f64 / start.elapsed().as_secs_f64())
}

/// A `lockgate` that knows the node as its source `node`.
fn configured(server: &Running, folder: &std::path::Path) -> Result<Lockgate> {
    let source = server.source();
    let mut node = source.settings;
    node.insert("plugin".to_owned(), "opendaylight".into());
    let mut endpoints = toml::Table::new();
    for (name, endpoint) in source.endpoints {
        let mut table = endpoint.settings;
        table.insert("address".to_owned(), endpoint.address.into());
        endpoints.insert(name, table.into());
    }
    node.insert("endpoints".to_owned(), endpoints.into());
    let mut whole = toml::toml! {
        [repositories.main]
        url = ""
    };
    let url = format!("fs:{}", folder.join("repository").display());
    if let Some(main) = whole.get_mut("repositories").and_then(|all| all.get_mut("main")) {
        *main = toml::Value::Table([("url".to_owned(), url.into())].into_iter().collect());
    }
    whole.insert(
        "sources".to_owned(),
        toml::Value::Table([("node".to_owned(), node.into())].into_iter().collect()),
    );
    let config = folder.join("config.toml");
    fs::write(&config, toml::to_string(&whole)?)?;
    let own = folder.join("plugins");
    fs::create_dir(&own)?;
    fs::copy(plugins()?.join("opendaylight.wasm"), own.join("opendaylight.wasm"))?;
    let lockgate = Lockgate::new(folder, &own)?.with("LOCKGATE_CONFIG", &config);
    // The lock file is beside the configuration.
    lockgate.ok(&["plugin", "lock"])?;
    Ok(lockgate)
}
