//! begin, join, release, export, end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use lockgate_plugin::http::segment;
use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Context, Entry, Error, Failure, Finding, Outcome, Part,
    Result, Severity, Summary, archive, job,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalog::{self, Database};
use crate::client::{get, path};
use crate::config::Config;
use crate::document::{self, Renames, Tally};
use crate::health;
use crate::hot;
use crate::limits::PROGRESS_DOCUMENTS;
use crate::moment::Moment;
use crate::names::{Kind, Subject};
use crate::object;
use crate::scan;
use crate::server::{self, Server};
use crate::structure::{self, Structure};

/// Attribute of a part: options of its database as JSON.
pub const OPTIONS: &str = "database-options";
/// Attribute of a part: the collection whose shards its own follow, and whether it holds edges.
pub const TURN: &str = "turn";

/// A coordinator or a worker of a backup.
#[derive(Debug)]
pub struct Saving {
    config: Config,
    server: Server,
    moment: Moment,
    findings: Vec<Finding>,
    /// What this worker has read of databases, whose inventories are long.
    known: BTreeMap<String, Database>,
}

/// What the coordinator tells the workers.
#[derive(Serialize, Deserialize)]
struct Mark {
    moment: Moment,
}

impl Backup for Saving {
    type Config = Config;

    fn begin(config: Config, request: BackupRequest) -> Result<(Self, BackupPlan)> {
        config.validate()?;
        let server = Server::probe(&config)?;
        let moment = Moment::new(&config, &server);
        let mut saving =
            Self { config, server, moment, findings: Vec::new(), known: BTreeMap::new() };
        match saving.plan(&request) {
            Ok(plan) => Ok((saving, plan)),
            // In a cancelled run nothing can be closed any more but in `end`, which follows what began.
            Err(error) if *error.failure() == Failure::Cancelled => {
                Ok((saving, BackupPlan::new(Vec::new())))
            }
            Err(error) => {
                saving.moment.close();
                Err(error)
            }
        }
    }

    fn join(config: Config, mark: Vec<u8>) -> Result<Self> {
        let server = Server::probe(&config)?;
        let Mark { moment } = serde_json::from_slice(&mark)?;
        Ok(Self { config, server, moment, findings: Vec::new(), known: BTreeMap::new() })
    }

    /// From now on the moment waits for those who read. Not longer before: the answer that tells a batch's id may be lost when
    /// the run is cancelled, and nobody could close it.
    fn release(&mut self) -> Result<()> {
        self.moment.prolong(self.config.keep_alive_minutes)
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        let subject = Subject::of(&part)?;
        let exported = match subject.kind {
            Kind::Collection => self.export_collection(&part, &subject),
            kind => self.export_objects(&part, &subject.database, kind),
        };
        exported.with_context(|| subject.shown())
    }

    fn end(mut self, _outcome: Outcome) -> Result<Vec<Finding>> {
        let left = self.moment.close();
        if left > 0 {
            let text = format!(
                "{left} replication batches could not be closed, and stay up to {} minutes",
                self.config.keep_alive_minutes
            );
            self.findings.push(Finding::new(Severity::Warning, "batches-left", text));
        }
        Ok(self.findings)
    }
}

impl Saving {
    fn plan(&mut self, request: &BackupRequest) -> Result<BackupPlan> {
        let hot = if self.config.hot_backup { Some(hot::create("lockgate")?) } else { None };
        let names = catalog::databases()?;
        let names: Vec<String> =
            names.into_iter().filter(|name| self.takes_something_of(name)).collect();
        let mut databases = self.hold(&names)?;
        self.findings.extend(health::members(&self.server)?);
        let mut parts = Vec::new();
        for database in &mut databases {
            self.findings.extend(database.filter(&self.config));
            parts.extend(self.parts(database, request)?);
        }
        if self.server.is_cluster {
            self.findings.push(Finding::new(
                Severity::Notice,
                "cluster-moments",
                "each shard is as it was at a moment of its own: what was written in between is seen in some shards and not \
                 in others; a hot backup has one moment for all",
            ));
        }
        let mark = serde_json::to_vec(&Mark { moment: self.moment.clone() })?;
        let mut plan = BackupPlan::new(parts)
            .with_attribute("server", self.server.to_string())
            .with_attribute("dump", self.moment.shown())
            .with_mark(mark);
        if let Some(hot) = hot {
            plan = plan.with_attribute("hot-backup", hot);
        }
        // Contexts of a parallel dump have the moment of their turn.
        let stands_still = matches!(self.moment, Moment::Batches(_));
        Ok(if stands_still { plan } else { plan.with_moment_of_export() })
    }

    /// Whether a filter can take anything of a database: `shop.orders` takes something of `shop`.
    fn takes_something_of(&self, database: &str) -> bool {
        let filter = self.config.filter();
        let is_named = |pattern: &String| pattern.starts_with(&format!("{database}."));
        filter.takes(database)
            || (filter.include.iter().any(is_named)
                && !filter.exclude.iter().any(|it| it == database))
            || (database == crate::names::SYSTEM && self.config.users)
    }

    /// Takes hold of the moment, and reads what there is.
    fn hold(&mut self, names: &[String]) -> Result<Vec<Database>> {
        if !self.server.is_cluster {
            self.moment.open(&BTreeSet::from([String::new()]))?;
        }
        let (server, moment) = (self.server, &mut self.moment);
        let databases: Vec<Database> =
            names.iter().map(|name| catalog::read(&server, moment, name)).collect::<Result<_>>()?;
        if server.is_cluster {
            let all = databases.iter().flat_map(Database::servers);
            self.moment.open(&all.cloned().collect())?;
        }
        Ok(databases)
    }

    fn parts(&self, database: &Database, request: &BackupRequest) -> Result<Vec<Part>> {
        let options = serde_json::to_string(&database.options)?;
        let complete = |subject: &Subject| {
            subject
                .part()
                .with_attribute(server::ATTRIBUTE, self.server.to_string())
                .with_attribute(OPTIONS, &options)
        };
        let mut parts = Vec::new();
        let takes_all = self.config.filter().takes(&database.name);
        for kind in object::kinds(&database.name) {
            let subject = Subject::new(kind, &database.name);
            let is_taken = if kind == Kind::Users { self.config.users } else { takes_all };
            if !is_taken || !request.asks_for(&subject.id()) {
                continue;
            }
            let objects =
                object::read_live(&self.moment, database, kind).with_context(|| subject.shown())?;
            // A database is there even when it holds nothing.
            if !objects.is_empty() || matches!(kind, Kind::Database | Kind::Users) {
                let mut part = object::with_names(complete(&subject), &objects)?;
                part.items_estimate = Some(objects.len() as u64);
                parts.push(part);
            }
        }
        for collection in &database.collections {
            let subject = Subject::collection(&database.name, collection.name());
            if !request.asks_for(&subject.id()) {
                continue;
            }
            let mut part = complete(&subject).with_attribute(TURN, collection.turn().to_string());
            part.items_estimate = count(&database.name, collection.name())?;
            parts.push(part);
        }
        Ok(parts)
    }

    fn export_collection(&mut self, part: &Part, subject: &Subject) -> Result<Summary> {
        let collection = self.structure(subject)?;
        let mut writer =
            archive::create(&Entry::new(structure::ENTRY).with_media_type("application/json"))?;
        serde_json::to_writer(&mut writer, &collection)?;
        writer.finish()?;
        let entry = Entry::new(document::ENTRY).with_media_type("application/x-ndjson");
        let mut writer = archive::create(&entry)?;
        let mut tally = Tally::default();
        let none = Renames::new();
        scan::each(&self.moment, &subject.database, &collection, &mut |line| {
            tally.add(line, &none)?;
            writer.write_all(line)?;
            writer.write_all(b"\n")?;
            if tally.count.is_multiple_of(PROGRESS_DOCUMENTS) {
                job::progress(&part.id, 0, tally.count);
            }
            Ok(())
        })?;
        writer.finish()?;
        Ok(Summary::of_items(tally.count).with_fingerprint(fingerprint(&tally, &collection)))
    }

    fn database(&mut self, name: &str) -> Result<&Database> {
        if !self.known.contains_key(name) {
            let read = catalog::read(&self.server, &mut self.moment, name)?;
            self.known.insert(name.to_owned(), read);
        }
        self.known.get(name).ok_or_else(|| Error::other("the database is not known"))
    }

    fn structure(&mut self, subject: &Subject) -> Result<Structure> {
        let database = self.database(&subject.database)?;
        let found = database.collections.iter().find(|it| it.name() == subject.name).cloned();
        found.ok_or_else(|| Error::conflict("it was deleted while the backup ran"))
    }

    fn export_objects(&mut self, part: &Part, database: &str, kind: Kind) -> Result<Summary> {
        let database = self.database(database)?.clone();
        let objects = object::read_live(&self.moment, &database, kind)?;
        let names = object::names(part)?;
        if names != object::names(&object::with_names(Part::default(), &objects)?)? {
            return Err(Error::conflict("they were changed while the backup ran: run it again"));
        }
        object::write(&objects)?;
        let fingerprint = object::fingerprint(&objects, &names);
        Ok(Summary::of_items(objects.len() as u64).with_fingerprint(fingerprint))
    }
}

/// Of a collection.
pub fn fingerprint(tally: &Tally, collection: &Structure) -> String {
    format!("{}-{:032x}", tally.text(), collection.hash())
}

fn count(database: &str, collection: &str) -> Result<Option<u64>> {
    let told: Value = get(&path(database, &format!("collection/{}/count", segment(collection))))?;
    Ok(told["count"].as_u64())
}
