//! begin, join, export, end.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_plugin::host::{Host, Stream};
use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Error as Told, Filter, Finding, Outcome, Part, Result,
    Severity, Summary,
};

use crate::catalog::definition::{self, sign};
use crate::catalog::{self, Catalog, Definition, Stage, Table};
use crate::config::Config;
use crate::database;
use crate::error::Error;
use crate::large;
use crate::limits::{DATABASES_MAX, LOCKS_AT_ONCE};
use crate::names::{Kind, Subject};
use crate::roles;
use crate::session::Session;
use crate::sql::{qualified, quote_text};
use crate::table::{self, Source};

/// Most names that one finding tells.
const NAMED_MAX: usize = 20;
/// Entry of the definitions of a database, and of the roles.
pub const DEFINITIONS: &str = "definitions.jsonl";
/// Stages of the definitions in the part `_after`: those of a table are made with its rows when these are restored too.
pub const LATE: &[Stage] = &[Stage::Table, Stage::After];
/// Stages of the definitions in the part `_schema`.
pub const EARLY: &[Stage] = &[Stage::Before];

/// Names of exported snapshots by database.
type Mark = BTreeMap<String, String>;

/// A coordinator or a worker of a backup.
#[derive(Debug)]
pub struct Saving<H: Host> {
    host: H,
    config: Config,
    snapshots: Mark,
    /// Of the coordinator, one for each database: its transaction keeps the snapshot and the locks.
    held: Vec<Session<H::Stream>>,
    /// Of a worker, in the database that it last worked on.
    session: Option<Session<H::Stream>>,
    /// Of that database, when it was needed.
    catalog: Option<Catalog>,
    findings: Vec<Finding>,
}

impl<H: Host + Default> Backup for Saving<H> {
    type Config = Config;

    fn begin(config: Config, request: BackupRequest) -> Result<(Self, BackupPlan)> {
        Ok(Self::begin_with(H::default(), config, &request)?)
    }

    fn join(config: Config, mark: Vec<u8>) -> Result<Self> {
        Ok(Self::join_with(H::default(), config, &mark)?)
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        let subject = Subject::of(&part)?;
        let exported = self.export_subject(&part, &subject);
        Ok(exported.map_err(|error| error.during(&subject.shown()))?)
    }

    fn end(self, _outcome: Outcome) -> Result<Vec<Finding>> {
        // Nothing was changed; closing the sessions gives up locks and snapshots.
        self.held.into_iter().chain(self.session).for_each(Session::close);
        Ok(self.findings)
    }
}

impl<H: Host> Saving<H> {
    /// [`Backup::begin`] over a given host.
    ///
    /// # Errors
    /// When the consistent point cannot be taken.
    pub fn begin_with(
        host: H,
        config: Config,
        request: &BackupRequest,
    ) -> Result<(Self, BackupPlan), Error> {
        config.validate()?;
        let mut first = Session::open(&host, &config, &config.database)?;
        let databases = database::list(&mut first, &config)?;
        if databases.len() > DATABASES_MAX {
            let text = format!(
                "databases: {} of them, and {DATABASES_MAX} are the limit of one backup",
                databases.len()
            );
            return Err(Told::config(text).into());
        }
        let server = first.server().to_string();
        let mut findings = Vec::new();
        let mut parts = Vec::new();
        if config.roles {
            findings.extend(roles::finding(&mut first)?);
            parts.push(roles_part(&mut first)?.with_attribute("server", &server));
        }
        first.close();
        let (mut snapshots, mut held) = (Mark::new(), Vec::new());
        for name in &databases {
            let mut session = Session::open(&host, &config, name)?;
            let begun = begin_database(&mut session, &config, &mut snapshots, &mut findings);
            parts.extend(begun.map_err(|error| error.during(&format!("database {name}")))?);
            held.push(session);
        }
        let parts = chosen(parts, &request.parts)?;
        let mut plan = BackupPlan::new(parts)
            .with_mark(serde_json::to_vec(&snapshots)?)
            .with_attribute("server", server)
            .with_attribute("consistency", "one point in time for each database");
        if let Some(session) = held.first_mut() {
            plan = plan.with_attribute("position", position(session)?);
        }
        let saving = Self { host, config, snapshots, held, session: None, catalog: None, findings };
        Ok((saving, plan))
    }

    /// [`Backup::join`] over a given host.
    ///
    /// # Errors
    /// When this session does not see what the coordinator sees.
    pub fn join_with(host: H, config: Config, mark: &[u8]) -> Result<Self, Error> {
        config.validate()?;
        let snapshots: Mark = serde_json::from_slice(mark)?;
        let first = snapshots.keys().next().cloned();
        let (held, findings) = (Vec::new(), Vec::new());
        let mut saving =
            Self { host, config, snapshots, held, session: None, catalog: None, findings };
        if let Some(first) = first {
            saving.enter(&first)?;
        }
        Ok(saving)
    }

    /// Works on a database: in a transaction that sees the exported snapshot.
    fn enter(&mut self, database: &str) -> Result<&mut Session<H::Stream>, Error> {
        let is_there = self.session.as_ref().is_some_and(|session| session.database() == database);
        if !is_there {
            if let Some(old) = self.session.take() {
                old.close();
            }
            self.catalog = None;
            let snapshot = self.snapshots.get(database).ok_or_else(|| {
                Told::corrupt(format!("the mark has no snapshot of database {database}"))
            })?;
            let mut session = Session::open(&self.host, &self.config, database)?;
            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
            let join = format!("SET TRANSACTION SNAPSHOT {}", quote_text(snapshot));
            session
                .execute(&join)
                .map_err(|error| error.during("joining the coordinator's snapshot"))?;
            self.session = Some(session);
        }
        self.session.as_mut().ok_or(Error::Protocol("there is no session"))
    }

    fn export_subject(&mut self, part: &Part, subject: &Subject) -> Result<Summary, Error> {
        if subject.kind == Kind::Roles {
            return self.export_roles();
        }
        let filter = self.config.filter();
        self.enter(&subject.database)?;
        let Self { host, config, session: Some(session), catalog, .. } = self else {
            return Err(Error::Protocol("there is no session"));
        };
        if subject.kind == Kind::LargeObjects {
            return large::export(host, session, part);
        }
        if catalog.is_none() {
            *catalog = Some(Catalog::read(session, &filter)?);
        }
        let catalog = catalog.get_or_insert_default();
        let stages = match subject.kind {
            Kind::Schema => EARLY,
            Kind::After => LATE,
            _ => {
                let source = Source {
                    part: &part.id,
                    table: subject,
                    condition: part.attribute("condition").unwrap_or_default(),
                    has_rows: part.attribute("rows") != Some("none"),
                    order: config.order,
                };
                return table::export(host, session, catalog, &source);
            }
        };
        let count = definition::write(host, DEFINITIONS, catalog.of_stages(stages))?;
        let fingerprint = definition::fingerprint(catalog.of_stages(stages));
        Ok(Summary::of_items(count).with_fingerprint(fingerprint))
    }

    fn export_roles(&mut self) -> Result<Summary, Error> {
        let mut session = Session::open(&self.host, &self.config, &self.config.database)?;
        let passwords = roles::sees_passwords(&mut session)?;
        let kept = roles::kept(&mut session)?;
        let all = roles::read(&mut session, passwords)?;
        session.close();
        let count = definition::write(&self.host, DEFINITIONS, all.iter())?;
        let counted = all.iter().filter(|role| !kept.contains(&role.name));
        Ok(Summary::of_items(count).with_fingerprint(definition::fingerprint(counted)))
    }
}

/// The part of the roles with the names of those that count for its fingerprint.
fn roles_part<S: Stream>(session: &mut Session<S>) -> Result<Part, Error> {
    let kept = roles::kept(session)?;
    let all = roles::read(session, false)?;
    let names: Vec<String> =
        all.into_iter().map(|role| role.name).filter(|name| !kept.contains(name)).collect();
    let part = Subject::new(Kind::Roles, "").part();
    Ok(part.with_attribute("roles", serde_json::to_string(&names)?))
}

/// Takes the snapshot of a database and locks its tables; returns the parts.
fn begin_database<S: Stream>(
    session: &mut Session<S>,
    config: &Config,
    snapshots: &mut Mark,
    findings: &mut Vec<Finding>,
) -> Result<Vec<Part>, Error> {
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
    let filter = config.filter();
    let tables = catalog::tables(session, &filter)?;
    let lockable: Vec<String> = tables
        .iter()
        .filter(|table| table.kind != "f")
        .map(|table| format!("ONLY {}", qualified(&table.schema, &table.name)))
        .collect();
    for some in lockable.chunks(LOCKS_AT_ONCE) {
        // Rows change as they like; only what would alter or drop a table waits.
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", some.join(", "));
        session
            .execute(&lock)
            .map_err(|error| error.during("locking tables against changes of their definition"))?;
    }
    let database = session.database().to_owned();
    let snapshot = session.one("SELECT pg_export_snapshot()")?.owned(0)?;
    snapshots.insert(database, snapshot);
    let catalog = Catalog::read(session, &filter)?;
    findings.extend(catalog_findings(session.database(), &catalog));
    let objects = if config.large_objects { large::look(session)? } else { None };
    if let Some(objects) = objects.as_ref().filter(|objects| !objects.is_readable) {
        findings.push(objects.finding(session.database()));
    }
    plan(session, &filter, &tables, &catalog, objects.filter(|objects| objects.is_readable))
}

fn plan<S: Stream>(
    session: &mut Session<S>,
    filter: &Filter,
    tables: &[Table],
    catalog: &Catalog,
    objects: Option<large::Objects>,
) -> Result<Vec<Part>, Error> {
    let name = session.database().to_owned();
    let server = session.server().to_string();
    let options = database::options(session)?;
    let encoding = session.one("SHOW server_encoding")?.owned(0)?;
    let filter = serde_json::to_string(filter)?;
    let about = |subject: &Subject| {
        subject.part().with_attribute("server", &server).with_attribute("options", &options)
    };
    let properties = serde_json::to_string(&database::properties(session)?)?;
    let schemas: BTreeSet<&str> = catalog
        .definitions
        .iter()
        .map(|definition| definition.schema.as_str())
        .filter(|schema| !schema.is_empty())
        .collect();
    let schemas = serde_json::to_string(&schemas)?;
    let mut parts = Vec::new();
    for (kind, stages) in [(Kind::Schema, EARLY), (Kind::After, LATE)] {
        let mut signs = String::new();
        catalog.of_stages(stages).for_each(|found| signs.push_str(&sign(&found.address)));
        let mut part = about(&Subject::new(kind, &name))
            .with_attribute("objects", signs)
            .with_attribute("schemas", &schemas)
            .with_attribute("filter", &filter);
        if kind == Kind::Schema {
            part = part.with_attribute("properties", &properties);
        }
        parts.push(part);
    }
    let mut keys: BTreeMap<&(String, String), Vec<&Definition>> = BTreeMap::new();
    for definition in catalog.definitions.iter().filter(|found| found.kind == "foreign-key") {
        if let Some(table) = &definition.table {
            keys.entry(table).or_default().push(definition);
        }
    }
    for table in tables {
        let subject = Subject::of_table(&name, &table.schema, &table.name);
        let mut part = about(&subject).with_attribute("encoding", &encoding);
        part.bytes_estimate = Some(table.bytes);
        part.items_estimate = Some(table.items);
        if !table.has_rows() {
            part = part.with_attribute("rows", "none");
        }
        if !table.parents.is_empty() {
            part = part.with_attribute("parents", serde_json::to_string(&table.parents)?);
        }
        if table.is_of_extension {
            part = part.with_attribute("extension", "true");
        }
        if let Some(condition) = &table.condition {
            part = part.with_attribute("condition", condition);
        }
        if let Some(keys) = keys.get(&(table.schema.clone(), table.name.clone())) {
            part = part.with_attribute("foreign-keys", serde_json::to_string(keys)?);
        }
        parts.push(part);
    }
    if let Some(objects) = objects {
        parts.push(objects.describe(about(&Subject::new(Kind::LargeObjects, &name))));
    }
    Ok(parts)
}

fn catalog_findings(database: &str, catalog: &Catalog) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (what, names) in &catalog.unsaved {
        let text = format!("{what} of database {database} are not saved: {names}");
        findings.push(Finding::new(Severity::Warning, "not-saved", text));
    }
    let lists = [
        (
            &catalog.left_out,
            "left-out",
            "need a table that include or exclude leaves out, and are left out too",
        ),
        (
            &catalog.circles,
            "circle",
            "need each other in a circle, and may have to be restored by hand",
        ),
    ];
    for (names, code, what) in lists {
        if !names.is_empty() {
            let named = names.get(..NAMED_MAX).unwrap_or(names).join(", ");
            let text = format!("objects of database {database} ({}) {what}: {named}", names.len());
            findings.push(Finding::new(Severity::Warning, code, text));
        }
    }
    findings
}

/// Where in the write-ahead log the snapshot was taken, about.
fn position<S: Stream>(session: &mut Session<S>) -> Result<String, Error> {
    let row = session.one(
        "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END",
    )?;
    Ok(row.shown(0))
}

/// The parts that were asked for.
fn chosen(parts: Vec<Part>, asked: &[String]) -> Result<Vec<Part>, Error> {
    if let Some(unknown) = asked.iter().find(|id| parts.iter().all(|part| part.id != **id)) {
        return Err(Told::config(format!("there is no part {unknown:?} on the server")).into());
    }
    let is_chosen = |part: &Part| asked.is_empty() || asked.contains(&part.id);
    Ok(parts.into_iter().filter(is_chosen).collect())
}
