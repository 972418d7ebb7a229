//! The storage as the prune engine sees it: blocking, and through rules.
//!
//! The engine starts threads that it does not wait for when it fails. Therefore every operation passes a gate that is
//! closed before the lock is given back; closing it waits for the operations under way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use lockgate_types::Digest;
use tokio::runtime::Handle;

use super::rules::Rules;
use crate::check::{FetchedPack, Verifier, list_packs, read_header};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{IndexFile, unpack_json};
use crate::hash::Engine;
use crate::layout::{self, CONFIG, FileKind, pack_name};
use crate::lock::LockGuard;
use crate::open::Repository;

/// What the engine may do.
#[derive(Debug)]
pub(super) enum Access {
    /// Look.
    Reading,
    /// Write and delete, as long as this lock is held.
    Writing(LockGuard),
    /// Nothing any more.
    Closed,
}

/// An object of the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Object {
    Config,
    File(FileKind, Digest),
    Pack(Digest),
}

/// See the module.
pub(super) struct Bridge {
    repository: Repository,
    runtime: Handle,
    rules: Rules,
    gate: RwLock<Access>,
    is_stopped: AtomicBool,
    first_error: Mutex<Option<Error>>,
}

/// Stops the engine at its next operation when nobody waits for it any more.
pub(super) struct StopOnDrop(pub Arc<Bridge>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.is_stopped.store(true, Ordering::Relaxed);
    }
}

impl Object {
    fn name(self) -> String {
        match self {
            Self::Config => CONFIG.to_owned(),
            Self::File(kind, id) => kind.name(&id),
            Self::Pack(id) => pack_name(&id),
        }
    }
}

impl Bridge {
    pub(super) fn new(
        repository: Repository,
        rules: Rules,
        access: Access,
        runtime: Handle,
    ) -> Arc<Self> {
        let (gate, first_error) = (RwLock::new(access), Mutex::new(None));
        let is_stopped = AtomicBool::new(false);
        Arc::new(Self { repository, runtime, rules, gate, is_stopped, first_error })
    }

    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// From now on nothing passes. Waits for what is under way, and gives the lock back.
    pub(super) fn close(&self) -> Option<LockGuard> {
        let mut access = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *access, Access::Closed) {
            Access::Writing(lock) => Some(lock),
            Access::Reading | Access::Closed => None,
        }
    }

    /// The first thing that went wrong here.
    pub(super) fn first_error(&self) -> Option<Error> {
        self.first_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Names and sizes of the files of a kind.
    pub(super) fn list_files(&self, kind: FileKind) -> Result<Vec<(Digest, u64)>> {
        self.pass(false, || {
            let files = self.runtime.block_on(self.repository.list_files(kind))?;
            let expected = match kind {
                FileKind::Snapshot => Some(&self.rules.snapshots),
                FileKind::Index => Some(&self.rules.indexes),
                FileKind::Key | FileKind::Lock => None,
            };
            let listed: std::collections::HashSet<Digest> =
                files.iter().map(|file| file.id).collect();
            match expected.and_then(|expected| expected.difference(&listed).next()) {
                Some(lacking) => {
                    let text = format!("{} was there before and is not listed", kind.name(lacking));
                    Err(Error::new(ErrorKind::Storage, text))
                }
                None => Ok(files.into_iter().map(|file| (file.id, file.size)).collect()),
            }
        })
    }

    /// Names and sizes of all packs.
    pub(super) fn list_packs(&self) -> Result<Vec<(Digest, u64)>> {
        self.pass(false, || {
            let packs = self.runtime.block_on(list_packs(&self.repository, |_| ()))?;
            Ok(packs.into_iter().collect())
        })
    }

    pub(super) fn config_size(&self) -> Result<u64> {
        self.pass(false, || Ok(self.runtime.block_on(self.repository.storage().size(CONFIG))?))
    }

    pub(super) fn read(&self, object: Object) -> Result<Bytes> {
        let name = object.name();
        self.pass(false, || Ok(self.runtime.block_on(self.repository.storage().get(&name))?))
    }

    pub(super) fn read_range(&self, object: Object, start: u64, length: u64) -> Result<Bytes> {
        let name = object.name();
        let range = start..start.saturating_add(length);
        let storage = self.repository.storage();
        self.pass(false, || Ok(self.runtime.block_on(storage.get_range(&name, range))?))
    }

    /// Stores a pack or an index, once it is found to be right.
    pub(super) fn write(&self, object: Object, bytes: Bytes) -> Result<()> {
        let name = object.name();
        self.pass(true, || {
            match object {
                Object::Pack(id) => self.verify_pack(id, &bytes)?,
                Object::File(FileKind::Index, id) => self.verify_index(id, &bytes)?,
                _ => return Err(refused("write", &name)),
            }
            Ok(self.runtime.block_on(self.repository.storage().put(&name, vec![bytes]))?)
        })
    }

    /// Deletes an index that was there, or a pack that was marked long enough ago.
    pub(super) fn remove(&self, object: Object) -> Result<()> {
        let name = object.name();
        self.pass(true, || {
            let is_allowed = match object {
                Object::Pack(id) => self.rules.removable.contains(&id),
                Object::File(FileKind::Index, id) => self.rules.indexes.contains(&id),
                _ => false,
            };
            if !is_allowed {
                return Err(refused("delete", &name));
            }
            Ok(self.runtime.block_on(self.repository.storage().delete(&name))?)
        })
    }

    fn pass<T>(&self, writes: bool, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let access = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let allowed = match &*access {
            _ if self.is_stopped.load(Ordering::Relaxed) => {
                Err(Error::new(ErrorKind::Cancelled, "the prune was stopped"))
            }
            Access::Closed => Err(Error::new(ErrorKind::Cancelled, "the prune has ended")),
            Access::Reading if writes => {
                Err(Error::new(ErrorKind::Invalid, "a dry run writes nothing"))
            }
            Access::Writing(lock) if writes => lock.ensure_held(),
            Access::Reading | Access::Writing(_) => Ok(()),
        };
        allowed.and_then(|()| work()).inspect_err(|error| {
            let mut first = self.first_error.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert_with(|| error.clone());
        })
    }

    /// The engine copies blobs as they are, without a look at them. A blob that is damaged must not come to stand in a new
    /// pack as if it were good.
    fn verify_pack(&self, id: Digest, bytes: &Bytes) -> Result<()> {
        let object = pack_name(&id);
        let key = self.repository.key();
        let blobs = read_header(bytes, key).map_err(|error| error.at(&object))?;
        let pack = [FetchedPack { id, object, bytes: bytes.clone(), blobs }];
        match Verifier::new(key, Engine::detect())?.verify(&pack).first() {
            None => Ok(()),
            Some(finding) => Err(Error::new(
                ErrorKind::Corrupt,
                format!("a new pack would hold damaged content: {finding}"),
            )),
        }
    }

    fn verify_index(&self, id: Digest, bytes: &Bytes) -> Result<()> {
        let what = format!("new index {}", id.short());
        if layout::digest(bytes) != id {
            return Err(Error::corrupt(what, "its name is not its SHA-256"));
        }
        let opened =
            self.repository.key().open(bytes).map_err(|source| Error::corrupt(&what, source))?;
        IndexFile::parse(&unpack_json(opened)?).map(drop).map_err(|error| error.at(what))
    }
}

fn refused(action: &str, name: &str) -> Error {
    let text = format!("the prune engine wanted to {action} {name}, which no prune may do");
    Error::new(ErrorKind::Maintenance, text)
}

#[cfg(test)]
#[path = "bridge_tests.rs"]
mod tests;
