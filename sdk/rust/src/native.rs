//! The operating system in place of the host, for the tests of a plugin whose code is generic over [`Host`]: TCP without TLS, an
//! archive in memory, and a password that the test knows. What servers say can be recorded and played back with damage.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::host::{Account, Host, Output, Stream};
use crate::net::Encryption;
use crate::{
    Backup, BackupPlan, Context, Entry, Error, Finding, Part, Restore, RestoreRequest, Result,
    Summary,
};

/// Bytes that are read from a server at a time: as from the host.
const READ_BYTES: usize = 256 << 10;

/// Entries of one part by path.
pub type Entries = BTreeMap<String, Vec<u8>>;
/// What servers said on each connection, in the order in which these were made.
pub type Tapes = Vec<Vec<u8>>;

/// The operating system and one account. Clones share entries, tapes and the wish to stop.
#[derive(Clone, Debug)]
pub struct Native<A = NoAccount> {
    /// Where every endpoint leads: `HOST:PORT`.
    pub address: String,
    /// What every credential is.
    pub account: Option<A>,
    /// Of the part that is exported or imported.
    pub entries: Arc<Mutex<Entries>>,
    /// Whether the run was stopped.
    pub is_cancelled: Arc<AtomicBool>,
    /// Whether what servers say is kept, or comes from a tape.
    pub taping: Taping,
}

/// What happens to what servers say.
#[derive(Clone, Debug, Default)]
pub enum Taping {
    /// Nothing.
    #[default]
    Off,
    /// It is added to tapes.
    Record(Arc<Mutex<Tapes>>),
    /// There are no servers: each connection is the next of these tapes.
    Play(Arc<Mutex<VecDeque<Vec<u8>>>>),
}

impl Taping {
    /// Plays `tapes`.
    #[must_use]
    pub fn play(tapes: Tapes) -> Self {
        Self::Play(Arc::new(Mutex::new(tapes.into())))
    }
}

impl<A> Native<A> {
    /// Without an account; every endpoint is `address`.
    pub fn at(address: impl Into<String>) -> Self {
        Self { address: address.into(), ..Self::default() }
    }

    /// The same with nothing archived.
    #[must_use]
    pub fn fresh(&self) -> Self
    where
        A: Clone,
    {
        Self { entries: Arc::default(), ..self.clone() }
    }

    /// What has been archived, which is then gone.
    #[must_use]
    pub fn take_entries(&self) -> Entries {
        std::mem::take(&mut lock(&self.entries))
    }

    fn dial(&self, address: &str) -> Result<Connection> {
        let tapes = match &self.taping {
            Taping::Play(tapes) => {
                let tape = lock(tapes).pop_front().ok_or_else(|| Error::unreachable("no tape"))?;
                return Ok(Connection::Played(Cursor::new(tape)));
            }
            Taping::Record(tapes) => Some(tapes),
            Taping::Off => None,
        };
        let stream =
            TcpStream::connect(address).map_err(|error| Error::unreachable(error.to_string()))?;
        stream.set_nodelay(true)?;
        let tape = tapes.map(|tapes| {
            lock(tapes).push(Vec::new());
            (Arc::clone(tapes), lock(tapes).len() - 1)
        });
        Ok(Connection::Server { stream: BufReader::with_capacity(READ_BYTES, stream), tape })
    }
}

impl<A> Default for Native<A> {
    fn default() -> Self {
        Self {
            address: String::new(),
            account: None,
            entries: Arc::default(),
            is_cancelled: Arc::default(),
            taping: Taping::Off,
        }
    }
}

impl<A: Secret> Host for Native<A> {
    type Stream = Connection;
    type Account = A;

    fn encryption(&self, _endpoint: &str) -> Result<Encryption> {
        Ok(Encryption::Off)
    }

    fn connect(&self, _endpoint: &str) -> Result<Connection> {
        self.dial(&self.address)
    }

    fn connect_member(&self, _endpoint: &str, address: &str, port: u16) -> Result<Connection> {
        self.dial(&format!("{address}:{port}"))
    }

    fn account(&self, _credential: &str) -> Result<A> {
        self.account.clone().ok_or_else(|| Error::denied("there is no account"))
    }

    fn reveal(&self, account: &A) -> Result<Vec<u8>> {
        Ok(account.secret())
    }

    fn create(&self, entry: &Entry) -> Result<Box<dyn Output>> {
        let path = String::from_utf8(entry.path.clone())?;
        Ok(Box::new(Writing { path, bytes: Vec::new(), entries: Arc::clone(&self.entries) }))
    }

    fn entries(&self, folder: &str) -> Result<Vec<String>> {
        let is_inside = |path: &&String| {
            folder.is_empty() || crate::path::is_inside(path.as_bytes(), folder.as_bytes())
        };
        Ok(lock(&self.entries).keys().filter(is_inside).cloned().collect())
    }

    fn open(&self, path: &str) -> Result<Box<dyn BufRead>> {
        let bytes = lock(&self.entries).get(path).cloned();
        let bytes = bytes.ok_or_else(|| Error::other(format!("no entry {path}")))?;
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn go_on(&self) -> Result<()> {
        if self.is_cancelled.load(Ordering::Relaxed) { Err(Error::cancelled()) } else { Ok(()) }
    }

    fn progress(&self, _part: &str, _bytes: u64, _items: u64) {}
}

/// An account whose secret the test knows.
pub trait Secret: Account + Clone + std::fmt::Debug + 'static {
    /// The secret.
    fn secret(&self) -> Vec<u8>;
}

/// For servers that want none.
#[derive(Clone, Copy, Debug)]
pub enum NoAccount {}

impl Account for NoAccount {
    fn principal(&self) -> String {
        match *self {}
    }

    fn respond(&self, _: &str, _: &[u8], _: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
        match *self {}
    }
}

impl Secret for NoAccount {
    fn secret(&self) -> Vec<u8> {
        match *self {}
    }
}

/// A connection, to a server or to a tape.
#[derive(Debug)]
pub enum Connection {
    /// To a server.
    Server {
        /// To it.
        stream: BufReader<TcpStream>,
        /// Where what it says is kept, and the number of the tape.
        tape: Option<(Arc<Mutex<Tapes>>, usize)>,
    },
    /// To a tape.
    Played(Cursor<Vec<u8>>),
}

impl BufRead for Connection {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Server { stream, .. } => stream.fill_buf(),
            Self::Played(tape) => tape.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        match self {
            Self::Server { stream, tape } => {
                if let Some((tapes, index)) = tape
                    && let Some(tape) = lock(tapes).get_mut(*index)
                {
                    tape.extend(stream.buffer().iter().take(count));
                }
                stream.consume(count);
            }
            Self::Played(tape) => tape.consume(count),
        }
    }
}

impl Read for Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Server { stream, .. } => stream.get_mut().write(bytes),
            Self::Played(_) => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Connection {
    fn start_tls(&mut self) -> Result<()> {
        Err(Error::unsupported("there is no TLS without a host"))
    }

    fn is_encrypted(&self) -> bool {
        false
    }
}

/// An entry that is being written.
struct Writing {
    path: String,
    bytes: Vec<u8>,
    entries: Arc<Mutex<Entries>>,
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for Writing {
    fn finish(self: Box<Self>) -> Result<()> {
        lock(&self.entries).insert(self.path, self.bytes);
        Ok(())
    }
}

/// A backup in memory.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    /// As the coordinator made it.
    pub plan: BackupPlan,
    /// What each part is, turned out to be, and holds, by its id.
    pub parts: BTreeMap<String, (Part, Summary, Entries)>,
    /// What the plugin told in the end.
    pub findings: Vec<Finding>,
}

impl Archive {
    /// Exports the parts of `plan`, in turn with each of `workers`, which stand beside the host that they were made with.
    ///
    /// # Errors
    /// The plugin's, with the part's id in front.
    pub fn export<A, B: Backup>(
        plan: BackupPlan,
        mut workers: Vec<(Native<A>, B)>,
    ) -> Result<Self> {
        let mut parts = BTreeMap::new();
        for part in &plan.parts {
            let next = parts.len() % workers.len().max(1);
            let (host, worker) = workers.get_mut(next).ok_or_else(|| Error::other("no worker"))?;
            let summary = worker.export(part.clone()).with_context(|| part.id.clone())?;
            parts.insert(part.id.clone(), (part.clone(), summary, host.take_entries()));
        }
        Ok(Self { plan, parts, findings: Vec::new() })
    }

    /// A request for the parts whose id is accepted.
    #[must_use]
    pub fn request(&self, accept: impl Fn(&str) -> bool) -> RestoreRequest {
        let chosen = self.parts.iter().filter(|(id, _)| accept(id));
        let parts = chosen.map(|(_, (part, ..))| part.clone()).collect();
        RestoreRequest { parts, ..RestoreRequest::default() }
    }

    /// Imports `stages` with a worker that was made with `host`, and compares the fingerprints of all their parts with those of the
    /// backup.
    ///
    /// # Errors
    /// The plugin's, with the part's id in front, or that a fingerprint differs.
    pub fn import<A, R: Restore>(
        &self,
        stages: &[Vec<Part>],
        host: &Native<A>,
        worker: &mut R,
    ) -> Result<()> {
        let archived = |id: &str| self.parts.get(id).ok_or_else(|| Error::other("an unknown part"));
        for part in stages.iter().flatten() {
            lock(&host.entries).clone_from(&archived(&part.id)?.2);
            worker.import(part.clone()).with_context(|| part.id.clone())?;
        }
        for part in stages.iter().flatten() {
            let summary = &archived(&part.id)?.1;
            let live = worker.fingerprint(part.clone())?;
            if Some(&live) != summary.fingerprint.as_ref() {
                return Err(Error::corrupt(format!("{}: {live} and not {summary:?}", part.id)));
            }
        }
        Ok(())
    }
}

/// Holds the JSON Schema of a configuration against the type that it is read into: both have the same keys, and the schema's defaults
/// are those of the type, which refuses keys that it does not know.
///
/// # Errors
/// With what differs.
pub fn check_schema<C: DeserializeOwned + Default + PartialEq>(schema: &str) -> Result<()> {
    let schema: Value = serde_json::from_str(schema)?;
    let properties = schema.get("properties").and_then(Value::as_object);
    let properties = properties.ok_or_else(|| Error::corrupt("there are no properties"))?;
    let default = |property: &Value| property.get("default").cloned().unwrap_or_default();
    let defaults = properties.iter().map(|(key, property)| (key.clone(), default(property)));
    if serde_json::from_value::<C>(Value::Object(defaults.collect()))? != C::default() {
        return Err(Error::corrupt("the defaults are not those of the type"));
    }
    // When serde refuses a key, it lists those that it knows, each between backticks.
    let refused = serde_json::from_value::<C>(json!({ "": null })).err();
    let text = refused.map(|refused| refused.to_string()).unwrap_or_default();
    let known: BTreeSet<&str> = text.split('`').skip(3).step_by(2).collect();
    if known != properties.keys().map(String::as_str).collect() {
        return Err(Error::corrupt(format!("the keys are not those of the type: {text}")));
    }
    Ok(())
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
