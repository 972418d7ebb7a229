//! What servers are filled with.

use std::fmt::Write;

use anyhow::{Context, Result, bail};
use lockgate_conformance::Content;
use lockgate_servers::{SearchClient, SearchProduct};
use serde_json::{Value, json};

use crate::contents;
use crate::ledger;

/// Bytes of one `_bulk` request.
const BATCH_BYTES: usize = 8 << 20;
/// The longest text that servers read in a document (Jackson's limit, as they set it).
const TEXT_BYTES_MAX: u64 = 16 << 20;
/// The largest document that a server with half a GiB of heap takes.
const DOCUMENT_BYTES_MAX: u64 = 50 << 20;

/// Adds content to an empty server.
pub fn fill(client: &SearchClient, product: SearchProduct, content: Content) -> Result<()> {
    match content {
        Content::Usual => usual(client, product),
        Content::Huge { bytes } => huge(client, bytes),
        Content::Many { count } => many(client, count),
        Content::Bulk { bytes } => bulk(client, bytes),
        Content::Odd => odd(client),
    }
}

/// Deletes everything that a test could have made.
pub fn clear(client: &SearchClient) -> Result<()> {
    for stream in contents::data_streams(client)?.into_keys() {
        client.request("DELETE", &format!("/_data_stream/{stream}"), "")?;
    }
    for index in contents::indexes(client)? {
        client.request("DELETE", &format!("/{}", contents::segment(&index)), "")?;
    }
    // What uses another goes first.
    for (kind, name) in contents::objects(client)?.into_keys().rev() {
        if kind == "setting" {
            let settings = json!({ "persistent": { name: null } });
            client.request("PUT", "/_cluster/settings", &settings.to_string())?;
        } else {
            client.request("DELETE", &format!("/{kind}/{}", contents::segment(&name)), "")?;
        }
    }
    Ok(())
}

fn put(client: &SearchClient, target: &str, body: &Value) -> Result<()> {
    client.request("PUT", target, &body.to_string()).map(drop)
}

fn usual(client: &SearchClient, product: SearchProduct) -> Result<()> {
    put(client, "/_ingest/pipeline/stamp", &json!({ "description": "stamps", "processors": [] }))?;
    put(
        client,
        "/_component_template/words",
        &json!({ "template": { "settings": { "index.number_of_replicas": 0 } } }),
    )?;
    put(
        client,
        "/_index_template/fresh",
        &json!({ "index_patterns": ["fresh-*"], "composed_of": ["words"], "priority": 7, "_meta": { "by": "us" } }),
    )?;
    put(
        client,
        "/_template/older",
        &json!({ "index_patterns": ["older-*"], "order": 3, "mappings": { "dynamic": "strict" } }),
    )?;
    put(
        client,
        "/_cluster/settings",
        &json!({ "persistent": { "indices.recovery.max_bytes_per_sec": "50mb" } }),
    )?;
    people(client)?;
    orders(client)?;
    put(client, "/unused", &json!({}))?;
    ledger::make(client)?;
    if product == SearchProduct::OpenSearch {
        put(
            client,
            "/_index_template/logs",
            &json!({ "index_patterns": ["logs-*"], "data_stream": {}, "priority": 9 }),
        )?;
        client.request("PUT", "/_data_stream/logs-web", "")?;
        for round in 0..2 {
            let line = |n: u32| {
                format!(
                    "{{\"create\":{{\"_id\":\"{round}-{n}\"}}}}\n{{\"@timestamp\":\"2026-01-01T00:00:0{n}Z\",\"n\":{n}}}\n"
                )
            };
            send(client, "logs-web", &(0..5).map(line).collect::<String>())?;
            if round == 0 {
                client.request("POST", "/logs-web/_rollover", "")?;
            }
        }
    }
    Ok(())
}

fn people(client: &SearchClient) -> Result<()> {
    put(
        client,
        "/people",
        &json!({
            "settings": {
                "number_of_shards": 3, "number_of_replicas": 0, "refresh_interval": "30s", "default_pipeline": "stamp",
                "analysis": { "analyzer": { "quiet": { "tokenizer": "standard", "filter": ["lowercase"] } } },
            },
            "mappings": {
                "dynamic": "false", "_meta": { "owner": "tests" },
                "properties": {
                    "name": { "type": "text", "analyzer": "quiet", "fields": { "raw": { "type": "keyword" } } },
                    "age": { "type": "integer" },
                    "place": { "type": "geo_point" },
                    "children": { "type": "nested", "properties": { "name": { "type": "keyword" } } },
                },
            },
            "aliases": { "everybody": {}, "adults": { "filter": { "range": { "age": { "gte": 18 } } }, "routing": "r1" } },
        }),
    )?;
    let mut lines = String::new();
    for n in 0..300 {
        let source = json!({ "name": format!("Person {n}"), "age": n % 90, "place": [n % 90, 1.5],
            "children": [{ "name": "a" }, { "name": "b" }] });
        writeln!(lines, "{{\"index\":{{\"_id\":\"p{n}\"}}}}\n{source}")?;
    }
    send(client, "people", &lines)?;
    // Holes in the order of writes: documents that were changed or deleted.
    let mut lines = String::new();
    for n in (0..300).step_by(7) {
        writeln!(
            lines,
            "{{\"delete\":{{\"_id\":\"p{n}\"}}}}\n{{\"index\":{{\"_id\":\"p{}\"}}}}\n{{\"name\":\"new\"}}",
            n + 1
        )?;
    }
    send(client, "people", &lines)
}

fn orders(client: &SearchClient) -> Result<()> {
    put(
        client,
        "/orders",
        &json!({ "settings": { "number_of_shards": 2 }, "mappings": { "_routing": { "required": true } },
            "aliases": { "current": { "is_write_index": true } } }),
    )?;
    let mut lines = String::new();
    for n in 0..100 {
        let meta = json!({ "index": { "_id": format!("o{n}"), "routing": format!("c{}", n % 5), "version": 1000 + n,
            "version_type": "external" } });
        // As it was written, not as a program would write it again.
        writeln!(lines, "{meta}\n{{ \"price\":{n}.10,\"n\" : 1.0e2, \"twice\":\"\\u00e9 é\" }}")?;
    }
    send(client, "orders", &lines)?;
    let target = "/orders/_doc/pretty?routing=c1&refresh=true";
    client.request("PUT", target, "{\n  \"price\" : 1.50,\r\n  \"t\" : \"\\n\"\n}\n").map(drop)
}

fn send(client: &SearchClient, index: &str, lines: &str) -> Result<()> {
    let target = format!("/{}/_bulk?refresh=true", contents::segment(index));
    let answer: Value = serde_json::from_str(&client.request("POST", &target, lines)?)?;
    if answer["errors"] == true {
        let items = answer["items"].as_array().context("the answer has items")?;
        let failed = items.iter().find(|item| item.to_string().contains("error"));
        bail!("filling {index}: {failed:?}");
    }
    Ok(())
}

/// An index whose documents the server keeps without looking at them.
fn plain(client: &SearchClient, name: &str) -> Result<()> {
    let settings = json!({ "number_of_replicas": 0, "refresh_interval": "-1", "translog.durability": "async" });
    put(
        client,
        &format!("/{name}"),
        &json!({ "settings": settings, "mappings": { "enabled": false } }),
    )
}

fn huge(client: &SearchClient, bytes: u64) -> Result<()> {
    plain(client, "huge")?;
    let mut random = Random(42);
    let mut source = String::from("{");
    let mut left = bytes.min(DOCUMENT_BYTES_MAX);
    for field in 0.. {
        let length = left.min(TEXT_BYTES_MAX);
        write!(source, "\"f{field}\":\"")?;
        random.write_text(&mut source, length);
        source.push('"');
        left -= length;
        if left == 0 {
            break;
        }
        source.push(',');
    }
    source.push('}');
    client.request("PUT", "/huge/_doc/1?refresh=true", &source).map(drop)
}

fn many(client: &SearchClient, count: u64) -> Result<()> {
    plain(client, "many")?;
    let mut lines = String::new();
    for n in 0..count {
        writeln!(lines, "{{\"index\":{{\"_id\":\"{n}\"}}}}\n{{\"n\":{n}}}")?;
        if lines.len() > BATCH_BYTES || n + 1 == count {
            send(client, "many", &lines)?;
            lines.clear();
        }
    }
    Ok(())
}

fn bulk(client: &SearchClient, bytes: u64) -> Result<()> {
    const INDEXES: u64 = 4;
    const DOCUMENT: u64 = 8 << 10;
    let mut random = Random(7);
    for index in 0..INDEXES {
        let name = format!("bulk-{index}");
        plain(client, &name)?;
        let mut lines = String::new();
        let count = (bytes / INDEXES / DOCUMENT).max(1);
        for n in 0..count {
            write!(lines, "{{\"index\":{{\"_id\":\"{n}\"}}}}\n{{\"t\":\"")?;
            random.write_text(&mut lines, DOCUMENT);
            lines.push_str("\"}\n");
            if lines.len() > BATCH_BYTES || n + 1 == count {
                send(client, &name, &lines)?;
                lines.clear();
            }
        }
    }
    Ok(())
}

fn odd(client: &SearchClient) -> Result<()> {
    let long = "n".repeat(255);
    for name in ["ä-名前", "a'b&c;d%e=f{g}[]!@$()~`^", "a.b..c", "index", "templates", &long] {
        let target = format!("/{}", contents::segment(name));
        put(
            client,
            &target,
            &json!({ "aliases": { format!("alias {name}").replace(' ', "-"): {} } }),
        )
        .or_else(|_| put(client, &target, &json!({})))?;
    }
    let (long, longer) = ("x".repeat(512), "y".repeat(64 << 10));
    let ids = [
        "\0",
        "..",
        ".",
        "a/b",
        "a?b#c",
        "%2F",
        " ",
        "\n\t\r",
        "😀é",
        "'\"\\",
        "{\"index\":{}}",
        "_doc",
        &long,
    ];
    let mut lines = String::new();
    for id in ids {
        let meta = json!({ "index": { "_id": id, "routing": format!("r {id}") } });
        writeln!(lines, "{meta}\n{}", json!({ "v": id, "": { " ": [null, [], {}] } }))?;
    }
    for (n, source) in [
        r#"{"n":123456789012345678901234567890.10,"e":1E2,"z":-0.0,"s":0.1000}"#,
        r#"{"u":"\u0000\ud83d\ude00\/","k\u00e9":"\b\f"}"#,
        "{}",
        "{\t\"tab\" :\t1 }",
    ]
    .iter()
    .enumerate()
    {
        writeln!(lines, "{{\"index\":{{\"_id\":\"source {n}\"}}}}\n{source}")?;
    }
    writeln!(lines, "{{\"index\":{{\"_id\":\"long\"}}}}\n{}", json!({ "v": longer }))?;
    put(client, "/odd", &json!({ "mappings": { "enabled": false } }))?;
    send(client, "odd", &lines)?;
    put(
        client,
        "/_ingest/pipeline/%C3%A4%20b%2Fc%3Fd",
        &json!({ "description": "\n\"", "processors": [] }),
    )?;
    // Nobody may write into it any more, and only three documents may be read at once.
    put(client, "/closed-to-writes", &json!({ "settings": { "max_result_window": 3 } }))?;
    let line = |n: u32| format!("{{\"index\":{{\"_id\":\"{n}\"}}}}\n{{\"n\":{n}}}\n");
    send(client, "closed-to-writes", &(0..10).map(line).collect::<String>())?;
    put(client, "/closed-to-writes/_settings", &json!({ "index.blocks.write": true }))
}

/// xorshift64*, from S. Vigna, "An experimental exploration of Marsaglia's xorshift generators".
struct Random(u64);

impl Random {
    /// Text of 64 different letters.
    fn write_text(&mut self, text: &mut String, length: u64) {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut bits = 0;
        for n in 0..length {
            if n % 10 == 0 {
                self.0 ^= self.0 >> 12;
                self.0 ^= self.0 << 25;
                self.0 ^= self.0 >> 27;
                bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
            }
            text.push(char::from(LETTERS[(bits & 63) as usize]));
            bits >>= 6;
        }
    }
}
