//! begin, join, release, export, end.

use lockgate_plugin::host::{Host, Stream};
use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Error as Told, Finding, Outcome, Part, Result, Severity,
    Summary,
};
use serde::{Deserialize, Serialize};

use crate::catalog::{self, Database};
use crate::config::Config;
use crate::definition;
use crate::error::Error;
use crate::lock::{self, Held};
use crate::names::{Kind, Subject, qualified};
use crate::privileges::Privileges;
use crate::schema;
use crate::server::Product;
use crate::session::Session;
use crate::table;
use crate::users::{self, Account};

/// Most tables that one finding names.
const NAMED_TABLES_MAX: usize = 20;

/// A coordinator or a worker of a backup.
#[derive(Debug)]
pub struct Saving<H: Host> {
    host: H,
    config: Config,
    /// Sees the consistent point.
    session: Session<H::Stream>,
    /// Of the coordinator, until it is released.
    held: Option<Held<H::Stream>>,
    findings: Vec<Finding>,
}

/// Where in the binary log the consistent point is. Empty when the server keeps none or does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    file: String,
    position: String,
}

impl<H: Host + Default> Backup for Saving<H> {
    type Config = Config;

    fn begin(config: Config, request: BackupRequest) -> Result<(Self, BackupPlan)> {
        Ok(Self::begin_with(H::default(), config, &request)?)
    }

    fn join(config: Config, mark: Vec<u8>) -> Result<Self> {
        Ok(Self::join_with(H::default(), config, &mark)?)
    }

    fn release(&mut self) -> Result<()> {
        match self.held.take() {
            Some(held) => Ok(held.release()?),
            None => Ok(()),
        }
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        let subject = Subject::of(&part)?;
        let exported = self.export_subject(&part, &subject);
        Ok(exported.map_err(|error| error.during(&subject.quoted()))?)
    }

    fn end(self, _outcome: Outcome) -> Result<Vec<Finding>> {
        // Nothing was changed; closing the sessions gives up locks and transactions.
        self.session.close();
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
        let mut session = Session::open(&host, &config)?;
        let mut findings = Privileges::read(&mut session)?.findings();
        let before = catalog::read(&mut session, &config)?;
        let held = lock::take(&host, &config, &before)?;
        let mark = see(&mut session)?;
        let databases = catalog::read(&mut session, &config)?;
        findings.extend(not_transactional(&mut session, &databases)?);
        let mut plan = plan(&mut session, &config, &databases)?;
        plan.parts = chosen(plan.parts, &request.parts)?;
        let plan = plan.with_attribute("lock", held.how).with_mark(serde_json::to_vec(&mark)?);
        let saving = Self { host, config, session, held: Some(held), findings };
        Ok((saving, position(mark, plan)))
    }

    /// [`Backup::join`] over a given host.
    ///
    /// # Errors
    /// When this session does not see what the coordinator sees.
    pub fn join_with(host: H, config: Config, mark: &[u8]) -> Result<Self, Error> {
        config.validate()?;
        let expected: Mark = serde_json::from_slice(mark)?;
        let mut session = Session::open(&host, &config)?;
        let seen = see(&mut session)?;
        if seen != expected {
            return Err(Told::conflict(format!(
                "a worker sees {}:{} and not {}:{}, so that writers were not held off: was the lock lost?",
                seen.file, seen.position, expected.file, expected.position
            ))
            .into());
        }
        Ok(Self { host, config, session, held: None, findings: Vec::new() })
    }

    fn export_subject(&mut self, part: &Part, subject: &Subject) -> Result<Summary, Error> {
        let Self { host, config, session, .. } = self;
        let filter = config.filter();
        let takes = |name: &str| filter.takes_in(&subject.database, name);
        let definitions = match subject.kind {
            Kind::Table => {
                let (database, table) = (&subject.database, &subject.table);
                return table::export(host, session, &part.id, database, table);
            }
            Kind::Schema => schema::read_schema(session, &takes, &subject.database)?,
            Kind::Views => schema::read_views(session, &takes, &subject.database)?,
            Kind::Users => {
                let accounts = users::list(session)?;
                users::read_all(session, &accounts)?
            }
        };
        definition::write(host, "definitions.jsonl", &definitions)?;
        let fingerprint = crate::fingerprint::of_definitions(&definitions)?;
        Ok(Summary::of_items(definitions.len() as u64).with_fingerprint(fingerprint))
    }
}

/// Starts to look, and says where in the binary log that is.
fn see<S: Stream>(session: &mut Session<S>) -> Result<Mark, Error> {
    session.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")?;
    session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")?;
    if session.server().product == Product::MySql {
        return Ok(Mark::default());
    }
    // Of the transaction itself, and visible to everybody; see the page "Enhancements for START TRANSACTION WITH
    // CONSISTENT SNAPSHOT" of MariaDB's documentation.
    let mut mark = Mark::default();
    for row in session.rows("SHOW STATUS LIKE 'binlog_snapshot_%'")? {
        match row.required(0)?.to_ascii_lowercase().as_str() {
            "binlog_snapshot_file" => mark.file = row.required(1)?.to_owned(),
            "binlog_snapshot_position" => mark.position = row.required(1)?.to_owned(),
            _ => {}
        }
    }
    Ok(mark)
}

fn plan<S: Stream>(
    session: &mut Session<S>,
    config: &Config,
    databases: &[Database],
) -> Result<BackupPlan, Error> {
    let server = session.server().to_string();
    let filter = serde_json::to_string(&config.filter())?;
    let mut parts: Vec<Part> =
        databases.iter().flat_map(|database| database.parts(&server, &filter)).collect();
    if config.users {
        let names: Vec<String> = users::list(session)?.iter().map(Account::quoted).collect();
        let users = Subject { kind: Kind::Users, database: String::new(), table: String::new() };
        let part = Part::new(users.id(), Kind::Users.name())
            .with_attribute("server", &server)
            .with_attribute("accounts", serde_json::to_string(&names)?);
        parts.push(part);
    }
    let mut plan = BackupPlan::new(parts)
        .with_attribute("server", &server)
        .with_attribute("consistency", "one point in time for all transactional tables");
    let query = match session.server().product {
        Product::MariaDb => "SELECT @@GLOBAL.gtid_binlog_pos",
        Product::MySql => "SELECT @@GLOBAL.gtid_executed",
    };
    let gtid = session.one(query)?;
    if let Some(gtid) = gtid.text(0)?.filter(|gtid| !gtid.is_empty()) {
        plan = plan.with_attribute("gtid", gtid);
    }
    Ok(plan)
}

fn position(mark: Mark, plan: BackupPlan) -> BackupPlan {
    if mark.file.is_empty() {
        return plan;
    }
    plan.with_attribute("binlog-file", mark.file).with_attribute("binlog-position", mark.position)
}

/// The parts that were asked for.
fn chosen(parts: Vec<Part>, asked: &[String]) -> Result<Vec<Part>, Error> {
    if let Some(unknown) = asked.iter().find(|id| parts.iter().all(|part| part.id != **id)) {
        return Err(Told::config(format!("there is no part {unknown:?} on the server")).into());
    }
    let is_chosen = |part: &Part| asked.is_empty() || asked.contains(&part.id);
    Ok(parts.into_iter().filter(is_chosen).collect())
}

/// A warning that names the tables which the consistent point does not cover.
fn not_transactional<S: Stream>(
    session: &mut Session<S>,
    databases: &[Database],
) -> Result<Option<Finding>, Error> {
    let rows =
        session.rows("SELECT ENGINE FROM information_schema.ENGINES WHERE TRANSACTIONS = 'YES'")?;
    let transactional: Result<Vec<&str>, Error> = rows.iter().map(|row| row.required(0)).collect();
    let transactional = transactional?;
    let outside = databases.iter().flat_map(|database| {
        database
            .tables
            .iter()
            .filter(|table| !transactional.contains(&table.engine.as_str()))
            .map(|table| format!("{} ({})", qualified(&database.name, &table.name), table.engine))
    });
    let outside: Vec<String> = outside.collect();
    if outside.is_empty() {
        return Ok(None);
    }
    let named = outside.get(..NAMED_TABLES_MAX).unwrap_or(&outside).join(", ");
    let message = format!(
        "tables without versions of their rows ({}) were saved as they were when they were read: {named}",
        outside.len()
    );
    Ok(Some(Finding::new(Severity::Warning, "not-transactional", message)))
}
