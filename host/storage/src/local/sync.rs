use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags};

use super::turns::Turns;

/// Makes folders durable: the names in them, not the content of their files. Callers that come while a folder is being
/// synced share the next sync of it, which is most of the speed of many uploads at a time.
#[derive(Debug, Default)]
pub(super) struct Syncer {
    /// By path. As many as a repository has folders.
    turns: Mutex<HashMap<String, Arc<Turns>>>,
}

impl Syncer {
    /// Returns when all that was done in the folder `dir`, whose path is `path`, before the call is durable.
    pub(super) fn sync(&self, path: &str, dir: &Dir) -> io::Result<()> {
        let mut folders = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = Arc::clone(folders.entry(path.to_owned()).or_default());
        drop(folders);
        turns.wait_for_one(|| {
            // A `Dir` is opened as a mere path, which cannot be synced.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let readable = rustix::fs::openat(dir, c".", flags, Mode::empty())?;
            rustix::fs::fsync(readable)
        })
    }
}
