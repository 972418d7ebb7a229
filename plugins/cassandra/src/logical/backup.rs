//! begin, join, export.

use lockgate_plugin::host::{Host, Stream};
use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Entry, Error as Told, Part, Result, Summary,
};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::cql::Session;
use crate::error::Error;
use crate::logical::load::ROWS;
use crate::logical::names::{Kind, Subject};
use crate::logical::restore::schema_fingerprint;
use crate::logical::roles;
use crate::logical::scan::{self, Scan};
use crate::restore::WAY;
use crate::schema::definition::{self, Definition};
use crate::schema::names::mentions;
use crate::schema::{self, Keyspace};

/// The entries with definitions.
pub const DEFINITIONS: &str = "definitions.jsonl";
/// The entry with roles.
pub const ROLES: &str = "roles.jsonl";
/// Attribute of a part: the second at which all rows of the backup are looked at.
pub const MOMENT: &str = "as-of";
/// Attributes of a part: how its keyspace is made.
pub const REPLICATION: &str = "replication";
/// See [`REPLICATION`].
pub const DURABLE: &str = "durable-writes";
/// Attribute of a part: the server's version.
pub const SERVER: &str = "server";
/// Attribute of the part of the roles or of a schema: the names of what it holds.
pub const NAMES: &str = "names";
/// Attribute of the part of a table: its views.
pub const VIEWS: &str = "views";

/// A coordinator or a worker of a backup.
#[derive(Debug)]
pub struct Saving<H: Host> {
    host: H,
    config: Config,
    /// None after a failure left it in the middle of something.
    session: Option<Session<H::Stream>>,
    mark: Mark,
}

/// What all workers have in common.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Mark {
    /// Seconds since 1970, by the clock of the node.
    moment: i32,
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
        let mut session = match self.session.take() {
            Some(session) => session,
            None => Session::open(&self.host, &self.config)?,
        };
        let exported = self.export_subject(&mut session, &part, &subject);
        if exported.is_ok() {
            self.session = Some(session);
        }
        Ok(exported.map_err(|error| error.during(&subject.quoted()))?)
    }
}

impl<H: Host> Saving<H> {
    /// [`Backup::begin`] over a given host.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn begin_with(
        host: H,
        config: Config,
        request: &BackupRequest,
    ) -> Result<(Self, BackupPlan), Error> {
        config.validate()?;
        let mut session = Session::open(&host, &config)?;
        let mark = Mark { moment: session.now()? };
        let parts = chosen(plan(&mut session, &config, &mark)?, &request.parts)?;
        let plan = BackupPlan::new(parts)
            .with_moment_of_export()
            .with_mark(serde_json::to_vec(&mark)?)
            .with_attribute("server", session.server().to_string())
            .with_attribute("cluster", &session.server().cluster)
            .with_attribute(MOMENT, mark.moment.to_string())
            .with_attribute(
                "consistency",
                "each partition's page as its replicas had it when it was read",
            );
        Ok((Self { host, config, session: Some(session), mark }, plan))
    }

    /// [`Backup::join`] over a given host.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn join_with(host: H, config: Config, mark: &[u8]) -> Result<Self, Error> {
        config.validate()?;
        let mark = serde_json::from_slice(mark)?;
        let session = Some(Session::open(&host, &config)?);
        Ok(Self { host, config, session, mark })
    }

    fn export_subject(
        &self,
        session: &mut Session<H::Stream>,
        part: &Part,
        subject: &Subject,
    ) -> Result<Summary, Error> {
        match subject.kind {
            Kind::Table => self.export_table(session, part, subject),
            Kind::Schema => {
                let definitions = schema::describe_keyspace(session, &subject.keyspace)?;
                definition::write(&self.host, DEFINITIONS, &definitions)?;
                let names: Vec<(&str, &str)> =
                    definitions.iter().map(|one| (&*one.kind, &*one.name)).collect();
                let summary = Summary::of_items(definitions.len() as u64)
                    .with_attribute(NAMES, serde_json::to_string(&names)?);
                let keyspace = &subject.keyspace;
                let fingerprint = schema_fingerprint(definitions, keyspace, keyspace)?;
                Ok(summary.with_fingerprint(fingerprint))
            }
            Kind::Roles => {
                let roles = roles::read(session)?;
                definition::write(&self.host, ROLES, &roles)?;
                let fingerprint = roles::fingerprint(&roles, session.server())?;
                Ok(Summary::of_items(roles.len() as u64).with_fingerprint(fingerprint))
            }
        }
    }

    fn export_table(
        &self,
        session: &mut Session<H::Stream>,
        part: &Part,
        table: &Subject,
    ) -> Result<Summary, Error> {
        let shape = scan::shape(session, table)?;
        let mut definitions = schema::describe_table(session, &table.keyspace, &table.table)?;
        let types = schema::describe_keyspace(session, &table.keyspace)?;
        definitions.splice(0..0, needed(types, &definitions));
        definition::write(&self.host, DEFINITIONS, &definitions)?;
        let entry = Entry::new(ROWS).with_media_type("application/octet-stream");
        let mut output = self.host.create(&entry)?;
        output.write_all(&serde_json::to_vec(&shape)?)?;
        output.write_all(b"\n")?;
        let (consistency, now) = (self.config.consistency, self.mark.moment);
        let scan = Scan { part: &part.id, table, consistency, now };
        let read = scan.run(&self.host, session, &shape, |bytes| Ok(output.write_all(bytes)?))?;
        // A column that came or went since the beginning is in none of the rows, or in some.
        if scan::shape(session, table)? != shape {
            let text = "the table was altered while it was read: run the backup again";
            return Err(Told::conflict(text).into());
        }
        output.finish()?;
        Ok(Summary::of_items(read.records).with_fingerprint(read.fingerprint))
    }
}

/// The types that a table needs, and those that these need, in the order in which they are made.
fn needed(types: Vec<Definition>, table: &[Definition]) -> Vec<Definition> {
    let mut texts: Vec<String> = table.iter().map(|one| one.sql.clone()).collect();
    let mut needed = Vec::new();
    for one in types.into_iter().rev().filter(|one| one.kind == "type") {
        let name = crate::schema::names::plain(&one.name);
        if texts.iter().any(|text| mentions(text, &name)) {
            texts.push(one.sql.clone());
            needed.push(one);
        }
    }
    needed.reverse();
    needed
}

fn plan<S: Stream>(
    session: &mut Session<S>,
    config: &Config,
    mark: &Mark,
) -> Result<Vec<Part>, Error> {
    let filter = config.filter();
    let server = session.server().release.clone();
    let part = |subject: &Subject| {
        Part::new(subject.id(), subject.kind.name())
            .with_attribute(WAY, "logical")
            .with_attribute(SERVER, &server)
            .with_attribute(MOMENT, mark.moment.to_string())
    };
    let mut parts = Vec::new();
    for keyspace in schema::keyspaces(session)? {
        let Keyspace { name, replication, durable } = &keyspace;
        if !config.takes_keyspace(name) {
            continue;
        }
        let replication = serde_json::to_string(replication)?;
        let of = |subject: &Subject| {
            part(subject)
                .with_attribute("keyspace", name)
                .with_attribute(REPLICATION, &replication)
                .with_attribute(DURABLE, durable.to_string())
        };
        let (keyspace, table) = (name.clone(), String::new());
        parts.push(of(&Subject { kind: Kind::Schema, keyspace, table }));
        let views = views(session, name)?;
        for table in schema::tables(session, name)? {
            if filter.takes_in(name, &table) {
                let mine: Vec<&str> = views
                    .iter()
                    .filter(|(base, _)| *base == table)
                    .map(|(_, view)| view.as_str())
                    .collect();
                let mine = serde_json::to_string(&mine)?;
                let subject =
                    Subject { kind: Kind::Table, keyspace: name.clone(), table: table.clone() };
                parts.push(of(&subject).with_attribute("table", table).with_attribute(VIEWS, mine));
            }
        }
    }
    if config.roles && session.is_authenticated() {
        let subject = Subject { kind: Kind::Roles, keyspace: String::new(), table: String::new() };
        let names: Vec<String> = roles::read(session)?.into_iter().map(|role| role.name).collect();
        parts.push(part(&subject).with_attribute(NAMES, serde_json::to_string(&names)?));
    }
    Ok(parts)
}

/// The base table of each view.
fn views<S: Stream>(
    session: &mut Session<S>,
    keyspace: &str,
) -> Result<Vec<(String, String)>, Error> {
    let rows = session.rows(&format!(
        "SELECT base_table_name, view_name FROM system_schema.views WHERE keyspace_name = {}",
        schema::names::quote_text(keyspace)
    ))?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))).collect()
}

/// The parts that were asked for.
fn chosen(parts: Vec<Part>, asked: &[String]) -> Result<Vec<Part>, Error> {
    if let Some(unknown) = asked.iter().find(|id| parts.iter().all(|part| part.id != **id)) {
        return Err(Told::config(format!("there is no part {unknown:?} on the server")).into());
    }
    let is_chosen = |part: &Part| asked.is_empty() || asked.contains(&part.id);
    Ok(parts.into_iter().filter(is_chosen).collect())
}
