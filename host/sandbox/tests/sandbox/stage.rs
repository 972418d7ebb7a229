//! What a test needs around a session: a runtime, a folder with a cache, ears, and a sink and a source in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use lockgate_sandbox::{
    CodeCache, CompiledPlugin, EntryReader, EntrySink, EntrySource, EntryWriter, Error, Extraction,
    Level, Limits, Observer, Session, SessionOptions, WorkerCommand,
};
use lockgate_trust::Grants;
use lockgate_types::{Attributes, Entry, EntryPath, Failure, Part};

use crate::component::{Bodies, component};

pub struct Stage {
    pub runtime: tokio::runtime::Runtime,
    pub folder: tempfile::TempDir,
    pub heard: Arc<Heard>,
}

/// What plugins logged.
#[derive(Default)]
pub struct Heard(Mutex<Vec<String>>);

impl Heard {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Heard {
    fn log(&self, instance: &str, _level: Level, message: &str, _fields: &Attributes) {
        self.0.lock().unwrap().push(format!("{instance}: {message}"));
    }

    fn refused(&self, instance: &str, _is_denied: bool, attempt: &str) {
        self.0.lock().unwrap().push(format!("{instance}: refused: {attempt}"));
    }

    fn refused_more(&self, instance: &str, count: u64) {
        self.0.lock().unwrap().push(format!("{instance}: {count} more refused"));
    }

    fn secret_shown(&self, instance: &str, credential: &str) {
        self.0.lock().unwrap().push(format!("{instance}: shown {credential}"));
    }

    fn progress(&self, _part: &str, _bytes: u64, _items: u64) {}
}

pub fn worker() -> WorkerCommand {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_lockgate-worker-for-tests"));
    WorkerCommand { program, arguments: Vec::new(), isolation: Default::default() }
}

impl Stage {
    pub fn new() -> Self {
        Self {
            runtime: tokio::runtime::Runtime::new().unwrap(),
            folder: tempfile::tempdir().unwrap(),
            heard: Arc::default(),
        }
    }

    pub fn cache(&self) -> CodeCache {
        CodeCache::new(self.folder.path().join("code"))
    }

    pub fn plugin(&self, bodies: Bodies<'_>) -> CompiledPlugin {
        let admitted = lockgate_trust::admit(component(bodies)).unwrap();
        self.cache().load(&admitted, &worker()).unwrap()
    }

    pub fn try_session(
        &self,
        plugin: &CompiledPlugin,
        grants: &Grants,
        limits: Limits,
    ) -> Result<Session, Error> {
        Session::launch(&SessionOptions {
            plugin,
            name: "tested".to_owned(),
            grants,
            limits,
            config: "{}".to_owned(),
            observer: Arc::clone(&self.heard) as Arc<dyn Observer>,
            runtime: self.runtime.handle().clone(),
            worker: worker(),
        })
    }

    pub fn session(&self, bodies: Bodies<'_>, grants: &Grants, limits: Limits) -> Session {
        self.try_session(&self.plugin(bodies), grants, limits).unwrap()
    }
}

pub fn grants(text: &str) -> Grants {
    let grants: Grants = toml::from_str(text).unwrap();
    grants.check().unwrap();
    grants
}

pub fn part(id: &str) -> Part {
    Part {
        id: id.to_owned(),
        kind: "table".to_owned(),
        bytes_estimate: None,
        items_estimate: None,
        attributes: Attributes::new(),
    }
}

/// Keeps what was finished.
#[derive(Default)]
pub struct MemorySink {
    pub entries: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// Refuses bytes once an entry has this many.
    pub refuse_at: Option<usize>,
    /// Called when an entry is started.
    pub on_create: Option<Box<dyn Fn() + Send>>,
    /// Counts the bytes and keeps none.
    pub only_counts: bool,
}

struct MemoryWriter {
    path: String,
    content: Vec<u8>,
    length: u64,
    entries: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    refuse_at: Option<usize>,
    only_counts: bool,
}

impl EntrySink for MemorySink {
    fn create(&mut self, entry: Entry) -> Result<Box<dyn EntryWriter>, Failure> {
        if let Some(act) = &self.on_create {
            act();
        }
        Ok(Box::new(MemoryWriter {
            path: entry.path.to_string(),
            content: Vec::new(),
            length: 0,
            entries: Arc::clone(&self.entries),
            refuse_at: self.refuse_at,
            only_counts: self.only_counts,
        }))
    }

    fn has_parent(&self) -> bool {
        false
    }

    fn reuse(&mut self, entries: Vec<Entry>) -> Result<Vec<bool>, Failure> {
        Ok(vec![false; entries.len()])
    }
}

impl EntryWriter for MemoryWriter {
    fn write(&mut self, source: &mut dyn Read, length: u64) -> Result<(), Failure> {
        if self.refuse_at.is_some_and(|limit| self.content.len() >= limit) {
            return Err(Failure::Other("the repository is full".to_owned()));
        }
        if self.only_counts {
            self.content.resize(length as usize, 0);
            source
                .read_exact(&mut self.content)
                .map_err(|error| Failure::Other(error.to_string()))?;
        } else {
            Read::take(source, length)
                .read_to_end(&mut self.content)
                .map_err(|error| Failure::Other(error.to_string()))?;
        }
        self.length += length;
        Ok(())
    }

    fn write_file(&mut self, _: &File, _: u64, _: Option<u64>) -> Result<u64, Failure> {
        Err(Failure::Other("the tests' plugins send no files".to_owned()))
    }

    fn finish(self: Box<Self>) -> Result<u64, Failure> {
        self.entries.lock().unwrap().insert(self.path, self.content);
        Ok(self.length)
    }
}

/// Gives entries of zeros.
pub struct ZeroSource {
    pub length: u64,
}

struct ZeroReader {
    entry: Entry,
    left: u64,
}

impl EntrySource for ZeroSource {
    fn entries(
        &mut self,
        _: &EntryPath,
        _: Option<&EntryPath>,
        _: usize,
    ) -> Result<Vec<Entry>, Failure> {
        Ok(Vec::new())
    }

    fn open(&mut self, path: &EntryPath) -> Result<Box<dyn EntryReader>, Failure> {
        let entry = Entry {
            path: path.clone(),
            media_type: String::new(),
            size_hint: Some(self.length),
            metadata: None,
            attributes: Attributes::new(),
        };
        Ok(Box::new(ZeroReader { entry, left: self.length }))
    }

    fn extract(&mut self, _: Vec<Extraction>) -> Result<u64, Failure> {
        Ok(0)
    }
}

impl EntryReader for ZeroReader {
    fn entry(&self) -> &Entry {
        &self.entry
    }

    fn read(&mut self, max: usize) -> Result<Bytes, Failure> {
        let length = self.left.min(max as u64);
        self.left -= length;
        Ok(Bytes::from(vec![0; length as usize]))
    }

    fn seek(&mut self, _: u64) -> Result<(), Failure> {
        Ok(())
    }
}
