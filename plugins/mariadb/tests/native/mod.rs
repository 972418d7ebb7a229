//! A host without a sandbox: TCP of the operating system, an archive in memory, and a password.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::BTreeMap;
use std::io::{BufRead, Cursor, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use lockgate_plugin::net::Encryption;
use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Entry, Error as Told, Finding, Outcome, Part, Restore,
    RestoreRequest, Summary,
};
use lockgate_plugin_mariadb::backup::Saving;
use lockgate_plugin_mariadb::config::Config;
use lockgate_plugin_mariadb::error::Error;
use lockgate_plugin_mariadb::host::{Host, Output};
use lockgate_plugin_mariadb::restore::Restoring;
use lockgate_plugin_mariadb::wire::{Authenticator, Stream};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// Entries of one part by path.
pub type Entries = BTreeMap<String, Vec<u8>>;

/// The operating system and one account.
#[derive(Clone, Debug, Default)]
pub struct Native {
    pub address: String,
    pub user: String,
    pub password: String,
    /// Of the part that is exported or imported.
    pub entries: Arc<Mutex<Entries>>,
    pub is_cancelled: Arc<Mutex<bool>>,
}

#[derive(Debug)]
pub struct Plain(TcpStream);

impl Read for Plain {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(into)
    }
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl Stream for Plain {
    fn start_tls(&mut self) -> Result<(), Error> {
        Err(Told::unsupported("these tests do no TLS").into())
    }
    fn is_encrypted(&self) -> bool {
        false
    }
}

#[derive(Debug)]
pub struct Password(String, String);

impl Authenticator for Password {
    fn principal(&self) -> String {
        self.0.clone()
    }

    fn respond(&self, scheme: &str, challenge: &[u8], _encrypted: bool) -> Result<Vec<u8>, Error> {
        assert_eq!(scheme, "mysql_native_password");
        let hash = |bytes: &[u8]| digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes).as_ref().to_vec();
        let once = hash(self.1.as_bytes());
        let mask = hash(&[challenge, &hash(&once)].concat());
        Ok(once.iter().zip(mask).map(|(left, right)| left ^ right).collect())
    }
}

struct Memory {
    path: String,
    bytes: Vec<u8>,
    entries: Arc<Mutex<Entries>>,
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Output for Memory {
    fn finish(self: Box<Self>) -> lockgate_plugin::Result<()> {
        self.entries.lock().unwrap().insert(self.path.clone(), self.bytes.clone());
        Ok(())
    }
}

impl Host for Native {
    type Stream = Plain;
    type Account = Password;

    fn encryption(&self, _endpoint: &str) -> lockgate_plugin::Result<Encryption> {
        Ok(Encryption::Off)
    }

    fn connect(&self, _endpoint: &str) -> lockgate_plugin::Result<Plain> {
        let stream = TcpStream::connect(&self.address);
        let stream = stream.map_err(|error| Told::unreachable(error.to_string()))?;
        stream.set_nodelay(true)?;
        Ok(Plain(stream))
    }

    fn account(&self, _credential: &str) -> lockgate_plugin::Result<Password> {
        Ok(Password(self.user.clone(), self.password.clone()))
    }

    fn create(&self, entry: &Entry) -> lockgate_plugin::Result<Box<dyn Output>> {
        let path = String::from_utf8(entry.path.clone())?;
        Ok(Box::new(Memory { path, bytes: Vec::new(), entries: self.entries.clone() }))
    }

    fn entries(&self) -> lockgate_plugin::Result<Vec<String>> {
        Ok(self.entries.lock().unwrap().keys().cloned().collect())
    }

    fn open(&self, path: &str) -> lockgate_plugin::Result<Box<dyn BufRead>> {
        let entries = self.entries.lock().unwrap();
        let bytes = entries.get(path).ok_or_else(|| Told::other(format!("no entry {path}")))?;
        Ok(Box::new(Cursor::new(bytes.clone())))
    }

    fn go_on(&self) -> lockgate_plugin::Result<()> {
        if *self.is_cancelled.lock().unwrap() { Err(Told::cancelled()) } else { Ok(()) }
    }

    fn progress(&self, _part: &str, _bytes: u64, _items: u64) {}
}

/// A backup in memory.
pub struct Archive {
    pub plan: BackupPlan,
    pub parts: BTreeMap<String, (Part, Summary, Entries)>,
    pub findings: Vec<Finding>,
}

impl Native {
    /// The same account with nothing archived.
    pub fn fresh(&self) -> Self {
        Self { entries: Arc::default(), ..self.clone() }
    }

    /// Begins, joins two workers, releases, lets `between` do something, exports and ends.
    pub fn backup(&self, config: &Config, between: impl FnOnce() -> Result<()>) -> Result<Archive> {
        let request = BackupRequest::default();
        let (mut coordinator, plan) =
            Saving::begin_with(self.fresh(), config.clone(), &request).map_err(Told::from)?;
        let mut workers = Vec::new();
        for _ in 0..2 {
            let host = self.fresh();
            let worker = Saving::join_with(host.clone(), config.clone(), &plan.mark);
            workers.push((host, worker.map_err(Told::from)?));
        }
        coordinator.release()?;
        between()?;
        let mut parts = BTreeMap::new();
        for (index, part) in plan.parts.iter().enumerate() {
            let (host, worker) = workers.get_mut(index % 2).context("no worker")?;
            let summary = worker.export(part.clone()).with_context(|| part.id.clone())?;
            let entries = std::mem::take(&mut *host.entries.lock().unwrap());
            parts.insert(part.id.clone(), (part.clone(), summary, entries));
        }
        let findings = coordinator.end(Outcome::Completed)?;
        Ok(Archive { plan, parts, findings })
    }
}

impl Archive {
    /// A request for the parts whose id is accepted.
    pub fn request(&self, accept: impl Fn(&str) -> bool) -> RestoreRequest {
        let chosen = self.parts.iter().filter(|(id, _)| accept(id));
        RestoreRequest {
            parts: chosen.map(|(_, (part, ..))| part.clone()).collect(),
            ..RestoreRequest::default()
        }
    }

    /// Restores, and compares the fingerprints of all parts with those of the backup.
    pub fn restore(&self, to: &Native, config: &Config, request: &RestoreRequest) -> Result<()> {
        let (coordinator, stages) =
            Restoring::begin_with(to.fresh(), config.clone(), request).map_err(Told::from)?;
        let host = to.fresh();
        let mut worker =
            Restoring::open(host.clone(), config.clone(), request).map_err(Told::from)?;
        for part in stages.iter().flatten() {
            let (_, _, entries) = self.parts.get(&part.id).context("an unknown part")?;
            *host.entries.lock().unwrap() = entries.clone();
            worker.import(part.clone()).with_context(|| part.id.clone())?;
        }
        for part in stages.iter().flatten() {
            let (_, summary, _) = self.parts.get(&part.id).context("an unknown part")?;
            let live = worker.fingerprint(part.clone())?;
            ensure!(
                Some(&live) == summary.fingerprint.as_ref(),
                "{}: {live} and not {summary:?}",
                part.id
            );
        }
        coordinator.end(Outcome::Completed)?;
        Ok(())
    }
}
