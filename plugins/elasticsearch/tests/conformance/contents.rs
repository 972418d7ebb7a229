//! What is on a server, as plain HTTP shows it: documents by scrolling, which the plugin does not do.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use anyhow::{Context, Result};
use lockgate_conformance::Contents;
use lockgate_servers::SearchClient;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Settings of an index that a restore cannot bring back.
const VOLATILE: [&str; 4] =
    ["index.uuid", "index.creation_date", "index.provided_name", "index.version.created"];

#[derive(Deserialize)]
struct Page {
    _scroll_id: String,
    hits: Hits,
}

#[derive(Deserialize)]
struct Hits {
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    _id: String,
    _routing: Option<String>,
    _version: u64,
    _source: Box<RawValue>,
}

/// A name in a path.
pub fn segment(name: &str) -> String {
    let portable = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let encode = |byte: u8| {
        if portable(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    name.bytes().map(encode).collect()
}

fn get(client: &SearchClient, target: &str) -> Result<Value> {
    let text = client.request("GET", target, "")?;
    serde_json::from_str(&text).with_context(|| target.to_owned())
}

/// Indexes that are nobody else's: not of a data stream, and not the server's own.
pub fn indexes(client: &SearchClient) -> Result<Vec<String>> {
    let lines = get(client, "/_cat/indices?format=json&expand_wildcards=all&h=index")?;
    let lines = lines.as_array().context("a list of indexes")?;
    let names = lines.iter().filter_map(|line| line["index"].as_str());
    Ok(names.filter(|name| !name.starts_with('.')).map(str::to_owned).collect())
}

/// Data streams with their backing indexes; none on servers without.
pub fn data_streams(client: &SearchClient) -> Result<BTreeMap<String, Vec<String>>> {
    let Ok(found) = get(client, "/_data_stream") else { return Ok(BTreeMap::new()) };
    let mut streams = BTreeMap::new();
    for stream in found["data_streams"].as_array().into_iter().flatten() {
        let backing = stream["indices"].as_array().into_iter().flatten();
        let backing = backing.filter_map(|index| index["index_name"].as_str().map(str::to_owned));
        let name = stream["name"].as_str().context("a data stream has a name")?;
        streams.insert(name.to_owned(), backing.collect());
    }
    Ok(streams)
}

/// Templates, pipelines and settings, by the place where they can be deleted and their name.
pub fn objects(client: &SearchClient) -> Result<BTreeMap<(&'static str, String), String>> {
    let mut objects = BTreeMap::new();
    for place in ["_component_template", "_index_template"] {
        let found = get(client, &format!("/{place}"))?;
        let list = found[format!("{}s", &place[1..])].as_array().cloned().unwrap_or_default();
        for mut object in list {
            let name = object["name"].as_str().context("a template has a name")?.to_owned();
            objects.insert((place, name), object[&place[1..]].take().to_string());
        }
    }
    for place in ["_template", "_ingest/pipeline"] {
        // No pipeline at all is "not found".
        let found = get(client, &format!("/{place}")).unwrap_or_else(|_| json!({}));
        for (name, body) in found.as_object().context("objects by name")? {
            objects.insert((place, name.clone()), body.to_string());
        }
    }
    let settings = get(client, "/_cluster/settings?flat_settings=true")?;
    for (name, value) in settings["persistent"].as_object().context("settings by name")? {
        objects.insert(("setting", name.clone()), value.to_string());
    }
    objects.retain(|(kind, name), _| *kind == "setting" || !name.starts_with('.'));
    Ok(objects)
}

/// Everything that a restore must bring back.
pub fn read(client: &SearchClient) -> Result<Contents> {
    client.request("POST", "/_all/_refresh", "")?;
    let mut contents = Contents::new();
    for ((place, name), body) in objects(client)? {
        contents.insert(format!("{place}/{name}"), body);
    }
    for (name, backing) in data_streams(client)? {
        let mut all = Vec::new();
        for index in backing {
            all.extend(documents(client, &index)?);
        }
        // The server counts versions in a data stream itself.
        all.iter_mut().for_each(|document| document.2 = 0);
        contents.insert(format!("data-stream/{name}"), digest(all));
    }
    for name in indexes(client)? {
        let target = format!("/{}?flat_settings=true", segment(&name));
        let definition = get(client, &target)?[&name].take();
        for (alias, options) in definition["aliases"].as_object().context("aliases by name")? {
            let options = options.to_string();
            contents.entry(format!("alias/{alias}")).or_default().push_str(&options);
        }
        let mut settings = definition["settings"].clone();
        if let Some(settings) = settings.as_object_mut() {
            settings.retain(|key, _| !VOLATILE.contains(&key.as_str()));
        }
        let text =
            format!("{settings} {} {}", definition["mappings"], digest(documents(client, &name)?));
        contents.insert(format!("index/{name}"), text);
    }
    Ok(contents)
}

/// Id, routing, version and source of a document.
pub type Document = (String, Option<String>, u64, String);

/// Line breaks between the tokens are not brought back, as the plugin's documentation says.
fn flat(source: &RawValue) -> String {
    source.get().replace(['\n', '\r'], " ")
}

fn digest(mut documents: Vec<Document>) -> String {
    documents.sort();
    let mut hasher = DefaultHasher::new();
    documents.hash(&mut hasher);
    format!("{} documents, {:016x}", documents.len(), hasher.finish())
}

/// All documents of an index.
pub fn documents(client: &SearchClient, index: &str) -> Result<Vec<Document>> {
    // Small pages, for documents of 50 MiB; a window of 3 is the smallest that a test sets.
    let size = if index == "huge" || index == "closed-to-writes" { 1 } else { 5_000 };
    let search = json!({ "size": size, "version": true, "sort": ["_doc"] });
    let target = format!("/{}/_search?scroll=1m", segment(index));
    let mut text = client.request("POST", &target, &search.to_string())?;
    let mut documents = Vec::new();
    loop {
        let page: Page = serde_json::from_str(&text).context("a page of a scroll")?;
        if page.hits.hits.is_empty() {
            let scroll = json!({ "scroll_id": page._scroll_id }).to_string();
            client.request("DELETE", "/_search/scroll", &scroll)?;
            return Ok(documents);
        }
        documents.extend(
            page.hits
                .hits
                .into_iter()
                .map(|hit| (hit._id, hit._routing, hit._version, flat(&hit._source))),
        );
        let next = json!({ "scroll": "1m", "scroll_id": page._scroll_id });
        text = client.request("POST", "/_search/scroll", &next.to_string())?;
    }
}
