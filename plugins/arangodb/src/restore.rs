//! preview, begin, join, import, end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use lockgate_plugin::http::segment;
use lockgate_plugin::{
    Context, Error, Finding, Outcome, Part, Restore, RestoreRequest, Result, Severity, Step,
    archive, listed,
};
use serde_json::Value;

use crate::backup::fingerprint;
use crate::catalog;
use crate::client::{ask, get_if_there, must, path};
use crate::config::Config;
use crate::document::{self, Renames, Tally};
use crate::limits::OBJECTS_BYTES_MAX;
use crate::load::Loader;
use crate::moment::Moment;
use crate::names::{Kind, Subject};
use crate::object::{self, Object, Sort};
use crate::scan;
use crate::server::Server;
use crate::structure::{self, Structure};
use crate::target::{
    Targets, collection_is_there, delete_collection, inverted, make_database, missing, steps, turn,
};

/// A coordinator or a worker of a restore.
#[derive(Debug)]
pub struct Restoring {
    config: Config,
    server: Server,
    targets: Targets,
    request: RestoreRequest,
    /// Databases that were not there before.
    made: Vec<String>,
}

impl Restore for Restoring {
    type Config = Config;

    fn preview(config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        config.validate()?;
        let server = Server::probe(&config)?;
        steps(&server, &config, &request)
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        let steps = Self::preview(config.clone(), request.clone())?;
        let in_the_way = steps.iter().filter(|step| step.overwrites);
        let in_the_way: Vec<String> = in_the_way.map(|step| step.target.clone()).collect();
        if !request.overwrite && !in_the_way.is_empty() {
            return Err(Error::conflict(format!(
                "there already ({}): {}; overwrite, rename, or name the parts to restore",
                in_the_way.len(),
                listed(&in_the_way)
            )));
        }
        let mut stages: BTreeMap<(Kind, u8), Vec<Part>> = BTreeMap::new();
        for part in &request.parts {
            stages.entry(turn(part)?).or_default().push(part.clone());
        }
        let mut restoring = Self::join(config, request)?;
        for (name, options) in missing(&restoring.targets, &restoring.request.parts)? {
            make_database(&restoring.server, &name, &options)
                .with_context(|| format!("making the database {name}"))?;
            restoring.made.push(name);
        }
        restoring.delete_followers()?;
        Ok((restoring, stages.into_values().collect()))
    }

    fn join(config: Config, request: RestoreRequest) -> Result<Self> {
        let server = Server::probe(&config)?;
        let targets = Targets::new(&request.rename);
        Ok(Self { config, server, targets, request, made: Vec::new() })
    }

    fn import(&mut self, part: Part) -> Result<()> {
        let archived = Subject::of(&part)?;
        let target = self.targets.of(&archived);
        let imported = match archived.kind {
            Kind::Collection => self.import_collection(&part, &archived, &target),
            _ => self.import_objects(&archived, &target),
        };
        imported.with_context(|| target.shown())
    }

    fn fingerprint(&mut self, part: Part) -> Result<String> {
        let archived = Subject::of(&part)?;
        let target = self.targets.of(&archived);
        let mut moment = Moment::new(&self.config, &self.server);
        let computed = self.live(&mut moment, &part, &archived, &target);
        moment.close();
        computed.with_context(|| target.shown())
    }

    fn end(self, outcome: Outcome) -> Result<Vec<Finding>> {
        if outcome != Outcome::Completed {
            return self.give_up();
        }
        let mut findings = Vec::new();
        for part in self.request.parts.iter().filter(|part| part.kind == Kind::Database.name()) {
            let names = object::names(part)?;
            if names.iter().any(|(kind, _, _)| *kind == Sort::Service) {
                let database = self.targets.of(&Subject::of(part)?).database;
                findings.extend(heal(&database)?);
            }
        }
        Ok(findings)
    }
}

/// Has the server install the services whose files it was given.
fn heal(database: &str) -> Result<Option<Finding>> {
    let reply = ask("POST", &path(database, "foxx/_local/heal"), None)?;
    if (200..300).contains(&reply.status) {
        return Ok(None);
    }
    let text =
        format!("the services of {database} are restored, and start when the server is restarted");
    Ok(Some(Finding::new(Severity::Notice, "services-not-started", text)))
}

impl Restoring {
    /// A collection that others follow cannot be deleted before those.
    fn delete_followers(&self) -> Result<()> {
        if !self.request.overwrite || !self.server.is_cluster {
            return Ok(());
        }
        let mut databases: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for part in self.request.parts.iter().filter(|part| part.kind == Kind::Collection.name()) {
            let target = self.targets.of(&Subject::of(part)?);
            databases.entry(target.database).or_default().insert(target.name);
        }
        for (name, replaced) in databases {
            let live = catalog::read(&self.server, &mut Moment::Parallel(true), &name)?;
            let followers =
                live.collections.iter().filter_map(|it| Some((it.name(), it.leader()?)));
            for (follower, leader) in followers.filter(|(_, leader)| replaced.contains(*leader)) {
                if !replaced.contains(follower) {
                    return Err(Error::conflict(format!(
                        "collection {name}.{follower} is distributed like {leader}, which would be replaced: restore both, or \
                         delete {follower} first"
                    )));
                }
                delete_collection(&name, follower)?;
            }
        }
        Ok(())
    }

    fn import_collection(&self, part: &Part, archived: &Subject, target: &Subject) -> Result<()> {
        let mut text = Vec::new();
        let entry = archive::open(structure::ENTRY.as_bytes())?;
        entry.take(OBJECTS_BYTES_MAX).read_to_end(&mut text)?;
        let collection: Structure = serde_json::from_slice(&text).context(structure::ENTRY)?;
        let mut collection =
            collection.renamed(|name| self.targets.collection(&archived.database, name));
        for index in &mut collection.indexes {
            object::rename_analyzers(index, &archived.database, &target.database);
        }
        let Subject { database, name, .. } = target;
        if !self.request.overwrite && collection_is_there(database, name)? {
            return Err(Error::conflict("it is there already"));
        }
        let overwrite = self.request.overwrite;
        let query = format!("replication/restore-collection?overwrite={overwrite}&force=false");
        must("PUT", &path(database, &query), Some(&collection.to_be_loaded()))?;
        let filled = self.fill(part, archived, target).and_then(|()| {
            let indexes = path(database, "replication/restore-indexes?force=false");
            must("PUT", &indexes, Some(&collection.with_indexes()))?;
            let properties = path(database, &format!("collection/{}/properties", segment(name)));
            must("PUT", &properties, Some(&collection.completed())).map(drop)
        });
        filled.map_err(|error| match delete_collection(database, name) {
            Ok(()) => error.context("it was not complete and was deleted again"),
            Err(_) => error.context("it is not complete: delete it, then restore it again"),
        })
    }

    fn fill(&self, part: &Part, archived: &Subject, target: &Subject) -> Result<()> {
        let renames = self.targets.renames(&archived.database);
        let loader = Loader::new(&target.database, &target.name, renames);
        let mut documents = archive::open(document::ENTRY.as_bytes())?;
        loader.load(&part.id, &mut documents).map(drop)
    }

    fn import_objects(&self, archived: &Subject, target: &Subject) -> Result<()> {
        let objects = object::read_archived()?;
        let mut objects: Vec<Object> =
            objects.into_iter().map(|object| self.targets.object(archived, object)).collect();
        // Views over indexes may be over views' collections, and come last.
        objects.sort_by_key(|object| (object.kind, object.body["type"] == "search-alias"));
        let mut documents: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for object in &objects {
            match object.kind {
                Sort::Analyzer => self.make_analyzer(&target.database, object),
                Sort::View => {
                    let overwrite = self.request.overwrite;
                    let query =
                        format!("replication/restore-view?overwrite={overwrite}&force=false");
                    self.make_view(&path(&target.database, &query), object)
                }
                sort => {
                    let lines = documents.entry(sort.collection().unwrap_or_default()).or_default();
                    serde_json::to_writer(&mut *lines, &object.body)?;
                    lines.push(b'\n');
                    Ok(())
                }
            }
            .with_context(|| object.shown())?;
        }
        for (collection, lines) in documents {
            let loader = Loader::new(&target.database, collection, Renames::new());
            loader.put(lines).with_context(|| collection.to_owned())?;
        }
        Ok(())
    }

    /// One of the same name and definition is no error for the server. Another is replaced.
    fn make_analyzer(&self, database: &str, analyzer: &Object) -> Result<()> {
        let target = path(database, "analyzer");
        let reply = ask("POST", &target, Some(&analyzer.body))?;
        if reply.status == 400 && self.request.overwrite {
            let old = format!("{target}/{}?force=true", segment(&analyzer.name));
            if ask("DELETE", &old, None)?.status == 200 {
                return must("POST", &target, Some(&analyzer.body)).map(drop);
            }
        }
        reply.success("making it").map(drop)
    }

    /// What is there with the same definition stays.
    fn make_view(&self, target: &str, view: &Object) -> Result<()> {
        let reply = ask("PUT", target, Some(&view.body))?;
        // The preview saw that an existing one is the same.
        if reply.error_number() == 1207 && !self.request.overwrite {
            return Ok(());
        }
        reply.success("making it").map(drop)
    }

    fn live(
        &self,
        moment: &mut Moment,
        part: &Part,
        archived: &Subject,
        target: &Subject,
    ) -> Result<String> {
        if !self.server.is_cluster {
            moment.open(&BTreeSet::from([String::new()]))?;
        }
        let database = catalog::read(&self.server, moment, &target.database)?;
        if self.server.is_cluster {
            moment.open(&database.servers().cloned().collect())?;
        }
        if target.kind != Kind::Collection {
            let live = object::read_live(moment, &database, target.kind)?;
            let live: Vec<Object> =
                live.into_iter().map(|it| self.targets.undone(archived, it)).collect();
            return Ok(object::fingerprint(&live, &object::names(part)?));
        }
        let found = database.collections.into_iter().find(|it| it.name() == target.name);
        let mut collection = found.ok_or_else(|| Error::conflict("it is not there"))?;
        let back = inverted(&self.targets.renames(&archived.database));
        let mut tally = Tally::default();
        scan::each(moment, &target.database, &collection, &mut |line| tally.add(line, &back))?;
        for index in &mut collection.indexes {
            object::rename_analyzers(index, &target.database, &archived.database);
        }
        Ok(fingerprint(&tally, &collection))
    }

    /// What is not complete is deleted: whoever was at work on it was stopped and could not. So are databases that were not
    /// there before.
    fn give_up(&self) -> Result<Vec<Finding>> {
        let mut left = Vec::new();
        for name in &self.made {
            if must("DELETE", &format!("/_api/database/{}", segment(name)), None).is_err() {
                left.push(format!("database {name}"));
            }
        }
        for part in self.request.parts.iter().filter(|part| part.kind == Kind::Collection.name()) {
            let target = self.targets.of(&Subject::of(part)?);
            if self.made.contains(&target.database) {
                continue;
            }
            let properties = format!("collection/{}/properties", segment(&target.name));
            let found: Result<Option<Value>> = get_if_there(&path(&target.database, &properties));
            match found {
                Ok(Some(properties)) if !structure::is_marked(&properties) => {}
                Ok(None) => {}
                Ok(Some(_)) if delete_collection(&target.database, &target.name).is_ok() => {}
                Ok(Some(_)) | Err(_) => left.push(target.shown()),
            }
        }
        if left.is_empty() {
            return Ok(Vec::new());
        }
        let text = format!("perhaps not complete, and not deleted: {}", listed(&left));
        Ok(vec![Finding::new(Severity::Warning, "incomplete-left", text)])
    }
}
