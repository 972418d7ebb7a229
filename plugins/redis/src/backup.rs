//! begin, join, release, export, end.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_plugin::host::Host;
use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Error, Finding, Outcome, Part, Result, Severity, Summary,
};
use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::cluster::Topology;
use crate::config::{Config, Method, PREFIXES};
use crate::database::{Origin, Others, pass_over, take_all};
use crate::keys::KeyWriter;
use crate::part::{METHOD, SERVER, Subject};
use crate::scan::Walk;
use crate::server::Server;
use crate::sync::{self, Reading, Taken};
use crate::{functions, users};

/// Newest version of Redis' format of snapshots that this plugin reads, and the one of Valkey.
const FORMATS_MAX: (u16, u16) = (12, 80);

/// A coordinator or a worker of a backup.
#[derive(Debug)]
pub struct Saving<H: Host> {
    host: H,
    config: Config,
    mark: Mark,
    /// Of the coordinator.
    client: Option<Client<H::Stream>>,
    /// Snapshots that nobody has begun to read, one for each master.
    taken: Vec<Taken<H::Stream>>,
    /// The same when they are being read.
    readings: Vec<Reading<H::Stream>>,
    findings: Vec<Finding>,
}

/// What the workers must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    topology: Topology,
    /// Whether keys are read from a snapshot.
    is_replicated: bool,
    /// Whether anything is read from it.
    is_needed: bool,
    /// The databases that are exported.
    databases: BTreeSet<u64>,
    /// All that were there, unless the others are none of our business.
    known: Option<BTreeSet<u64>>,
}

impl<H: Host + Default> Backup for Saving<H> {
    type Config = Config;

    fn begin(config: Config, request: BackupRequest) -> Result<(Self, BackupPlan)> {
        Self::begin_with(H::default(), config, &request)
    }

    fn join(config: Config, mark: Vec<u8>) -> Result<Self> {
        Self::join_with(H::default(), config, &mark)
    }

    fn release(&mut self) -> Result<()> {
        let Some(client) = &mut self.client else { return Ok(()) };
        if self.mark.topology.is_cluster && Topology::read::<H>(client)? != self.mark.topology {
            return Err(Error::conflict(
                "the cluster moved slots or changed a master while the backup began: run it again when it is stable",
            ));
        }
        Ok(())
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        match Subject::of(&part.id)? {
            Subject::Database(number) => self.export_database(&part.id, number),
            Subject::Functions => self.export_functions(),
            Subject::Users => self.export_users(),
        }
    }

    fn end(self, _outcome: Outcome) -> Result<Vec<Finding>> {
        // Nothing was changed, and closed connections leave nothing.
        Ok(self.findings)
    }
}

impl<H: Host> Saving<H> {
    /// [`Backup::begin`] over a given host.
    ///
    /// # Errors
    /// When the server cannot be worked with.
    pub fn begin_with(
        host: H,
        config: Config,
        request: &BackupRequest,
    ) -> Result<(Self, BackupPlan)> {
        config.validate()?;
        let mut client = Client::open(&host, &None)?;
        let server = client.server()?;
        server.admit(config.allow_untested_version)?;
        let topology = Topology::read::<H>(&mut client)?;
        let mut findings = Vec::new();
        let is_replicated = choose_method(&mut client, &config, &mut findings)?;
        if topology.is_cluster && topology.masters.len() > 1 {
            let text = "each master of the cluster was saved at one moment, but not all of them at the same: a cluster has no moment of its own";
            findings.push(Finding::new(Severity::Notice, "cluster", text));
        }
        let sizes = sizes(&host, &topology, &config)?;
        let mut parts = Vec::new();
        for (number, keys) in &sizes {
            let subject = Subject::Database(*number);
            let mut part = Part::new(subject.id(), subject.kind())
                .with_attribute(SERVER, server.to_string())
                .with_attribute(METHOD, if is_replicated { "replication" } else { "scan" })
                .with_attribute(PREFIXES, serde_json::to_string(&config.prefixes)?);
            part.items_estimate = Some(*keys);
            parts.push(part);
        }
        if config.functions && server.has_functions() {
            parts.push(plain_part(Subject::Functions, &server));
        }
        if config.users && server.has_users() {
            let users = users::read::<H>(&mut client).map_err(|error| {
                error.context("reading the users; allow ACL LIST, or set users = false")
            })?;
            let part = plain_part(Subject::Users, &server);
            parts.push(part.with_attribute(users::DIGESTS, users::digests(&users)?));
        }
        let parts = chosen(parts, &request.parts)?;
        let subjects: Vec<Subject> =
            parts.iter().map(|part| Subject::of(&part.id)).collect::<Result<_>>()?;
        let databases: BTreeSet<u64> = subjects
            .iter()
            .filter_map(|subject| match subject {
                Subject::Database(number) => Some(*number),
                Subject::Functions | Subject::Users => None,
            })
            .collect();
        let is_needed = is_replicated && subjects.iter().any(|subject| *subject != Subject::Users);
        let is_all = config.databases.is_empty() && request.parts.is_empty();
        let known = is_all.then(|| sizes.into_keys().collect());
        let mark = Mark { topology, is_replicated, is_needed, databases, known };
        let plan = BackupPlan::new(parts)
            .with_attribute("server", server.to_string())
            .with_attribute("masters", mark.topology.masters.len().to_string())
            .with_mark(serde_json::to_vec(&mark)?);
        let plan = if is_replicated {
            // The databases come in one stream, which one worker reads.
            plan.with_workers_max(1).with_attribute("consistency", "one snapshot of each master")
        } else {
            let consistency = "each key as it was when it was read";
            plan.with_moment_of_export().with_attribute("consistency", consistency)
        };
        let saving = Self {
            host,
            config,
            mark,
            client: Some(client),
            taken: Vec::new(),
            readings: Vec::new(),
            findings,
        };
        Ok((saving, plan))
    }

    /// [`Backup::join`] over a given host: takes the snapshot, or one of each master.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn join_with(host: H, config: Config, mark: &[u8]) -> Result<Self> {
        config.validate()?;
        let mark: Mark = serde_json::from_slice(mark)?;
        let mut taken = Vec::new();
        if mark.is_needed {
            // All are asked before one is waited for, so that their moments are close.
            let ask = |master: &crate::cluster::Master| {
                sync::ask(&host, &master.address, config.transfer)
            };
            let asked: Vec<_> = mark.topology.masters.iter().map(ask).collect::<Result<_>>()?;
            taken = asked.into_iter().map(sync::Asked::wait).collect::<Result<_>>()?;
            for one in &taken {
                log::info!("the snapshot is at {}:{}", one.history, one.offset);
            }
        }
        Ok(Self {
            host,
            config,
            mark,
            client: None,
            taken,
            readings: Vec::new(),
            findings: Vec::new(),
        })
    }

    /// Begins to read the snapshots, unless that was done.
    fn open_readings(&mut self) -> Result<()> {
        for taken in std::mem::take(&mut self.taken) {
            let mut reading = taken.read()?;
            let snapshot = reading.snapshot();
            let (redis, valkey) = FORMATS_MAX;
            let is_known = if snapshot.is_valkey() {
                snapshot.version() <= valkey
            } else {
                snapshot.version() <= redis
            };
            if !is_known && !self.config.allow_untested_version {
                return Err(Error::unsupported(format!(
                    "the server's snapshot has version {}, which is not known; set allow-untested-version = true to try it",
                    snapshot.version()
                )));
            }
            self.readings.push(reading);
        }
        Ok(())
    }

    fn export_database(&mut self, part: &str, number: u64) -> Result<Summary> {
        let scope = self.config.scope();
        let held = self.config.sort_bytes() / self.mark.topology.masters.len().max(1);
        let is_last = self.mark.databases.last() == Some(&number);
        let others = Others { known: self.mark.known.clone() };
        self.open_readings()?;
        let Self { host, mark, readings, .. } = self;
        let slots = mark
            .topology
            .masters
            .iter()
            .map(|master| master.slots.first().map_or(0, |range| range.0));
        let mut origins = Vec::new();
        if mark.is_replicated {
            for (reading, slot) in readings.iter_mut().zip(slots) {
                pass_over(host, reading, Some(number), &others)?;
                let snapshot = reading.snapshot();
                let now = snapshot.fact("ctime").and_then(|time| time.parse().ok()).unwrap_or(0);
                let writer = KeyWriter::new(host.clone(), slot, snapshot.version(), now, held);
                origins.push((Origin::Snapshot(reading), writer));
            }
        } else {
            for (client, slot) in mark.topology.connect(host)?.into_iter().zip(slots) {
                let walk = Walk::begin(client, number, &scope)?;
                origins
                    .push((Origin::Server(walk), KeyWriter::new(host.clone(), slot, 0, 0, held)));
            }
        }
        let (tally, is_doubtful) = take_all(host, part, number, &scope, origins)?;
        if is_last {
            for reading in readings.iter_mut() {
                pass_over(host, reading, None, &others)?;
                reading.check_end()?;
            }
        }
        let mut summary = Summary::of_items(tally.keys)
            .with_attribute("expiring", tally.expiring.to_string())
            .with_attribute("unreadable", tally.of_modules.to_string());
        if !is_doubtful {
            summary = summary.with_fingerprint(tally.fingerprint());
        }
        Ok(summary)
    }

    fn export_functions(&mut self) -> Result<Summary> {
        self.open_readings()?;
        let libraries = match self.readings.first_mut() {
            Some(reading) => functions::named(reading.snapshot().libraries())?,
            None => functions::read::<H>(&mut Client::open(&self.host, &None)?)?,
        };
        functions::export(&self.host, &libraries)?;
        Ok(Summary::of_items(libraries.len() as u64)
            .with_fingerprint(functions::fingerprint(&libraries)))
    }

    fn export_users(&mut self) -> Result<Summary> {
        let users = users::read::<H>(&mut Client::open(&self.host, &None)?)?;
        users::export(&self.host, &users)?;
        Ok(Summary::of_items(users.len() as u64).with_fingerprint(users::fingerprint(&users)))
    }
}

fn plain_part(subject: Subject, server: &Server) -> Part {
    Part::new(subject.id(), subject.kind()).with_attribute(SERVER, server.to_string())
}

/// Whether keys are read from a snapshot.
fn choose_method<S: std::io::BufRead + std::io::Write>(
    client: &mut Client<S>,
    config: &Config,
    findings: &mut Vec<Finding>,
) -> Result<bool> {
    match config.method {
        Method::Replication => Ok(true),
        Method::Scan => Ok(false),
        Method::Auto => {
            let is_allowed = sync::is_allowed(client)?;
            if !is_allowed {
                let text = "the server does not let this account replicate: keys were saved one by one, not at one moment; allow PSYNC and REPLCONF, or set method = \"scan\"";
                findings.push(Finding::new(Severity::Warning, "no-snapshot", text));
            }
            Ok(is_allowed)
        }
    }
}

/// Keys of each database that is to be saved. The first is always there.
fn sizes<H: Host>(host: &H, topology: &Topology, config: &Config) -> Result<BTreeMap<u64, u64>> {
    let wanted = config.databases.iter().map(|number| u64::from(*number));
    let mut sizes: BTreeMap<u64, u64> = wanted.map(|number| (number, 0)).collect();
    if sizes.is_empty() {
        sizes.insert(0, 0);
    }
    for mut client in topology.connect(host)? {
        for (number, keys) in client.server()?.databases() {
            if config.databases.is_empty() || sizes.contains_key(&number) {
                *sizes.entry(number).or_default() += keys;
            }
        }
    }
    Ok(sizes)
}

/// The parts that were asked for.
fn chosen(parts: Vec<Part>, asked: &[String]) -> Result<Vec<Part>> {
    if let Some(unknown) = asked.iter().find(|id| parts.iter().all(|part| part.id != **id)) {
        return Err(Error::config(format!("there is no part {unknown:?} on the server")));
    }
    Ok(parts.into_iter().filter(|part| asked.is_empty() || asked.contains(&part.id)).collect())
}
