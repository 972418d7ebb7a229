//! preview, begin, join, import, fingerprint, end.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_plugin::host::{Host, Stream};
use lockgate_plugin::{
    Error as Told, Finding, Outcome, Part, Restore, RestoreRequest, Result, Severity, Step,
};

use crate::config::Config;
use crate::cql::Session;
use crate::error::Error;
use crate::logical::backup::{DEFINITIONS, MOMENT, NAMES, ROLES, SERVER, VIEWS};
use crate::logical::load;
use crate::logical::make;
use crate::logical::names::{Kind, Subject, Targets};
use crate::logical::roles::{self, Role};
use crate::logical::scan::{self, Scan};
use crate::logical::statements::Moment;
use crate::schema;
use crate::schema::definition::{self, Definition};
use crate::schema::names::{plain, qualified};

/// A coordinator or a worker of a restore.
#[derive(Debug)]
pub struct Restoring<H: Host> {
    host: H,
    config: Config,
    /// None after a failure left it in the middle of something.
    session: Option<Session<H::Stream>>,
    targets: Targets,
    overwrite: bool,
    has_rename: bool,
}

impl<H: Host + Default> Restore for Restoring<H> {
    type Config = Config;

    fn preview(config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        let mut session = Session::open(&H::default(), &config)?;
        Ok(steps(&mut session, &config, &request)?)
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
        let mut session = self.take_session()?;
        let imported = self.import_subject(&mut session, &part, &archived, &target);
        if imported.is_ok() {
            self.session = Some(session);
        }
        Ok(imported.map_err(|error| error.during(&target.quoted()))?)
    }

    fn fingerprint(&mut self, part: Part) -> Result<String> {
        let archived = Subject::of(&part)?;
        let target = self.targets.of(&archived);
        let mut session = self.take_session()?;
        let live = self.live(&mut session, &part, &archived, &target);
        if live.is_ok() {
            self.session = Some(session);
        }
        Ok(live.map_err(|error| error.during(&target.quoted()))?)
    }

    fn end(self, outcome: Outcome) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        if outcome == Outcome::Completed && self.has_rename {
            findings.push(Finding::new(
                Severity::Notice,
                "rename",
                "bodies of functions, and what roles may do, that name the old keyspace or table were not rewritten",
            ));
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
        let session = Some(Session::open(&host, &config)?);
        let targets = Targets::new(&request.rename);
        let (overwrite, has_rename) = (request.overwrite, !request.rename.is_empty());
        Ok(Self { host, config, session, targets, overwrite, has_rename })
    }

    /// [`Restore::begin`] over a given host: makes the keyspaces, drops what is to be overwritten, and orders the parts.
    ///
    /// # Errors
    /// When something is in the way that may not be overwritten.
    pub fn begin_with(
        host: H,
        config: Config,
        request: &RestoreRequest,
    ) -> Result<(Self, Vec<Vec<Part>>), Error> {
        let mut restoring = Self::open(host, config, request)?;
        let mut session = restoring.take_session()?;
        let steps = steps(&mut session, &restoring.config, request)?;
        let in_the_way: Vec<&str> =
            steps.iter().filter(|step| step.overwrites).map(|step| step.target.as_str()).collect();
        if !request.overwrite && !in_the_way.is_empty() {
            let shown = in_the_way.get(..10).unwrap_or(&in_the_way).join(", ");
            let text = format!(
                "tables that are there already ({}): {shown}; overwrite them, or rename",
                in_the_way.len()
            );
            return Err(Told::conflict(text).into());
        }
        let mut stages: BTreeMap<Kind, Vec<Part>> = BTreeMap::new();
        let mut keyspaces = BTreeSet::new();
        for part in &request.parts {
            let archived = Subject::of(part)?;
            let target = restoring.targets.of(&archived);
            if archived.kind != Kind::Roles && keyspaces.insert(target.keyspace.clone()) {
                make::keyspace(&mut session, &restoring.config, part, &target.keyspace)?;
            }
            // At once and before the types that they use.
            if archived.kind == Kind::Table && request.overwrite {
                schema::drop_table(&mut session, &target.keyspace, &target.table)?;
            }
            stages.entry(archived.kind).or_default().push(part.clone());
        }
        restoring.session = Some(session);
        Ok((restoring, stages.into_values().collect()))
    }

    fn take_session(&mut self) -> Result<Session<H::Stream>, Error> {
        match self.session.take() {
            Some(session) => Ok(session),
            None => Session::open(&self.host, &self.config),
        }
    }

    fn import_subject(
        &self,
        session: &mut Session<H::Stream>,
        part: &Part,
        archived: &Subject,
        target: &Subject,
    ) -> Result<(), Error> {
        match archived.kind {
            Kind::Table => self.import_table(session, part, archived, target),
            Kind::Schema => {
                let wanted: Vec<Definition> = definition::read(&self.host, DEFINITIONS)?;
                let names = (&self.targets, archived, target);
                make::definitions(session, &wanted, names, self.overwrite)
            }
            Kind::Roles => {
                let wanted: Vec<Role> = definition::read(&self.host, ROLES)?;
                roles::make(session, &wanted, self.overwrite)
            }
        }
    }

    fn import_table(
        &self,
        session: &mut Session<H::Stream>,
        part: &Part,
        archived: &Subject,
        target: &Subject,
    ) -> Result<(), Error> {
        let all: Vec<Definition> = definition::read(&self.host, DEFINITIONS)?;
        let (types, all): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.kind == "type");
        let names = (&self.targets, archived, target);
        make::definitions(session, &types, names, self.overwrite)?;
        let (after, before): (Vec<_>, Vec<_>) = all
            .iter()
            .partition(|one| ["materialized_view", "trigger"].contains(&one.kind.as_str()));
        let run = |session: &mut Session<H::Stream>, one: &Definition| {
            let sql = make::statement(one, &self.targets, archived, target);
            let made = session.execute(&sql);
            made.map_err(|error| error.during(&format!("making {} {}", one.kind, one.name)))
        };
        // The table itself comes first; when that fails, there is nothing of ours to be dropped.
        let (table, indexes) = before.split_first().ok_or(Error::Protocol("there is no table"))?;
        run(session, table)?;
        let filled = (|| {
            for index in indexes {
                run(session, index)?;
            }
            session.agree()?;
            let moment = moment(part)?;
            let to = (part.id.as_str(), target);
            load::load(&self.host, session, to, self.config.consistency, moment)?;
            for one in after {
                run(session, one)?;
                session.agree()?;
                if one.kind == "materialized_view" {
                    let view = self.targets.view(archived, target, &plain(&one.name));
                    make::await_view(&self.host, session, &target.keyspace, &view)?;
                }
            }
            Ok(())
        })();
        filled.map_err(|error: Error| self.give_up(target, error))
    }

    /// A table that is not complete is dropped, in a new session because the old one may be in the middle of something. The error says
    /// what became of it.
    fn give_up(&self, target: &Subject, error: Error) -> Error {
        let dropped = Session::open(&self.host, &self.config).and_then(|mut session| {
            schema::drop_table(&mut session, &target.keyspace, &target.table)
        });
        match dropped {
            Ok(()) => error.during("the table was not complete and was dropped again"),
            Err(_) => error.during(&format!(
                "the table is not complete and could not be dropped: DROP TABLE {}, then restore it again",
                target.quoted()
            )),
        }
    }

    /// The fingerprint of what an archived part became.
    fn live(
        &self,
        session: &mut Session<H::Stream>,
        part: &Part,
        archived: &Subject,
        target: &Subject,
    ) -> Result<String, Error> {
        match archived.kind {
            Kind::Table => {
                let shape = scan::shape(session, target)?;
                let scan = Scan {
                    part: &part.id,
                    table: target,
                    consistency: self.config.consistency,
                    now: moment(part)?.0,
                };
                Ok(scan.run(&self.host, session, &shape, |_| Ok(()))?.fingerprint)
            }
            Kind::Schema => {
                let names = part.attribute(NAMES).unwrap_or("[]");
                let names: Vec<(String, String)> = serde_json::from_str(names)?;
                let mut live = schema::describe_keyspace(session, &target.keyspace)?;
                live.retain(|one| names.contains(&(one.kind.clone(), one.name.clone())));
                schema_fingerprint(live, &target.keyspace, &archived.keyspace)
            }
            Kind::Roles => {
                let names: Vec<String> =
                    serde_json::from_str(part.attribute(NAMES).unwrap_or("[]"))?;
                let mut live = roles::read(session)?;
                live.retain(|role| names.contains(&role.name));
                roles::fingerprint(&live, session.server())
            }
        }
    }
}

/// Equal for equal definitions, whatever their keyspace is called.
///
/// # Errors
/// When one has no JSON form.
pub fn schema_fingerprint(
    definitions: Vec<Definition>,
    keyspace: &str,
    archived: &str,
) -> Result<String, Error> {
    let canonical: Vec<Definition> =
        definitions.into_iter().map(|one| make::canonical(one, keyspace, archived)).collect();
    definition::fingerprint(&canonical)
}

fn moment(part: &Part) -> Result<Moment, Error> {
    let moment = part.attribute(MOMENT).and_then(|text| text.parse().ok());
    let lacking = || Told::corrupt(format!("part {} does not say when it was saved", part.id));
    Ok(Moment(moment.ok_or_else(lacking)?))
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
        let server = part.attribute(SERVER).unwrap_or_default();
        session.server().admit_archive(server, config.allow_untested_version)?;
        let archived = Subject::of(part)?;
        let target = targets.of(&archived);
        if archived.kind != Kind::Roles && !present.contains_key(&target.keyspace) {
            let mut names = schema::tables(session, &target.keyspace)?;
            names.extend(schema::views(session, &target.keyspace)?);
            present.insert(target.keyspace.clone(), names.into_iter().collect());
        }
        let is_there =
            |name: &String| present.get(&target.keyspace).is_some_and(|names| names.contains(name));
        let views: Vec<String> = serde_json::from_str(part.attribute(VIEWS).unwrap_or("[]"))?;
        let views: Vec<String> =
            views.iter().map(|view| targets.view(&archived, &target, view)).collect();
        let in_the_way =
            archived.kind == Kind::Table && (is_there(&target.table) || views.iter().any(is_there));
        let action = match (archived.kind, in_the_way) {
            (Kind::Schema, _) => "make types, functions and aggregates of keyspace",
            (Kind::Roles, _) if request.overwrite => "make or replace",
            (Kind::Roles, _) => "make those that are missing of",
            (Kind::Table, true) => "drop and make table",
            (Kind::Table, false) => "make table",
        };
        let mut name = target.quoted();
        if !views.is_empty() {
            let views: Vec<String> =
                views.iter().map(|view| qualified(&target.keyspace, view)).collect();
            name.push_str(&format!(" with views {}", views.join(", ")));
        }
        let mut step = Step::new(&part.id, action, name);
        step.overwrites = in_the_way;
        step.bytes_estimate = part.bytes_estimate;
        steps.push((archived.kind, step));
    }
    steps.sort_by_key(|(kind, _)| *kind);
    Ok(steps.into_iter().map(|(_, step)| step).collect())
}
