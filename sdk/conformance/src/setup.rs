//! The configuration that a case runs `lockgate` with.

use std::path::PathBuf;

use anyhow::Result;
use toml::{Table, Value};

use crate::datastore::Source;
use crate::trial::{ORIGINAL, RESTORED};

/// What stands in the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) plugin: String,
    pub(crate) lock: PathBuf,
    pub(crate) repository: PathBuf,
    pub(crate) original: Source,
    pub(crate) restored: Source,
    pub(crate) limit_upload_kib: Option<u64>,
    pub(crate) limit_download_kib: Option<u64>,
}

impl Setup {
    /// As a configuration file.
    pub(crate) fn text(&self) -> Result<String> {
        let mut repository = Table::new();
        set(&mut repository, "url", format!("fs:{}", self.repository.display()));
        // Small packs, so that something is stored early; and as little memory as lockgate accepts.
        let write = Table::from_iter([number("pack-mib", 4), number("memory-mib", 64)]);
        set(&mut repository, "write", write);
        for (name, limit) in [
            ("limit-upload-kib", self.limit_upload_kib),
            ("limit-download-kib", self.limit_download_kib),
        ] {
            repository.extend(limit.map(|limit| number(name, limit)));
        }
        let mut sources = Table::new();
        for (name, source) in [(ORIGINAL, &self.original), (RESTORED, &self.restored)] {
            set(&mut sources, name, self.source(source));
        }
        let mut whole = Table::new();
        let lock = self.lock.display().to_string();
        set(&mut whole, "trust", Table::from_iter([("lock".to_owned(), Value::from(lock))]));
        let repositories = Table::from_iter([("main".to_owned(), Value::Table(repository))]);
        set(&mut whole, "repositories", repositories);
        set(&mut whole, "sources", sources);
        Ok(toml::to_string(&whole)?)
    }

    fn source(&self, source: &Source) -> Table {
        let mut table = source.settings.clone();
        set(&mut table, "plugin", self.plugin.clone());
        if !source.endpoints.is_empty() {
            let endpoint = |(name, endpoint): (&String, &crate::datastore::Endpoint)| {
                let mut table = endpoint.settings.clone();
                set(&mut table, "address", endpoint.address.clone());
                (name.clone(), Value::Table(table))
            };
            set(&mut table, "endpoints", source.endpoints.iter().map(endpoint).collect::<Table>());
        }
        table
    }
}

fn set(table: &mut Table, name: &str, value: impl Into<Value>) {
    table.insert(name.to_owned(), value.into());
}

fn number(name: &str, value: u64) -> (String, Value) {
    (name.to_owned(), Value::Integer(i64::try_from(value).unwrap_or(i64::MAX)))
}
