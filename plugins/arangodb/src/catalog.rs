//! What there is: databases with their collections.

use std::collections::BTreeSet;

use lockgate_plugin::http::segment;
use lockgate_plugin::{Context, Finding, Result, Severity, listed};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::client::{get, path};
use crate::config::Config;
use crate::moment::Moment;
use crate::server::Server;
use crate::structure::{Entry, Structure};

/// Hidden collections of a smart graph's edges, which come and go with the collection that they belong to.
const HIDDEN: [&str; 3] = ["_local_", "_from_", "_to_"];

/// The common form of answers.
#[derive(Debug, Deserialize)]
pub struct Answer<T> {
    /// What was asked for.
    pub result: T,
}

/// One database.
#[derive(Clone, Debug, Default)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Sharding, replication factor and write concern of new collections.
    pub options: Map<String, Value>,
    /// Collections that are taken.
    pub collections: Vec<Structure>,
    /// Those that the server keeps for itself.
    pub system: Vec<Structure>,
    /// As the inventory has them.
    pub views: Vec<Value>,
}

#[derive(Deserialize)]
struct Inventory {
    collections: Vec<Entry>,
    #[serde(default)]
    views: Vec<Value>,
}

/// Names of all databases.
///
/// # Errors
/// When the account may not know them.
pub fn databases() -> Result<Vec<String>> {
    let mut names: Vec<String> = get::<Answer<Vec<String>>>("/_api/database")
        .context("listing the databases, which takes an account that may read _system")?
        .result;
    names.sort();
    Ok(names)
}

/// Options that a new database can be given.
///
/// # Errors
/// When the server does not tell.
pub fn options(database: &str) -> Result<Map<String, Value>> {
    let mut all: Map<String, Value> =
        get::<Answer<Map<String, Value>>>(&path(database, "database/current"))?.result;
    all.retain(|key, _| ["sharding", "replicationFactor", "writeConcern"].contains(&key.as_str()));
    Ok(all)
}

/// What a database holds, taken or not. On a single server `moment` must be held, or be one that needs no hold.
///
/// # Errors
/// When the server does not tell.
pub fn read(server: &Server, moment: &mut Moment, name: &str) -> Result<Database> {
    let inventory: Inventory = if server.is_cluster {
        get(&path(name, "replication/clusterInventory?includeSystem=true"))?
    } else {
        // Inventories of a single server are told to holders of a batch only.
        let mut own = None;
        let id = match moment.batch() {
            Some(id) => id.to_owned(),
            None => {
                let batch = own.insert(Moment::Batches(Default::default()));
                batch.open(&BTreeSet::from([String::new()]))?;
                batch.batch().unwrap_or_default().to_owned()
            }
        };
        let target = format!("replication/inventory?includeSystem=true&batchId={}", segment(&id));
        let told = get(&path(name, &target));
        // One that stays ends by itself after a minute.
        let _ = own.map(|mut batch| batch.close());
        told?
    };
    let all: Vec<Structure> =
        inventory.collections.into_iter().map(Structure::of).collect::<Result<_>>()?;
    let is_hidden = |it: &Structure| HIDDEN.iter().any(|prefix| it.name().starts_with(prefix));
    let all = all.into_iter().filter(|it| !is_hidden(it));
    let (system, mut collections): (Vec<_>, Vec<_>) = all.partition(Structure::is_system);
    collections.sort_by(|left, right| left.name().cmp(right.name()));
    Ok(Database {
        name: name.to_owned(),
        options: options(name)?,
        collections,
        system,
        views: inventory.views,
    })
}

impl Database {
    /// The system collection of that name.
    pub fn system(&self, name: &str) -> Option<&Structure> {
        self.system.iter().find(|it| it.name() == name)
    }

    /// Keeps what the configuration takes; what is to be said about the rest.
    pub fn filter(&mut self, config: &Config) -> Option<Finding> {
        let filter = config.filter();
        let taken = |it: &Structure| filter.takes_in(&self.name, it.name());
        let left: Vec<String> = self
            .collections
            .iter()
            .filter(|it| taken(it))
            .filter_map(|it| Some((it.name(), it.leader()?)))
            .filter(|(_, leader)| !filter.takes_in(&self.name, leader))
            .map(|(name, leader)| format!("{name} (like {leader})"))
            .collect();
        self.collections.retain(|it| filter.takes_in(&self.name, it.name()));
        if left.is_empty() {
            return None;
        }
        let text = format!(
            "collections of {} are distributed like others that are left out, and can be restored only where those are: {}",
            self.name,
            listed(&left)
        );
        Some(Finding::new(Severity::Warning, "leader-left-out", text))
    }

    /// DB-Servers that lead a shard of what is read.
    pub fn servers(&self) -> impl Iterator<Item = &String> {
        self.collections.iter().chain(&self.system).flat_map(|it| it.shards.values())
    }
}
