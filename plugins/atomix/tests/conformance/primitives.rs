//! Fills, empties and shows primitives over the REST interface.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lockgate_conformance::Contents;
use lockgate_conformance::random::Random;
use lockgate_servers::AtomixClient;
use serde_json::{Value, json};

/// Threads that write or read at the same time.
const THREADS: usize = 8;
/// The transactions of the cluster itself.
const INTERNAL: &str = "atomix-transactions";
/// How often the keys of a map are asked for until all are listed, and the pause between.
const LISTS_MAX: u32 = 20;
const LIST_PAUSE: Duration = Duration::from_millis(500);
/// A value of a usual size, and the largest that an entry of a journal takes, in bytes.
pub const USUAL_BYTES: usize = 256 << 10;
/// A little less than the MiB of an entry, of which its command is a part.
pub const HUGE_BYTES: usize = 1_000_000;

/// The group in which a primitive is: that of its name before the dot.
fn group(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// Makes a primitive known to the agent, or finds it.
///
/// # Errors
/// When the agent refuses.
pub fn create(client: &mut AtomixClient, kind: &str, name: &str) -> Result<()> {
    let protocol = json!({"protocol": {"type": "multi-raft", "group": group(name)}});
    client.send_json("POST", &format!("/v1/{kind}/{name}"), &protocol.to_string()).map(drop)
}

/// Puts values into a map, in parallel.
///
/// # Errors
/// When the agent refuses.
pub fn put_all(
    connect: &(impl Fn() -> AtomixClient + Sync),
    map: &str,
    values: &[(String, String)],
) -> Result<()> {
    create(&mut connect(), "atomic-map", map)?;
    let share = values.len().div_ceil(THREADS).max(1);
    std::thread::scope(|scope| {
        let put = |values: &[(String, String)]| {
            let mut client = connect();
            for (key, value) in values {
                let target = format!("/v1/atomic-map/{map}/{}", encoded(key));
                client.send("PUT", &target, value)?;
            }
            Ok(())
        };
        let threads: Vec<_> =
            values.chunks(share).map(|values| scope.spawn(move || put(values))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("a thread that puts"))
    })
}

/// A little of everything that REST can write and show, in both groups.
///
/// # Errors
/// When the agent refuses.
pub fn usual(client: &mut AtomixClient) -> Result<()> {
    for group in ["data", "more"] {
        let map = format!("{group}.map");
        create(client, "atomic-map", &map)?;
        for key in ["one", "two", "three"] {
            client.send(
                "PUT",
                &format!("/v1/atomic-map/{map}/{key}"),
                &format!("{group} {key}"),
            )?;
        }
        // What was there once and is not any more.
        client.send("PUT", &format!("/v1/atomic-map/{map}/gone"), "gone")?;
        client.send("DELETE", &format!("/v1/atomic-map/{map}/gone"), "")?;
        let value = format!("{group}.value");
        create(client, "atomic-value", &value)?;
        client.send("POST", &format!("/v1/atomic-value/{value}/value"), "first")?;
        client.send("POST", &format!("/v1/atomic-value/{value}/value"), "a value")?;
        let counter = format!("{group}.counter");
        create(client, "atomic-counter", &counter)?;
        client.send("PUT", &format!("/v1/atomic-counter/{counter}"), "41")?;
        client.send("POST", &format!("/v1/atomic-counter/{counter}/inc"), "")?;
        let tree = format!("{group}.tree");
        create(client, "atomic-document-tree", &tree)?;
        for path in ["a", "a/b", "a/c", "d"] {
            client.send("POST", &format!("/v1/atomic-document-tree/{tree}/{path}"), path)?;
        }
    }
    crate::server::begin_ledger(client)
}

/// Every primitive with a digest of what it holds; those that hold nothing are left out.
///
/// # Errors
/// When the agent does not answer.
pub fn contents(connect: &(impl Fn() -> AtomixClient + Sync)) -> Result<Contents> {
    let mut client = connect();
    let all: Value = serde_json::from_str(&client.get("/v1/primitives")?)?;
    let mut contents = Contents::new();
    for (name, primitive) in all.as_object().context("no list of primitives")? {
        let kind = primitive["type"].as_str().context("a primitive without a type")?;
        if name == INTERNAL {
            continue;
        }
        create(&mut client, kind, name)?;
        let held = match kind {
            "atomic-map" => map(connect, name)?,
            "atomic-value" => client.get(&format!("/v1/atomic-value/{name}/value"))?,
            "atomic-counter" => {
                let count = client.get(&format!("/v1/atomic-counter/{name}"))?;
                if count == "0" { String::new() } else { count }
            }
            "atomic-document-tree" => {
                let mut nodes = BTreeMap::new();
                tree(&mut client, name, "", &mut nodes)?;
                if nodes.is_empty() { String::new() } else { format!("{nodes:?}") }
            }
            _ => continue,
        };
        if !held.is_empty() && held != "null" {
            contents.insert(format!("{kind} {name}"), held);
        }
    }
    Ok(contents)
}

/// The keys of a map in their order, as many as the map has.
///
/// A list of more than 32 KiB of values is fetched in pieces, and each moves a cursor in the agent. An agent that learns who leads
/// sends again what is under way, so that the cursor moves twice and a list lacks keys that are there. The size is one answer.
///
/// # Errors
/// When the agent refuses, or does not list all.
pub fn keys(client: &mut AtomixClient, map: &str) -> Result<Vec<String>> {
    let mut told = (0, 0);
    for _ in 0..LISTS_MAX {
        let listed = client.get(&format!("/v1/atomic-map/{map}/keys"))?;
        let mut keys: Vec<String> = serde_json::from_str(&listed)?;
        let size: usize = client.get(&format!("/v1/atomic-map/{map}/size"))?.parse()?;
        if keys.len() == size {
            keys.sort();
            return Ok(keys);
        }
        told = (keys.len(), size);
        std::thread::sleep(LIST_PAUSE);
    }
    let (listed, size) = told;
    bail!("{map} has {size} keys, and the agent lists {listed} of them each time")
}

fn map(connect: &(impl Fn() -> AtomixClient + Sync), name: &str) -> Result<String> {
    let keys = keys(&mut connect(), name)?;
    let share = keys.len().div_ceil(THREADS).max(1);
    let read = |keys: &[String]| -> Result<Vec<u64>> {
        let mut client = connect();
        let digest = |key: &String| {
            let answer = client.get(&format!("/v1/atomic-map/{name}/{}", encoded(key)))?;
            let answer: Value = serde_json::from_str(&answer)?;
            let value = answer["value"].as_str().with_context(|| format!("no value of {key}"))?;
            let mut hasher = DefaultHasher::new();
            (key, value).hash(&mut hasher);
            Ok(hasher.finish())
        };
        keys.iter().map(digest).collect()
    };
    let digests = std::thread::scope(|scope| {
        let threads: Vec<_> =
            keys.chunks(share).map(|keys| scope.spawn(move || read(keys))).collect();
        let joined = threads.into_iter().map(|it| it.join().expect("a thread that reads"));
        joined.collect::<Result<Vec<_>>>()
    })?;
    if keys.is_empty() {
        return Ok(String::new());
    }
    let mut hasher = DefaultHasher::new();
    digests.concat().hash(&mut hasher);
    Ok(format!("{} keys, {:016x}", keys.len(), hasher.finish()))
}

fn tree(
    client: &mut AtomixClient,
    name: &str,
    path: &str,
    nodes: &mut BTreeMap<String, String>,
) -> Result<()> {
    let slash = if path.is_empty() { "" } else { "/" };
    let target = format!("/v1/atomic-document-tree/{name}/children{slash}{path}");
    let children: Value = serde_json::from_str(&client.get(&target)?)?;
    ensure!(nodes.len() < 10_000, "the tree has no end");
    for (child, node) in children.as_object().context("no children")? {
        let path = format!("{path}{slash}{child}");
        nodes.insert(path.clone(), node["value"].to_string());
        tree(client, name, &path, nodes)?;
    }
    Ok(())
}

/// A key as it stands in a path: all but letters and digits as `%XX`.
pub fn encoded(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    key.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Text that does not compress to less than three quarters.
pub fn noise(seed: u64, bytes: usize) -> String {
    Random::new(seed).noise(bytes)
}
