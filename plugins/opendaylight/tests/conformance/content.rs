//! What nodes are filled with, and what they hold: the makers' models for tests of the cluster.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use anyhow::{Context, Result, bail};
use lockgate_conformance::{Content, Contents};
use lockgate_servers::SearchClient;
use serde_json::{Map, Value, json};

/// Containers of the models.
const CONTAINERS: [&str; 3] = ["car:cars", "people:people", "car-people:car-people"];
/// Of one installation.
const OWN: [&str; 2] =
    ["aaa-encrypt-service-config:aaa-encrypt-service-config", "aaa-cert-mdsal:key-stores"];
/// The largest value: the journal takes no entry above 16 MiB.
const VALUE_BYTES_MAX: u64 = 6 << 20;
/// Of one value of a bulk, and of one request, in bytes.
const BULK_VALUE_BYTES: usize = 32 << 10;
const REQUEST_BYTES: usize = 4 << 20;

/// Cars whose `year` is money, with which a program plays.
pub const ACCOUNTS: u64 = 8;
pub const MONEY: u64 = 1000;

/// Between two looks.
const SETTLE_TIME: std::time::Duration = std::time::Duration::from_secs(1);

pub fn clear(client: &SearchClient) -> Result<()> {
    for container in CONTAINERS {
        if let Err(error) = client.request("DELETE", &target(container), "")
            && !format!("{error:#}").contains("Data does not exist")
        {
            return Err(error);
        }
    }
    Ok(())
}

pub fn target(container: &str) -> String {
    format!("/rests/data/{container}")
}

/// Adds to a container in one transaction.
pub fn merge(client: &SearchClient, container: &str, list: &str, entries: &[Value]) -> Result<()> {
    let mut body = Map::new();
    body.insert(container.to_owned(), json!({ list: entries }));
    // What is not there cannot be merged into.
    let text = Value::Object(body).to_string();
    client.request("PATCH", &target(container), &text).map(drop)
}

pub fn fill(client: &SearchClient, content: Content) -> Result<()> {
    match content {
        Content::Usual => {
            let cars: Vec<Value> = (0..ACCOUNTS)
                .map(|number| {
                    json!({"id": format!("account-{number}"), "model": "m", "manufacturer": "größer",
                        "year": MONEY, "category": "savings"})
                })
                .collect();
            merge(client, "car:cars", "car-entry", &cars)?;
            let people = [
                json!({"id": "one", "gender": "f", "age": 4_294_967_295_u64, "address": "\"here\"\n"}),
                json!({"id": "two"}),
            ];
            merge(client, "people:people", "person", &people)?;
            let pairs = [json!({"car-id": "account-1", "person-id": "one"})];
            merge(client, "car-people:car-people", "car-person", &pairs)
        }
        Content::Odd => {
            let long = "x".repeat(64 << 10);
            let odd = [
                "", "..", "/", "a/b", "a b", "名前", "é", "e\u{301}", "'\"`", "\\", "%2F",
                "a,b=c;d", "\u{1}", "\t\n", "\u{202e}", "\u{feff}", "😀", "null", "[]", &long,
            ];
            let cars: Vec<Value> =
                odd.iter().map(|odd| json!({"id": odd, "category": odd})).collect();
            merge(client, "car:cars", "car-entry", &cars)?;
            let pairs: Vec<Value> =
                odd.iter().map(|odd| json!({"car-id": odd, "person-id": odd})).collect();
            merge(client, "car-people:car-people", "car-person", &pairs)
        }
        Content::Huge { bytes } => {
            let length = usize::try_from(bytes.min(VALUE_BYTES_MAX))?;
            let cars = [json!({"id": "huge", "category": random_text(1, length)})];
            merge(client, "car:cars", "car-entry", &cars)
        }
        Content::Many { count } => {
            let numbers: Vec<u64> = (0..count).collect();
            for some in numbers.chunks(5000) {
                let cars: Vec<Value> = some
                    .iter()
                    .map(|number| json!({"id": format!("c{number}"), "year": number}))
                    .collect();
                merge(client, "car:cars", "car-entry", &cars)?;
            }
            Ok(())
        }
        Content::Bulk { bytes } => {
            let count = usize::try_from(bytes)?.div_ceil(BULK_VALUE_BYTES);
            let numbers: Vec<usize> = (0..count).collect();
            for (round, some) in numbers.chunks(REQUEST_BYTES / BULK_VALUE_BYTES).enumerate() {
                let text = |number: &usize| random_text(*number as u64 + 2, BULK_VALUE_BYTES);
                if round.is_multiple_of(2) {
                    let entry = |number: &usize| json!({"id": format!("c{number}"), "category": text(number)});
                    let cars: Vec<Value> = some.iter().map(entry).collect();
                    merge(client, "car:cars", "car-entry", &cars)?;
                } else {
                    let entry = |number: &usize| json!({"id": format!("p{number}"), "address": text(number)});
                    let people: Vec<Value> = some.iter().map(entry).collect();
                    merge(client, "people:people", "person", &people)?;
                }
            }
            Ok(())
        }
    }
}

/// Text that does not compress below six bits a character: xorshift64* (Vigna 2014).
fn random_text(seed: u64, length: usize) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::with_capacity(length + 10);
    while text.len() < length {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let bits = state.wrapping_mul(0x2545_f491_4f6c_dd1d);
        for digit in 0..10 {
            let index = (bits >> (6 * digit)) & 63;
            text.push(char::from(*DIGITS.get(index as usize).unwrap_or(&b'A')));
        }
    }
    text.truncate(length);
    text
}

/// What is there once it is the same twice: a node that was killed answers before it has applied the end of its log.
pub fn settled(client: &SearchClient, is_all: bool) -> Result<Contents> {
    let mut before = read(client, is_all)?;
    loop {
        std::thread::sleep(SETTLE_TIME);
        let now = read(client, is_all)?;
        if now == before {
            return Ok(now);
        }
        before = now;
    }
}

/// Entries by container and keys, each with a digest of what it holds.
pub fn read(client: &SearchClient, is_all: bool) -> Result<Contents> {
    let mut contents = Contents::new();
    let own: &[&str] = if is_all { &OWN } else { &[] };
    for container in CONTAINERS.iter().chain(own) {
        let Some(value) = get(client, container)? else { continue };
        let members =
            value.get(container).and_then(Value::as_object).context("no such container")?;
        for (member, value) in members {
            let Some(entries) = value.as_array() else {
                contents.insert(format!("{container}/{member}"), value.to_string());
                continue;
            };
            for entry in entries {
                let word = |key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
                let keys: Vec<String> = ["id", "car-id", "person-id", "bundle-name", "suiteName"]
                    .iter()
                    .filter_map(|key| word(key))
                    .collect();
                contents.insert(format!("{container}/{}", keys.join("/")), digest(entry));
            }
        }
    }
    Ok(contents)
}

fn digest(entry: &Value) -> String {
    let text = entry.to_string();
    if text.len() < 300 {
        return text;
    }
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{} bytes, {:016x}", text.len(), hasher.finish())
}

/// The whole container; none when it is not there.
pub fn get(client: &SearchClient, container: &str) -> Result<Option<Value>> {
    match client.request("GET", &format!("{}?content=config", target(container)), "") {
        Ok(text) => Ok(Some(serde_json::from_str(&text)?)),
        Err(error) if format!("{error:#}").contains("data-missing") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Money by account.
pub fn accounts(client: &SearchClient) -> Result<BTreeMap<String, u64>> {
    let cars = get(client, "car:cars")?.context("there are no accounts")?;
    let entries = cars.pointer("/car:cars/car-entry").and_then(Value::as_array);
    let mut accounts = BTreeMap::new();
    for entry in entries.context("there are no accounts")? {
        let (Some(id), Some(money)) = (entry["id"].as_str(), entry["year"].as_u64()) else {
            bail!("an account is none: {entry}")
        };
        accounts.insert(id.to_owned(), money);
    }
    Ok(accounts)
}
