//! Rollback journals: one that a crashed program left means that the database holds half a transaction
//! (<https://www.sqlite.org/lockingv3.html#hot_journals>).

use lockgate_plugin::{Error, Result};

use crate::format;
use crate::host::{File, Folder};
use crate::snapshot::{beside, is_filled};

/// How often a journal is looked at that comes and goes.
const TRIES: u32 = 100;

/// Refuses a database whose journal has to be rolled back first. A reader's lock is held, so that whoever is writing now has
/// not begun to change the database's file.
///
/// # Errors
/// When the journal is hot, or cannot be read.
pub fn refuse_hot<F: Folder>(folder: &F, path: &[u8], main: &F::File) -> Result<()> {
    let journal = beside(path, "-journal");
    for _ in 0..TRIES {
        if !is_filled(folder, &journal)? || !main.is_free(format::RESERVED)? {
            return Ok(());
        }
        // A journal that is kept between transactions begins with zeros.
        let first = match folder.open(&journal)? {
            Some(file) => file.read_at(0, 1)?,
            None => return Ok(()),
        };
        if first.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        // It may have been begun after the first look; its program then still has the lock.
        if main.is_free(format::RESERVED)? && is_filled(folder, &journal)? {
            return Err(Error::conflict(
                "has a hot journal: a program crashed while it wrote, and the database holds half a transaction; \
                 open it once with its application or with sqlite3, which rolls it back, and run the backup again",
            ));
        }
    }
    Ok(())
}
