//! preview, begin, join, import, end.

use std::collections::BTreeMap;
use std::io::Read;

use lockgate_plugin::http::segment;
use lockgate_plugin::{
    Context, Error, Finding, Outcome, Part, Restore, RestoreRequest, Result, Severity, Step,
    archive, listed,
};

use crate::backup::live_documents;
use crate::client::{ask, must};
use crate::config::Config;
use crate::definition::{self, Definition};
use crate::document;
use crate::health;
use crate::limits::OBJECTS_BYTES_MAX;
use crate::load::load;
use crate::names::{Kind, Subject};
use crate::object;
use crate::server::Server;
use crate::target::{Present, Targets, present, steps};

/// A coordinator or a worker of a restore.
#[derive(Debug)]
pub struct Restoring {
    targets: Targets,
    request: RestoreRequest,
}

impl Restore for Restoring {
    type Config = Config;

    fn preview(config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        config.validate()?;
        let server = Server::probe(&config)?;
        steps(&server, &config, &request)
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        let steps = Self::preview(config, request.clone())?;
        let in_the_way = steps.iter().filter(|step| step.overwrites);
        let in_the_way: Vec<String> = in_the_way.map(|step| step.target.clone()).collect();
        if !request.overwrite && !in_the_way.is_empty() {
            return Err(Error::conflict(format!(
                "there already ({}): {}; overwrite, rename, or name the parts to restore",
                in_the_way.len(),
                listed(&in_the_way)
            )));
        }
        let cluster = health::cluster()?;
        if cluster.severity == Severity::Critical {
            return Err(Error::conflict(cluster.message));
        }
        let mut stages: BTreeMap<Kind, Vec<Part>> = BTreeMap::new();
        for part in &request.parts {
            stages.entry(Subject::of(part)?.kind).or_default().push(part.clone());
        }
        let restoring = Self { targets: Targets::new(&request.rename), request };
        Ok((restoring, stages.into_values().collect()))
    }

    fn join(config: Config, request: RestoreRequest) -> Result<Self> {
        Server::probe(&config)?;
        Ok(Self { targets: Targets::new(&request.rename), request })
    }

    fn import(&mut self, part: Part) -> Result<()> {
        let archived = Subject::of(&part)?;
        let target = self.targets.of(&archived);
        let imported = match archived.kind {
            Kind::Index => self.import_index(&part, &archived, &target),
            Kind::DataStream => self.import_stream(&part, &target),
            Kind::Pipelines | Kind::Templates | Kind::Settings => {
                object::read_archived().and_then(|objects| object::make(&objects))
            }
        };
        imported.with_context(|| target.shown())
    }

    fn fingerprint(&mut self, part: Part) -> Result<String> {
        let archived = Subject::of(&part)?;
        let target = self.targets.of(&archived);
        let fingerprint = if target.kind.has_documents() {
            let has_aliases = self.targets.keeps_aliases(&archived);
            live_documents(&part, target.kind, &target.name, has_aliases)
        } else {
            let names = object::names(&part)?;
            object::read_live(target.kind).map(|live| object::fingerprint(&live, &names))
        };
        fingerprint.with_context(|| target.shown())
    }

    fn end(self, outcome: Outcome) -> Result<Vec<Finding>> {
        if outcome != Outcome::Completed {
            return self.give_up();
        }
        let mut findings = Vec::new();
        let subjects: Vec<Subject> =
            self.request.parts.iter().map(Subject::of).collect::<Result<_>>()?;
        let is_copy = |subject: &&Subject| {
            subject.kind == Kind::Index && !self.targets.keeps_aliases(subject)
        };
        if subjects.iter().any(|subject| is_copy(&subject)) {
            findings.push(Finding::new(
                Severity::Notice,
                "aliases-left-out",
                "an index that was renamed gets no aliases but those that were renamed too",
            ));
        }
        // Copies of shards are on their way; how the cluster is without them says little.
        let settled = "/_cluster/health?wait_for_no_initializing_shards=true&timeout=10s";
        ask("GET", settled, None)?;
        let cluster = health::cluster()?;
        if cluster.severity != Severity::Ok {
            findings.push(cluster);
        }
        Ok(findings)
    }
}

impl Restoring {
    fn import_index(&self, part: &Part, archived: &Subject, target: &Subject) -> Result<()> {
        let mut text = Vec::new();
        let entry = archive::open(definition::ENTRY.as_bytes())?;
        entry.take(OBJECTS_BYTES_MAX).read_to_end(&mut text)?;
        let mut definition: Definition =
            serde_json::from_slice(&text).context(definition::ENTRY)?;
        definition.aliases = self.targets.aliases(archived, &definition.aliases);
        self.make_room(target)?;
        let name = &target.name;
        must("PUT", &format!("/{}", segment(name)), Some(&definition.to_be_loaded()))?;
        let filled = definition::must_be_assigned(name)
            .and_then(|()| fill(part, name))
            .and_then(|()| definition::make_aliases(name, &definition.aliases))
            .and_then(|()| definition.complete(name));
        filled.map_err(|error| give_up(target, error))
    }

    fn import_stream(&self, part: &Part, target: &Subject) -> Result<()> {
        self.make_room(target)?;
        let name = &target.name;
        must("PUT", &format!("/_data_stream/{}", segment(name)), None).context(
            "making it (a data stream needs an index template of its own: restore the part `templates` first)",
        )?;
        fill_stream(part, name).map_err(|error| give_up(target, error))
    }

    /// Deletes what is in the way, if that is allowed.
    fn make_room(&self, target: &Subject) -> Result<()> {
        match present(target)? {
            Present::Nothing => Ok(()),
            Present::Same if self.request.overwrite => delete(target),
            Present::Same | Present::Other => Err(Error::conflict("it is there already")),
        }
    }

    /// What is not complete is deleted: whoever was at work on it was stopped and could not.
    fn give_up(&self) -> Result<Vec<Finding>> {
        let mut left = Vec::new();
        for part in &self.request.parts {
            let target = self.targets.of(&Subject::of(part)?);
            if !target.kind.has_documents() {
                continue;
            }
            match definition::is_loading(&target.name) {
                Ok(false) => {}
                Ok(true) if delete(&target).is_ok() => {}
                Ok(true) | Err(_) => left.push(target.shown()),
            }
        }
        if left.is_empty() {
            return Ok(Vec::new());
        }
        let text = format!("perhaps not complete, and not deleted: {}", listed(&left));
        Ok(vec![Finding::new(Severity::Warning, "incomplete-left", text)])
    }
}

fn fill(part: &Part, name: &str) -> Result<()> {
    let mut documents = archive::open(document::ENTRY.as_bytes())?;
    load(&part.id, name, &mut documents).map(drop)
}

fn fill_stream(part: &Part, name: &str) -> Result<()> {
    let backing = definition::backing(name)?.unwrap_or_default();
    let [index] = backing.as_slice() else {
        return Err(Error::conflict("the new data stream has not one backing index"));
    };
    let made = Definition::read(index)?;
    let made = made.ok_or_else(|| Error::conflict("its backing index is gone"))?;
    definition::prepare(index)?;
    fill(part, name)?;
    made.complete(index)
}

fn delete(target: &Subject) -> Result<()> {
    let name = segment(&target.name);
    let place = if target.kind == Kind::Index { name } else { format!("_data_stream/{name}") };
    must("DELETE", &format!("/{place}"), None).map(drop)
}

/// Deletes what is not complete; the error says what became of it.
fn give_up(target: &Subject, error: Error) -> Error {
    match delete(target) {
        Ok(()) => error.context("it was not complete and was deleted again"),
        Err(_) => error.context("it is not complete: delete it, then restore it again"),
    }
}
