//! preview, begin, join, import, end.

mod live;
mod make;
mod plan;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use lockgate_plugin::host::Host;
use lockgate_plugin::{
    Error as Told, Filter, Finding, Outcome, Part, Restore, RestoreRequest, Result, Severity, Step,
};

use crate::backup::{DEFINITIONS, EARLY, LATE};
use crate::catalog::definition;
use crate::catalog::{Catalog, Definition};
use crate::config::Config;
use crate::error::Error;
use crate::large;
use crate::maintenance;
use crate::names::{Kind, Subject};
use crate::rename::Renames;
use crate::roles;
use crate::session::Session;
use crate::sql::quote_name;
use crate::table as rows;
use crate::target::Targets;

/// A coordinator or a worker of a restore.
#[derive(Debug)]
pub struct Restoring<H: Host> {
    host: H,
    config: Config,
    request: RestoreRequest,
    targets: Targets,
    /// What is restored, as it was archived.
    archived: BTreeMap<String, Subject>,
    /// In the database that was last worked on.
    session: Option<Session<H::Stream>>,
    /// Of the coordinator: databases that it made.
    made: BTreeSet<String>,
}

impl<H: Host + Default> Restore for Restoring<H> {
    type Config = Config;

    fn preview(config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        Ok(Self::open(H::default(), config, request)?.steps()?)
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        Ok(Self::begin_with(H::default(), config, request)?)
    }

    fn join(config: Config, request: RestoreRequest) -> Result<Self> {
        Ok(Self::open(H::default(), config, request)?)
    }

    fn import(&mut self, part: Part) -> Result<()> {
        let archived = Subject::of(&part)?;
        let target = self.targets.of(&archived);
        let imported = self.import_subject(&part, &archived, &target);
        Ok(imported.map_err(|error| self.give_up(error).during(&target.shown()))?)
    }

    fn fingerprint(&mut self, part: Part) -> Result<String> {
        let archived = Subject::of(&part)?;
        let target = self.targets.of(&archived);
        let fingerprint = self.live_fingerprint(&part, &archived, &target);
        Ok(fingerprint.map_err(|error| self.give_up(error).during(&target.shown()))?)
    }

    fn end(mut self, outcome: Outcome) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        if outcome == Outcome::Completed {
            findings = self.complete()?;
            if !self.request.rename.is_empty() {
                findings.push(Finding::new(
                    Severity::Notice,
                    "rename",
                    "bodies of functions and settings that name the old schema or table were not rewritten",
                ));
            }
        }
        self.session.take().into_iter().for_each(Session::close);
        Ok(findings)
    }
}

impl<H: Host> Restoring<H> {
    /// [`Restore::join`] over a given host.
    ///
    /// # Errors
    /// When the request is not fit.
    pub fn open(host: H, config: Config, request: RestoreRequest) -> Result<Self, Error> {
        config.validate()?;
        let targets = Targets::new(&request.rename);
        let subject = |part: &Part| Ok((part.id.clone(), Subject::of(part)?));
        let archived: Result<BTreeMap<String, Subject>> =
            request.parts.iter().map(subject).collect();
        let archived = archived?;
        Ok(Self { host, config, request, targets, archived, session: None, made: BTreeSet::new() })
    }

    /// [`Restore::begin`] over a given host: makes the databases and orders the parts.
    ///
    /// # Errors
    /// When something is in the way that may not be overwritten.
    pub fn begin_with(
        host: H,
        config: Config,
        request: RestoreRequest,
    ) -> Result<(Self, Vec<Vec<Part>>), Error> {
        let mut restoring = Self::open(host, config, request)?;
        let steps = restoring.steps()?;
        let in_the_way: Vec<&str> =
            steps.iter().filter(|step| step.overwrites).map(|step| step.target.as_str()).collect();
        if !restoring.request.overwrite && !in_the_way.is_empty() {
            let shown = in_the_way.get(..10).unwrap_or(&in_the_way).join(", ");
            let text = format!(
                "what is restored is there already ({}): {shown}; allow to overwrite, or rename",
                in_the_way.len()
            );
            return Err(Told::conflict(text).into());
        }
        restoring.make_databases()?;
        let stages = restoring.stages()?;
        Ok((restoring, stages))
    }

    /// A session in a database.
    fn enter(&mut self, database: &str) -> Result<&mut Session<H::Stream>, Error> {
        let is_there = self
            .session
            .as_mut()
            .is_some_and(|session| session.database() == database && session.is_usable());
        if !is_there {
            self.session.take().into_iter().for_each(Session::close);
            self.session = Some(Session::open(&self.host, &self.config, database)?);
        }
        self.session.as_mut().ok_or(Error::Protocol("there is no session"))
    }

    /// Whether the part of that kind of the archived database is restored too, into the database that `target` is in.
    fn has(&self, kind: Kind, archived: &Subject, target: &Subject) -> bool {
        let subject = Subject::new(kind, &archived.database);
        self.archived.contains_key(&subject.id())
            && self.targets.of(&subject).database == target.database
    }

    /// The renames within an archived database, as far as they are known from the request.
    fn renames(&self, archived: &Subject) -> Result<Renames, Error> {
        let mut schemas = BTreeSet::new();
        let mut tables = Vec::new();
        for part in &self.request.parts {
            let Some(subject) = self.archived.get(&part.id) else { continue };
            if subject.database != archived.database {
                continue;
            }
            if let Some(list) = part.attribute("schemas") {
                schemas.extend(serde_json::from_str::<Vec<String>>(list)?);
            }
            if subject.kind == Kind::Table {
                schemas.insert(subject.schema.clone());
                tables.push(subject.clone());
            }
        }
        Ok(self.targets.renames(&archived.database, &schemas, &tables))
    }

    fn import_subject(
        &mut self,
        part: &Part,
        archived: &Subject,
        target: &Subject,
    ) -> Result<(), Error> {
        let (overwrite, owners) = (self.request.overwrite, self.config.owners);
        match archived.kind {
            Kind::Roles => {
                let roles = definition::read(&self.host, DEFINITIONS)?;
                let database = self.config.database.clone();
                roles::restore(self.enter(&database)?, &roles, overwrite)
            }
            Kind::Schema | Kind::After => {
                let definitions = definition::read(&self.host, DEFINITIONS)?;
                let mut renames = self.renames(archived)?;
                renames.learn(definitions.iter());
                renames.name_belongings(definitions.iter());
                let definitions: Vec<Definition> =
                    definitions.iter().map(|definition| renames.apply(definition)).collect();
                self.import_definitions(archived, target, &definitions)
            }
            Kind::LargeObjects => {
                self.enter(&target.database)?;
                let Self { host, session: Some(session), .. } = self else {
                    return Err(Error::Protocol("there is no session"));
                };
                large::restore(host, session, part, overwrite, owners)
            }
            Kind::Table => self.import_table(part, archived, target),
        }
    }

    fn live_fingerprint(
        &mut self,
        part: &Part,
        archived: &Subject,
        target: &Subject,
    ) -> Result<String, Error> {
        let database = match archived.kind {
            Kind::Roles => self.config.database.clone(),
            _ => target.database.clone(),
        };
        let mut renames = self.renames(archived)?;
        let session = self.enter(&database)?;
        session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        let Self { host, session: Some(session), .. } = self else {
            return Err(Error::Protocol("there is no session"));
        };
        let fingerprint = match archived.kind {
            Kind::Roles => {
                let names = part.attribute("roles").unwrap_or("[]");
                let names: Vec<String> = serde_json::from_str(names)?;
                let roles = roles::read(session, false)?;
                definition::fingerprint(roles.iter().filter(|role| names.contains(&role.name)))
            }
            Kind::Schema | Kind::After => {
                let stages = if archived.kind == Kind::Schema { EARLY } else { LATE };
                let filter = Filter::default();
                let catalog = Catalog::read(session, &filter)?;
                let signs = live::signs(part);
                live::fingerprint(&catalog, stages, &mut renames, &signs)
            }
            Kind::LargeObjects => large::fingerprint(host, session, part)?,
            Kind::Table if part.attribute("rows") == Some("none") => {
                crate::copy::Tally::new(crate::copy::Format::Text).finish()?
            }
            Kind::Table => {
                let condition = part.attribute("condition").unwrap_or_default();
                let encoding = part.attribute("encoding").unwrap_or("UTF8");
                rows::fingerprint(host, session, target, condition, encoding)?
            }
        };
        session.execute("COMMIT")?;
        Ok(fingerprint)
    }

    /// Ends the transaction that failed. A session that is in the middle of something is left, and the server gives up what
    /// it had begun.
    fn give_up(&mut self, error: Error) -> Error {
        let is_ended =
            self.session.as_mut().is_some_and(|session| session.execute("ROLLBACK").is_ok());
        if !is_ended {
            self.session = None;
        }
        error
    }

    /// What needs everything else: foreign keys of tables that were restored without their database, and what a new
    /// database is as a whole.
    fn complete(&mut self) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        for part in self.request.parts.clone() {
            let archived = Subject::of(&part)?;
            let target = self.targets.of(&archived);
            if archived.kind == Kind::Table && !self.has(Kind::After, &archived, &target) {
                findings.extend(self.make_foreign_keys(&part, &archived, &target)?);
            }
            let is_whole = self.made.contains(&target.database) || self.request.overwrite;
            if archived.kind == Kind::Schema && is_whole && self.config.owners {
                let list = part.attribute("properties").unwrap_or("[]");
                let name = quote_name(&target.database);
                let session = self.enter(&target.database)?;
                // At once, so that a database in maintenance is never out of it.
                session.execute("BEGIN")?;
                for statement in serde_json::from_str::<Vec<String>>(list)? {
                    let statement = statement.replacen("{database}", &name, 1);
                    session.execute(&statement).map_err(|error| error.during(&target.shown()))?;
                }
                maintenance::stay(session, &target.database)?;
                session.execute("COMMIT")?;
            }
        }
        Ok(findings)
    }

    fn make_foreign_keys(
        &mut self,
        part: &Part,
        archived: &Subject,
        target: &Subject,
    ) -> Result<Vec<Finding>, Error> {
        let keys: Vec<Definition> =
            serde_json::from_str(part.attribute("foreign-keys").unwrap_or("[]"))?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let renames = self.renames(archived)?;
        let session = self.enter(&target.database)?;
        let mut findings = Vec::new();
        for key in keys {
            let key = renames.apply(&key);
            for statement in &key.statements {
                match session.execute(statement) {
                    Ok(_) => {}
                    Err(Error::Server(error)) => {
                        let text = format!("{} was not made: {error}", key.address);
                        findings.push(Finding::new(Severity::Warning, "foreign-key", text));
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(findings)
    }
}
