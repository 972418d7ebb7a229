use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;

/// In every folder; its lock says that the folder is in use.
const ALIVE: &str = "alive";

/// A temporary folder of a server. It goes with this value; one whose process was killed goes when the next server of its
/// kind starts.
#[derive(Debug)]
pub(crate) struct Folder {
    folder: TempDir,
    // The system unlocks it when the process ends, in whatever way.
    _alive: File,
}

impl Folder {
    /// The name of the folder starts with `prefix`.
    pub(crate) fn create(prefix: &str) -> Result<Self> {
        remove_abandoned(prefix);
        let folder = tempfile::Builder::new().prefix(prefix).tempdir()?;
        // Locked before it has its name, so that nobody finds it without its lock.
        let unnamed = folder.path().join("alive-soon");
        let alive = File::create(&unnamed)?;
        alive.lock().context("lock a temporary folder")?;
        fs::rename(&unnamed, folder.path().join(ALIVE))?;
        Ok(Self { folder, _alive: alive })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Best effort: what cannot be removed is in nobody's way.
fn remove_abandoned(prefix: &str) {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        let Ok(alive) = File::open(entry.path().join(ALIVE)) else { continue };
        if alive.try_lock().is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_whose_process_is_gone_is_removed_and_one_in_use_is_not() {
        let prefix = "lockgate-folder-test-";
        let in_use = Folder::create(prefix).unwrap();
        let abandoned = tempfile::Builder::new().prefix(prefix).tempdir().unwrap().keep();
        fs::write(abandoned.join(ALIVE), "").unwrap();
        let next = Folder::create(prefix).unwrap();
        assert!(in_use.path().exists() && next.path().exists() && !abandoned.exists());
    }
}
