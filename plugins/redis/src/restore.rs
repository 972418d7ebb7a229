//! preview, begin, join, import, fingerprint, end.

use std::collections::BTreeMap;

use lockgate_plugin::host::Host;
use lockgate_plugin::{
    Error, Finding, Outcome, Part, Restore, RestoreRequest, Result, Severity, Step,
};

use crate::client::Client;
use crate::cluster::Topology;
use crate::config::{Config, PREFIXES, Scope};
use crate::part::{METHOD, SERVER, Subject, targets};
use crate::users::{DEFAULT, Users};
use crate::{functions, live, load, users};

/// A coordinator or a worker of a restore.
#[derive(Debug)]
pub struct Restoring<H: Host> {
    host: H,
    config: Config,
    request: RestoreRequest,
    topology: Topology,
    /// Fingerprints that were computed together and not asked for yet.
    fingerprints: BTreeMap<u64, String>,
    findings: Vec<Finding>,
}

impl<H: Host + Default> Restore for Restoring<H> {
    type Config = Config;

    fn preview(config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        Self::preview_with(H::default(), config, request)
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        Self::begin_with(H::default(), config, request)
    }

    fn join(config: Config, request: RestoreRequest) -> Result<Self> {
        Self::open(H::default(), config, request)
    }

    fn import(&mut self, part: Part) -> Result<()> {
        self.fingerprints.clear();
        match self.target(&part)? {
            Subject::Database(number) => self.import_database(&part, number),
            Subject::Functions => self.import_functions(),
            Subject::Users => self.import_users(),
        }
    }

    fn fingerprint(&mut self, part: Part) -> Result<String> {
        match self.target(&part)? {
            Subject::Database(number) => self.fingerprint_database(number),
            Subject::Functions => {
                Ok(functions::fingerprint(&functions::read::<H>(&mut self.client()?)?))
            }
            Subject::Users => {
                let mut client = self.client()?;
                let (live, kept) = (users::read::<H>(&mut client)?, users::own::<H>(&mut client)?);
                users::live_fingerprint(&part, &live, &kept)
            }
        }
    }

    fn end(self, _outcome: Outcome) -> Result<Vec<Finding>> {
        Ok(self.findings)
    }
}

impl<H: Host> Restoring<H> {
    /// [`Restore::join`] over a given host.
    ///
    /// # Errors
    /// When the server cannot be worked with.
    pub fn open(host: H, config: Config, request: RestoreRequest) -> Result<Self> {
        config.validate()?;
        let mut client = Client::open(&host, &None)?;
        let server = client.server()?;
        server.admit(config.allow_untested_version)?;
        for part in &request.parts {
            let archived = part.attribute(SERVER).unwrap_or_default();
            server.admit_archive(archived, config.allow_untested_version)?;
        }
        let topology = Topology::read::<H>(&mut client)?;
        Ok(Self {
            host,
            config,
            request,
            topology,
            fingerprints: BTreeMap::new(),
            findings: Vec::new(),
        })
    }

    /// [`Restore::preview`] over a given host.
    ///
    /// # Errors
    /// When the request or the server is not fit.
    pub fn preview_with(host: H, config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        Self::open(host, config, request)?.steps()
    }

    /// [`Restore::begin`] over a given host: makes room, and orders the parts.
    ///
    /// # Errors
    /// When something is in the way that may not be overwritten.
    pub fn begin_with(
        host: H,
        config: Config,
        request: RestoreRequest,
    ) -> Result<(Self, Vec<Vec<Part>>)> {
        let mut restoring = Self::open(host, config, request)?;
        let steps = restoring.steps()?;
        let in_the_way: Vec<&str> =
            steps.iter().filter(|step| step.overwrites).map(|step| step.target.as_str()).collect();
        if !in_the_way.is_empty() && !restoring.request.overwrite {
            let text = format!(
                "not empty: {}; overwrite (--overwrite), or rename databases",
                in_the_way.join(", ")
            );
            return Err(Error::conflict(text));
        }
        let targets = targets(&restoring.request.parts, &restoring.request.rename)?;
        for (part, (_, target)) in restoring.request.parts.iter().zip(&targets) {
            if let (Subject::Database(number), true) = (target, restoring.request.overwrite) {
                load::empty(&restoring.host, &restoring.topology, *number, &scope(part)?)?;
            }
        }
        restoring.note_users()?;
        let mut stages: BTreeMap<bool, Vec<Part>> = BTreeMap::new();
        for (part, (_, target)) in restoring.request.parts.iter().zip(&targets) {
            stages.entry(*target == Subject::Users).or_default().push(part.clone());
        }
        Ok((restoring, stages.into_values().collect()))
    }

    fn client(&self) -> Result<Client<H::Stream>> {
        Client::open(&self.host, &None)
    }

    fn target(&self, part: &Part) -> Result<Subject> {
        Subject::of(self.request.renamed(&part.id))
    }

    fn steps(&self) -> Result<Vec<Step>> {
        let targets = targets(&self.request.parts, &self.request.rename)?;
        let mut steps = Vec::new();
        for (part, (_, target)) in self.request.parts.iter().zip(targets) {
            let (what, is_there) = match target {
                Subject::Database(number) => {
                    (format!("database {number}"), self.is_filled(part, number)?)
                }
                Subject::Functions => ("libraries of functions".to_owned(), self.has_libraries()?),
                Subject::Users => ("users".to_owned(), self.has_users(part)?),
            };
            let action = match (target, is_there) {
                (Subject::Database(_), true) => "empty and fill",
                (Subject::Database(_), false) => "fill",
                (_, true) => "replace",
                (_, false) => "add",
            };
            let mut step = Step::new(&part.id, action, what);
            step.overwrites = is_there;
            step.bytes_estimate = part.bytes_estimate;
            steps.push((target == Subject::Users, step));
        }
        steps.sort_by_key(|(is_last, _)| *is_last);
        Ok(steps.into_iter().map(|(_, step)| step).collect())
    }

    fn is_filled(&self, part: &Part, number: u64) -> Result<bool> {
        if self.topology.is_cluster && number != 0 {
            return Err(Error::conflict(format!(
                "part {}: a cluster has only database 0; restore with --rename {}=db/0",
                part.id, part.id
            )));
        }
        Ok(load::count(&self.host, &self.topology, number, &scope(part)?)? > 0)
    }

    fn has_libraries(&self) -> Result<bool> {
        let mut client = self.client()?;
        if !client.server()?.has_functions() {
            return Err(Error::unsupported(
                "the target has no functions; they came with Redis 7: leave the part out",
            ));
        }
        Ok(!functions::read::<H>(&mut client)?.is_empty())
    }

    /// Whether a user of the archive is there and has other rules. The one that every new server has does not count, nor
    /// the one that restores, which is never changed.
    fn has_users(&self, part: &Part) -> Result<bool> {
        let mut client = self.client()?;
        if !client.server()?.has_users() {
            return Err(Error::unsupported(
                "the target has no users; they came with Redis 6: leave the part out",
            ));
        }
        let archived = users::digests_of(part)?;
        let (live, own) = (users::read::<H>(&mut client)?, users::own::<H>(&mut client)?);
        let is_same = |name: &str, rules: &str| {
            let alone = Users::from([(name.to_owned(), rules.to_owned())]);
            users::digests(&alone)
                .is_ok_and(|json| json.contains(archived.get(name).map_or("", String::as_str)))
        };
        Ok(live.iter().any(|(name, rules)| {
            archived.contains_key(name)
                && *name != own
                && !users::is_pristine(name, rules)
                && !is_same(name, rules)
        }))
    }

    fn note_users(&mut self) -> Result<()> {
        let parts = &self.request.parts;
        let Some(part) = parts.iter().find(|part| Subject::of(&part.id) == Ok(Subject::Users))
        else {
            return Ok(());
        };
        let own = users::own::<H>(&mut self.client()?)?;
        if users::digests_of(part)?.contains_key(&own) && own != DEFAULT {
            let text = format!("user {own}, which restored, was left as it is");
            self.findings.push(Finding::new(Severity::Notice, "user-kept", text));
        }
        Ok(())
    }

    fn import_database(&mut self, part: &Part, number: u64) -> Result<()> {
        // One that was archived key by key may have a key twice.
        let replace = self.request.overwrite || part.attribute(METHOD) == Some("scan");
        let loaded = load::load(&self.host, &self.topology, &part.id, number, replace);
        let loaded = loaded.map_err(|error| {
            error.context(format!(
                "database {number} is not complete (restore it again with --overwrite)"
            ))
        })?;
        self.host.progress(&part.id, loaded.bytes, loaded.keys);
        if loaded.expired > 0 {
            log::warn!(
                "{}: {} keys had expired since the backup and were left out",
                part.id,
                loaded.expired
            );
        }
        Ok(())
    }

    fn import_functions(&mut self) -> Result<()> {
        let libraries = functions::archived(&self.host)?;
        for mut client in self.topology.connect(&self.host)? {
            if self.request.overwrite {
                client.call(&[b"FUNCTION", b"FLUSH"])?;
            }
            functions::import::<H>(&mut client, &libraries, self.request.overwrite)?;
        }
        Ok(())
    }

    fn import_users(&mut self) -> Result<()> {
        let archived = users::archived(&self.host)?;
        for mut client in self.topology.connect(&self.host)? {
            let own = users::own::<H>(&mut client)?;
            users::import::<H>(&mut client, &archived, &own)?;
        }
        Ok(())
    }

    fn fingerprint_database(&mut self, number: u64) -> Result<String> {
        if let Some(found) = self.fingerprints.remove(&number) {
            return Ok(found);
        }
        let targets = targets(&self.request.parts, &self.request.rename)?;
        let mut databases = BTreeMap::new();
        for (part, (_, target)) in self.request.parts.iter().zip(targets) {
            if let Subject::Database(number) = target {
                databases.insert(number, scope(part)?);
            }
        }
        self.fingerprints =
            live::fingerprints(&self.host, &self.config, &self.topology, &databases)?;
        self.fingerprints
            .remove(&number)
            .ok_or_else(|| Error::other(format!("database {number} is not restored")))
    }
}

fn scope(part: &Part) -> Result<Scope> {
    Scope::of(part.attribute(PREFIXES))
}
