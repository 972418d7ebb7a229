//! preview, begin, join, import, end.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_plugin::host::{Host, Stream};
use lockgate_plugin::{
    Error as Told, Finding, Outcome, Part, Restore, RestoreRequest, Result, Severity, Step,
};

use crate::config::Config;
use crate::definition;
use crate::error::Error;
use crate::fingerprint;
use crate::load;
use crate::names::{Kind, Subject, quote_name, quote_text};
use crate::objects;
use crate::rows::RowReader;
use crate::server::Server;
use crate::session::Session;
use crate::target::Targets;

/// A coordinator or a worker of a restore.
#[derive(Debug)]
pub struct Restoring<H: Host> {
    host: H,
    config: Config,
    session: Session<H::Stream>,
    targets: Targets,
    overwrite: bool,
    has_rename: bool,
    /// Databases whose schema is restored too: what has the name of a view there is a stand-in of ours.
    with_stand_ins: BTreeSet<String>,
}

impl<H: Host + Default> Restore for Restoring<H> {
    type Config = Config;

    fn preview(config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        Ok(Self::preview_with(&H::default(), &config, &request)?)
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        Ok(Self::begin_with(H::default(), config, &request)?)
    }

    fn join(config: Config, request: RestoreRequest) -> Result<Self> {
        Ok(Self::open(H::default(), config, &request)?)
    }

    fn import(&mut self, part: Part) -> Result<()> {
        let archived = Subject::of(&part)?;
        let target = self.targets.of(&archived);
        let imported = self.import_subject(&part, &archived, &target);
        Ok(imported.map_err(|error| error.during(&target.quoted()))?)
    }

    fn fingerprint(&mut self, part: Part) -> Result<String> {
        let target = self.targets.of(&Subject::of(&part)?);
        let fingerprint = fingerprint::live(&self.host, &self.config, &part, &target);
        Ok(fingerprint.map_err(|error| error.during(&target.quoted()))?)
    }

    fn end(mut self, outcome: Outcome) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        if outcome == Outcome::Completed && self.has_rename {
            findings.push(Finding::new(
                Severity::Notice,
                "rename",
                "texts of views, routines, triggers, events and grants, and foreign keys, that name the old database or \
                 table were not rewritten",
            ));
        }
        if self.session.is_usable() {
            self.session.close();
        }
        Ok(findings)
    }
}

impl<H: Host> Restoring<H> {
    /// [`Restore::join`] over a given host.
    ///
    /// # Errors
    /// When the server cannot be worked with.
    pub fn open(host: H, config: Config, request: &RestoreRequest) -> Result<Self, Error> {
        config.validate()?;
        let session = open_session(&host, &config)?;
        let targets = Targets::new(&request.rename);
        let overwrite = request.overwrite;
        let has_rename = !request.rename.is_empty();
        let archived: Result<Vec<Subject>> = request.parts.iter().map(Subject::of).collect();
        let schemas = archived?.into_iter().filter(|subject| subject.kind == Kind::Schema);
        let with_stand_ins = schemas.map(|subject| targets.of(&subject).database).collect();
        Ok(Self { host, config, session, targets, overwrite, has_rename, with_stand_ins })
    }

    /// [`Restore::preview`] over a given host.
    ///
    /// # Errors
    /// When the request or the server is not fit.
    pub fn preview_with(
        host: &H,
        config: &Config,
        request: &RestoreRequest,
    ) -> Result<Vec<Step>, Error> {
        let mut session = Session::open(host, config)?;
        let steps = steps(&mut session, config, request)?;
        session.close();
        Ok(steps)
    }

    /// [`Restore::begin`] over a given host: makes the databases and orders the parts.
    ///
    /// # Errors
    /// When something is in the way that may not be overwritten.
    pub fn begin_with(
        host: H,
        config: Config,
        request: &RestoreRequest,
    ) -> Result<(Self, Vec<Vec<Part>>), Error> {
        let mut restoring = Self::open(host, config, request)?;
        let steps = steps(&mut restoring.session, &restoring.config, request)?;
        let in_the_way: Vec<&str> = steps
            .iter()
            .filter(|step| step.overwrites && step.part != "_users")
            .map(|step| step.target.as_str())
            .collect();
        if !request.overwrite && !in_the_way.is_empty() {
            let shown = in_the_way.get(..10).unwrap_or(&in_the_way).join(", ");
            let text = format!(
                "tables that are there already ({}): {shown}; overwrite them, or rename",
                in_the_way.len()
            );
            return Err(Told::conflict(text).into());
        }
        let mut stages: BTreeMap<Kind, Vec<Part>> = BTreeMap::new();
        let mut databases = BTreeSet::new();
        for part in &request.parts {
            let archived = Subject::of(part)?;
            let target = restoring.targets.of(&archived);
            if archived.kind != Kind::Users && databases.insert(target.database.clone()) {
                restoring.make_database(part, &target.database)?;
            }
            stages.entry(archived.kind).or_default().push(part.clone());
        }
        let mut ordered = Vec::new();
        for (kind, parts) in stages {
            // Views of one database may need those of another, so that they are not made at the same time.
            match kind {
                Kind::Views => ordered.extend(parts.into_iter().map(|part| vec![part])),
                Kind::Schema | Kind::Table | Kind::Users => ordered.push(parts),
            }
        }
        Ok((restoring, ordered))
    }

    fn make_database(&mut self, part: &Part, name: &str) -> Result<(), Error> {
        let attribute = |key| part.attribute(key).map(quote_text);
        let (Some(character_set), Some(collation)) =
            (attribute("character-set"), attribute("collation"))
        else {
            let text = format!("part {} does not say how its database is made", part.id);
            return Err(Told::corrupt(text).into());
        };
        let create = format!(
            "CREATE DATABASE IF NOT EXISTS {} CHARACTER SET {character_set} COLLATE {collation}",
            quote_name(name)
        );
        self.session.execute(&create).map(drop).map_err(|error| error.during("making the database"))
    }

    fn import_subject(
        &mut self,
        part: &Part,
        archived: &Subject,
        target: &Subject,
    ) -> Result<(), Error> {
        if !self.session.is_usable() {
            self.session = open_session(&self.host, &self.config)?;
        }
        if archived.kind == Kind::Table {
            return self.import_table(part, archived, target);
        }
        let definitions = definition::read(&self.host, "definitions.jsonl")?;
        let (session, overwrite) = (&mut self.session, self.overwrite);
        match archived.kind {
            Kind::Schema => {
                objects::make_schema(session, &target.database, &definitions, overwrite)
            }
            Kind::Views => {
                let replace = overwrite || self.with_stand_ins.contains(&target.database);
                objects::make_views(session, &target.database, &definitions, replace)
            }
            Kind::Users | Kind::Table => objects::make_accounts(session, &definitions, overwrite),
        }
    }

    fn import_table(
        &mut self,
        part: &Part,
        archived: &Subject,
        target: &Subject,
    ) -> Result<(), Error> {
        let sql = definition::read_text(&self.host, "table.sql")?;
        let sql = definition::renamed(&sql, &archived.table, &target.table).ok_or_else(|| {
            Told::corrupt(format!("table.sql of {} is not the definition of the table", part.id))
        })?;
        crate::schema::enter(&mut self.session, &target.database)?;
        if self.overwrite {
            self.session.execute(&format!("DROP TABLE IF EXISTS {}", target.quoted()))?;
        }
        self.session.execute(&sql)?;
        let filled = self.fill_table(part, archived, target);
        filled.map_err(|error| self.give_up(target, error))
    }

    fn fill_table(
        &mut self,
        part: &Part,
        archived: &Subject,
        target: &Subject,
    ) -> Result<(), Error> {
        let mut reader = RowReader::new(self.host.open("rows")?)?;
        let quoted = target.quoted();
        let rows = load::load(&self.host, &mut self.session, &part.id, &quoted, &mut reader)?;
        self.host.progress(&part.id, 0, rows);
        if self.host.entries("")?.iter().any(|path| path == "triggers.jsonl") {
            let triggers = definition::read(&self.host, "triggers.jsonl")?;
            let is_copy = archived.table != target.table;
            let suffix = if is_copy { format!("_{}", target.table) } else { String::new() };
            let (database, table) = (&target.database, &target.table);
            objects::make_triggers(&mut self.session, database, table, &triggers, &suffix)?;
        }
        Ok(())
    }

    /// A table that is not complete is dropped, in a new session because the old one may be in the middle of something.
    /// The error says what became of it.
    fn give_up(&mut self, target: &Subject, error: Error) -> Error {
        let quoted = target.quoted();
        let dropped = open_session(&self.host, &self.config).and_then(|session| {
            self.session = session;
            self.session.execute(&format!("DROP TABLE IF EXISTS {quoted}"))
        });
        match dropped {
            Ok(_) => error.during("the table was not complete and was dropped again"),
            Err(_) => error.during(&format!(
                "the table is not complete and could not be dropped: DROP TABLE {quoted}, then restore it again"
            )),
        }
    }
}

fn open_session<H: Host>(host: &H, config: &Config) -> Result<Session<H::Stream>, Error> {
    let mut session = Session::open(host, config)?;
    session.execute(objects::RESTORE_SETTING)?;
    session.execute("SET SESSION foreign_key_checks = 0, unique_checks = 0")?;
    // Rows that were let in while a check was off must come back too; names of other servers' settings.
    session.set_if_known("check_constraint_checks", "0")?;
    session.set_if_known("sql_require_primary_key", "0")?;
    session.set_if_known("innodb_strict_mode", "0")?;
    Ok(session)
}

fn steps<S: Stream>(
    session: &mut Session<S>,
    config: &Config,
    request: &RestoreRequest,
) -> Result<Vec<Step>, Error> {
    let targets = Targets::new(&request.rename);
    targets.check(&request.parts)?;
    let mut present: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut steps = Vec::new();
    for part in &request.parts {
        admit(session.server(), part, config)?;
        let archived = Subject::of(part)?;
        let target = targets.of(&archived);
        if !present.contains_key(&target.database) {
            let tables = tables(session, &target.database)?;
            present.insert(target.database.clone(), tables);
        }
        let is_there =
            present.get(&target.database).is_some_and(|tables| tables.contains(&target.table));
        let action = match (archived.kind, is_there) {
            (Kind::Schema, _) => "make options, sequences and routines of database",
            (Kind::Views, _) => "make views and events of database",
            (Kind::Users, _) if request.overwrite => "make or replace",
            (Kind::Users, _) => "make those that are missing of",
            (Kind::Table, true) => "drop and make table",
            (Kind::Table, false) => "make table",
        };
        let mut step = Step::new(&part.id, action, target.quoted());
        step.overwrites = match archived.kind {
            Kind::Table => is_there,
            Kind::Schema | Kind::Views | Kind::Users => false,
        };
        step.bytes_estimate = part.bytes_estimate;
        steps.push((archived.kind, step));
    }
    steps.sort_by_key(|(kind, _)| *kind);
    Ok(steps.into_iter().map(|(_, step)| step).collect())
}

fn admit(server: &Server, part: &Part, config: &Config) -> Result<()> {
    let archived = part.attribute("server").and_then(|text| text.split_once(' '));
    let (product, version) = archived
        .ok_or_else(|| Told::corrupt(format!("part {} does not name its server", part.id)))?;
    let archived = Server::parse(&format!("{version}-{product}"))?;
    server.admit_archive(&archived, config.allow_untested_version)
}

fn tables<S: Stream>(session: &mut Session<S>, database: &str) -> Result<BTreeSet<String>, Error> {
    let rows = session.rows(&format!(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {}",
        quote_text(database)
    ))?;
    rows.iter().map(|row| row.required(0).map(str::to_owned)).collect()
}
