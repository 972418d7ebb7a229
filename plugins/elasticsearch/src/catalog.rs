//! What there is on the server, and which of it is taken.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_plugin::{Error, Finding, Result, Severity, listed};
use serde::Deserialize;
use serde_json::Value;

use crate::client::{get, get_if_known};
use crate::config::Config;
use crate::definition::{layout, settings_everywhere};
use crate::page::Layout;

/// An index.
#[derive(Clone, Debug)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Shards and window.
    pub layout: Layout,
    /// Of the primary shards on disk.
    pub bytes: Option<u64>,
    /// With nested ones, which the server counts too.
    pub documents: Option<u64>,
    /// Whether a primary shard is missing.
    pub is_red: bool,
}

/// A data stream: <https://www.elastic.co/guide/en/elasticsearch/reference/8.19/data-streams.html>.
#[derive(Clone, Debug, Deserialize)]
pub struct Stream {
    /// Its name.
    pub name: String,
    /// Oldest first.
    pub indices: Vec<Backing>,
}

/// A backing index of a data stream.
#[derive(Clone, Debug, Deserialize)]
pub struct Backing {
    /// Its name.
    pub index_name: String,
}

/// What is taken.
#[derive(Debug, Default)]
pub struct Catalog {
    /// By name.
    pub indexes: Vec<Index>,
    /// With their backing indexes.
    pub streams: Vec<(String, Vec<Index>)>,
    /// About what is not taken.
    pub findings: Vec<Finding>,
}

/// A line of <https://www.elastic.co/guide/en/elasticsearch/reference/8.19/cat-indices.html>.
#[derive(Deserialize)]
struct Line {
    index: String,
    status: Option<String>,
    health: Option<String>,
    #[serde(rename = "docs.count")]
    documents: Option<String>,
    #[serde(rename = "pri.store.size")]
    bytes: Option<String>,
}

#[derive(Deserialize)]
struct Streams {
    data_streams: Vec<Stream>,
}

const SETTINGS: [&str; 4] =
    ["index.hidden", "index.number_of_shards", "index.max_result_window", "index.mode"];

impl Catalog {
    /// Asks the server.
    ///
    /// # Errors
    /// When it does not tell, or when something is asked for that cannot be saved.
    pub fn read(config: &Config) -> Result<Self> {
        let everything = if config.hidden { "?expand_wildcards=all" } else { "" };
        let streams: Option<Streams> = get_if_known(&format!("/_data_stream{everything}"))?;
        // OpenSearch does not know that parameter, and shows all.
        let streams = match streams {
            None if config.hidden => get_if_known("/_data_stream")?,
            other => other,
        };
        let streams = streams.map(|found: Streams| found.data_streams).unwrap_or_default();
        let lines: Vec<Line> = get(
            "/_cat/indices?format=json&bytes=b&expand_wildcards=all&h=index,status,health,docs.count,pri.store.size",
        )?;
        let settings = settings_everywhere(&SETTINGS)?;
        let sources: BTreeMap<String, Value> =
            get("/_all/_mapping?filter_path=*.mappings._source&expand_wildcards=all")?;
        let mut sorting = Sorting::new(config, &sources);
        let mut all: BTreeMap<String, (Index, bool)> = BTreeMap::new();
        for line in lines {
            let own = settings.get(&line.index).map(|index| &index.settings);
            let text = |key: &str| own.and_then(|own| own.get(key)).and_then(Value::as_str);
            let is_hidden = text("index.hidden") == Some("true") || line.index.starts_with('.');
            let is_open = line.status.as_deref() != Some("close");
            if text("index.mode") == Some("time_series") {
                sorting.time_series.insert(line.index.clone());
            }
            if !is_open {
                sorting.closed.insert(line.index.clone());
            }
            let index = Index {
                layout: own.map_or_else(|| layout(&BTreeMap::new()), layout),
                bytes: line.bytes.and_then(|text| text.parse().ok()),
                documents: line.documents.and_then(|text| text.parse().ok()),
                is_red: line.health.as_deref() == Some("red"),
                name: line.index,
            };
            all.insert(index.name.clone(), (index, is_hidden));
        }
        sorting.sort(all, streams)
    }

    /// Shards of all that is taken.
    pub fn shards(&self) -> u64 {
        self.all().map(|index| u64::from(index.layout.shards)).sum()
    }

    /// All indexes that are read, backing ones too.
    pub fn all(&self) -> impl Iterator<Item = &Index> {
        self.indexes.iter().chain(self.streams.iter().flat_map(|(_, backing)| backing))
    }

    /// Keeps what fits.
    pub fn retain(&mut self, is_wanted: impl Fn(crate::names::Kind, &str) -> bool) {
        self.indexes.retain(|index| is_wanted(crate::names::Kind::Index, &index.name));
        self.streams.retain(|(name, _)| is_wanted(crate::names::Kind::DataStream, name));
    }
}

/// Decides what is taken, and gathers what there is to say about the rest.
struct Sorting<'a> {
    config: &'a Config,
    sources: &'a BTreeMap<String, Value>,
    closed: BTreeSet<String>,
    time_series: BTreeSet<String>,
    hidden: Vec<String>,
    left_closed: Vec<String>,
    partial: Vec<String>,
    refused: Vec<String>,
}

impl<'a> Sorting<'a> {
    fn new(config: &'a Config, sources: &'a BTreeMap<String, Value>) -> Self {
        Self {
            config,
            sources,
            closed: BTreeSet::new(),
            time_series: BTreeSet::new(),
            hidden: Vec::new(),
            left_closed: Vec::new(),
            partial: Vec::new(),
            refused: Vec::new(),
        }
    }

    fn sort(
        mut self,
        mut all: BTreeMap<String, (Index, bool)>,
        streams: Vec<Stream>,
    ) -> Result<Catalog> {
        let mut catalog = Catalog::default();
        for stream in streams {
            let names = stream.indices.into_iter().map(|backing| backing.index_name);
            let backing: Vec<Index> =
                names.filter_map(|name| all.remove(&name).map(|(index, _)| index)).collect();
            if !self.config.takes(&stream.name) {
                continue;
            }
            if stream.name.starts_with('.') && !self.config.hidden {
                self.hidden.push(stream.name);
                continue;
            }
            let kept = backing.into_iter().filter(|index| self.is_fit(&index.name)).collect();
            catalog.streams.push((stream.name, kept));
        }
        for (name, (index, is_hidden)) in all {
            if !self.config.takes(&name) {
                continue;
            }
            if is_hidden && !self.config.hidden {
                self.hidden.push(name);
            } else if self.is_fit(&name) {
                catalog.indexes.push(index);
            }
        }
        catalog.streams.sort_by(|left, right| left.0.cmp(&right.0));
        catalog.findings = self.findings()?;
        Ok(catalog)
    }

    fn is_fit(&mut self, name: &str) -> bool {
        let of = |key: &str| {
            self.sources
                .get(name)
                .and_then(|index| index.pointer(&format!("/mappings/_source/{key}")))
        };
        let is_disabled = of("enabled")
            .is_some_and(|value| *value == Value::Bool(false) || value == "false")
            || of("mode").is_some_and(|value| value == "disabled");
        let is_partial = of("includes").is_some() || of("excludes").is_some();
        if self.closed.contains(name) {
            self.left_closed.push(name.to_owned());
            return false;
        }
        if is_disabled || self.time_series.contains(name) {
            self.refused.push(name.to_owned());
            return false;
        }
        if is_partial {
            self.partial.push(name.to_owned());
        }
        true
    }

    fn findings(self) -> Result<Vec<Finding>> {
        if !self.refused.is_empty() {
            return Err(Error::unsupported(format!(
                "indexes whose documents the server cannot give back (`_source` is disabled, or a time series index): {}; \
                 leave them out with `exclude` in `config`",
                listed(&self.refused)
            )));
        }
        let about = [
            (
                Severity::Notice,
                "hidden-left-out",
                "hidden indexes and data streams are left out; `hidden = true` takes them",
                self.hidden,
            ),
            (
                Severity::Warning,
                "closed-left-out",
                "closed indexes cannot be read and are left out; open them, or exclude them",
                self.left_closed,
            ),
            (
                Severity::Warning,
                "source-partial",
                "the server keeps a part of each document only (includes or excludes in _source), and no more comes back",
                self.partial,
            ),
        ];
        let about = about.into_iter().filter(|(_, _, _, names)| !names.is_empty());
        Ok(about
            .map(|(severity, code, text, names)| {
                Finding::new(severity, code, format!("{text}: {}", listed(&names)))
                    .with_attribute("count", names.len().to_string())
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(name: &str) -> (String, (Index, bool)) {
        let layout = Layout { shards: 1, window: 10_000 };
        let index =
            Index { name: name.to_owned(), layout, bytes: None, documents: None, is_red: false };
        (name.to_owned(), (index, name.starts_with('.')))
    }

    fn stream(name: &str, backing: &str) -> Stream {
        let backing = Backing { index_name: backing.to_owned() };
        Stream { name: name.to_owned(), indices: vec![backing] }
    }

    #[test]
    fn hidden_and_closed_indexes_are_left_out_and_named() {
        let (config, sources) = (Config::default(), BTreeMap::new());
        let mut sorting = Sorting::new(&config, &sources);
        sorting.closed.insert("old".to_owned());
        let all = ["a", "old", ".kibana", ".ds-logs-1"].map(index).into_iter().collect();
        let catalog = sorting.sort(all, vec![stream("logs", ".ds-logs-1")]).unwrap();
        assert_eq!(
            catalog.all().map(|index| index.name.as_str()).collect::<Vec<_>>(),
            ["a", ".ds-logs-1"]
        );
        let codes: Vec<&str> =
            catalog.findings.iter().map(|finding| finding.code.as_str()).collect();
        assert_eq!(codes, ["hidden-left-out", "closed-left-out"]);
        assert!(
            catalog.findings[0].message.ends_with(": .kibana"),
            "{}",
            catalog.findings[0].message
        );
    }

    #[test]
    fn an_index_without_sources_is_refused_unless_it_is_excluded() {
        let sources: BTreeMap<String, Value> =
            serde_json::from_str(r#"{"a":{"mappings":{"_source":{"enabled":false}}}}"#).unwrap();
        let mut config = Config::default();
        let all = || [index("a"), index("b")].into_iter().collect();
        let refused = Sorting::new(&config, &sources).sort(all(), Vec::new());
        assert!(refused.unwrap_err().message().contains(": a;"));
        config.exclude.push("a".to_owned());
        let catalog = Sorting::new(&config, &sources).sort(all(), Vec::new()).unwrap();
        assert_eq!(catalog.indexes.len(), 1);
    }
}
