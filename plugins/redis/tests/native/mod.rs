//! A host without a sandbox: TCP of the operating system and an archive in memory.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use lockgate_plugin::{
    Backup, BackupRequest, Entry, Error as Told, Part, Restore, RestoreRequest, Summary,
};
use lockgate_plugin_redis::backup::Saving;
use lockgate_plugin_redis::config::Config;
use lockgate_plugin_redis::host::{Host, Output};
use lockgate_plugin_redis::restore::Restoring;

/// Entries of one part by path.
pub type Entries = BTreeMap<String, Vec<u8>>;
/// What servers said on each connection, in the order in which these were made.
pub type Tapes = Vec<Vec<u8>>;

/// The operating system, and tapes of what servers say.
#[derive(Clone, Debug, Default)]
pub struct Native {
    pub port: u16,
    /// Of the part that is exported or imported.
    pub entries: Arc<Mutex<Entries>>,
    pub tapes: Arc<Mutex<Tapes>>,
    /// Play the tapes instead of recording: how many were played.
    pub playing: Option<Arc<Mutex<usize>>>,
}

#[derive(Debug)]
pub enum Stream {
    Recorded { stream: BufReader<TcpStream>, index: usize, tapes: Arc<Mutex<Tapes>> },
    Played(Cursor<Vec<u8>>),
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Stream {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        match self {
            Self::Recorded { stream, .. } => stream.fill_buf(),
            Self::Played(tape) => tape.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        match self {
            Self::Recorded { stream, index, tapes } => {
                let said = stream.buffer()[..count].to_vec();
                tapes.lock().unwrap()[*index].extend(said);
                stream.consume(count);
            }
            Self::Played(tape) => tape.consume(count),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Recorded { stream, .. } => stream.get_mut().write(bytes),
            Self::Played(_) => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
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
    type Stream = Stream;

    fn connect(&self) -> lockgate_plugin::Result<Stream> {
        self.connect_member("127.0.0.1", self.port)
    }

    fn connect_member(&self, address: &str, port: u16) -> lockgate_plugin::Result<Stream> {
        let mut tapes = self.tapes.lock().unwrap();
        if let Some(played) = &self.playing {
            let mut played = played.lock().unwrap();
            let tape = tapes.get(*played).cloned();
            *played += 1;
            return Ok(Stream::Played(Cursor::new(
                tape.ok_or_else(|| Told::unreachable("no tape"))?,
            )));
        }
        let stream = TcpStream::connect((address, port))
            .map_err(|error| Told::unreachable(error.to_string()))?;
        stream.set_nodelay(true)?;
        tapes.push(Vec::new());
        let stream = BufReader::new(stream);
        Ok(Stream::Recorded { stream, index: tapes.len() - 1, tapes: self.tapes.clone() })
    }

    fn account(&self) -> lockgate_plugin::Result<Option<(String, Vec<u8>)>> {
        Ok(None)
    }

    fn create(&self, entry: &Entry) -> lockgate_plugin::Result<Box<dyn Output>> {
        let path = String::from_utf8(entry.path.clone())?;
        Ok(Box::new(Memory { path, bytes: Vec::new(), entries: self.entries.clone() }))
    }

    fn entries(&self, folder: &str) -> lockgate_plugin::Result<Vec<String>> {
        let inside = format!("{folder}/");
        let entries = self.entries.lock().unwrap();
        Ok(entries.keys().filter(|path| path.starts_with(&inside)).cloned().collect())
    }

    fn open(&self, path: &str) -> lockgate_plugin::Result<Box<dyn BufRead>> {
        let entries = self.entries.lock().unwrap();
        let bytes = entries.get(path).ok_or_else(|| Told::other(format!("no entry {path}")))?;
        Ok(Box::new(Cursor::new(bytes.clone())))
    }

    fn go_on(&self) -> lockgate_plugin::Result<()> {
        Ok(())
    }

    fn progress(&self, _part: &str, _bytes: u64, _items: u64) {}
}

/// A backup in memory.
#[derive(Debug)]
pub struct Archive {
    pub parts: BTreeMap<String, (Part, Summary, Entries)>,
}

impl Native {
    pub fn at(port: u16) -> Self {
        Self { port, ..Self::default() }
    }

    /// Begins, joins one worker, lets `between` do something, exports and ends.
    pub fn backup(&self, config: &Config, between: impl FnOnce() -> Result<()>) -> Result<Archive> {
        let request = BackupRequest::default();
        let (mut coordinator, plan) = Saving::begin_with(self.clone(), config.clone(), &request)?;
        let mut worker = Saving::join_with(self.clone(), config.clone(), &plan.mark)?;
        Backup::release(&mut coordinator)?;
        between()?;
        let mut parts = BTreeMap::new();
        for part in &plan.parts {
            let summary = worker.export(part.clone()).with_context(|| part.id.clone())?;
            let entries = std::mem::take(&mut *self.entries.lock().unwrap());
            parts.insert(part.id.clone(), (part.clone(), summary, entries));
        }
        Ok(Archive { parts })
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
            Restoring::begin_with(to.clone(), config.clone(), request.clone())?;
        let mut worker = Restoring::open(to.clone(), config.clone(), request.clone())?;
        for part in stages.iter().flatten() {
            let (_, _, entries) = self.parts.get(&part.id).context("an unknown part")?;
            *to.entries.lock().unwrap() = entries.clone();
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
        coordinator.end(lockgate_plugin::Outcome::Completed)?;
        Ok(())
    }
}
