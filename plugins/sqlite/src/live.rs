//! A snapshot of a database with a write-ahead log that programs have open. It holds what SQLite's readers hold: a shared lock on
//! a reader's slot of the `-shm` file. No writer waits for it; checkpoints copy no more of the log than the slot's mark says, and
//! the log does not begin anew, so it grows for as long as the copy takes.
//!
//! Pages come from the log wherever it has them. So no page is read from the database's file while a checkpoint writes it.

use lockgate_plugin::{Error, Result};

use crate::format::Header;
use crate::host::{File, Folder};
use crate::index::{self, Index, Reader};
use crate::snapshot::{Log, WithLog, beside};
use crate::wal;

/// How long a program may take to open or rebuild the shared memory, in milliseconds.
const OPENING_WAIT: u32 = 10_000;
/// How often a slot is tried. Between a look and its lock somebody may have committed, which happens a few times in a row at most;
/// but a program that was interrupted while it wrote the header goes on only when a busy machine lets it, and may not be kept
/// waiting by a lock. So many looks take about half a second.
const TRIES: u32 = 200_000;

/// A held slot.
pub struct Live<F: Folder> {
    shared: F::File,
    reader: Reader,
    salts: [u8; 8],
    _slot: <F::File as File>::Lock,
    // As a program that has the database open, so that nobody takes the shared memory for abandoned.
    _open: <F::File as File>::Lock,
}

impl<F: Folder> Live<F> {
    /// Takes hold of the last commit, and finds its pages in the log. None when no program has the database open.
    ///
    /// # Errors
    /// When the shared memory stays unreadable, or the log is damaged.
    pub fn take(folder: &F, path: &[u8], header: &Header) -> Result<Option<WithLog<Self, F>>> {
        // The database's own lock is held, so that nobody removes these files now.
        let Some(shared) = folder.open(&beside(path, "-shm"))? else { return Ok(None) };
        if shared.is_free(index::OPEN)? {
            return Ok(None);
        }
        let open = shared.lock(index::OPEN, OPENING_WAIT)?.ok_or_else(|| {
            Error::unreachable(
                "a program has been opening the database for 10 s; run the backup again",
            )
        })?;
        let (seen, reader, slot) = take_slot(&shared)?;
        // Before the first frame nobody has written it down.
        if seen.last_frame > 0 && seen.page_size != header.page_size {
            return Err(Error::corrupt(format!(
                "has pages of {} bytes by its file and {} by its -shm file",
                header.page_size, seen.page_size
            )));
        }
        let is_unused = seen.last_frame == 0 || reader.is_first();
        let log = if is_unused { None } else { Some(read_log(folder, path, &seen)?) };
        let live = Self { shared, reader, salts: seen.salts, _slot: slot, _open: open };
        Ok(Some((live, log)))
    }

    /// Whether the slot kept the log and the pages where they were, as it must.
    pub fn verify(&self) -> Result<()> {
        for _ in 0..TRIES {
            // Somebody may be writing the header just now.
            let Some(now) = look(&self.shared)? else { continue };
            // What the log does is nothing to a reader that uses none of it.
            let is_same_log = self.reader.is_first() || now.salts == self.salts;
            if now.still_has(self.reader) && is_same_log {
                return Ok(());
            }
            break;
        }
        Err(Error::corrupt(
            "its write-ahead log began anew although it was locked: a program writes it without SQLite's locks",
        ))
    }
}

fn look(shared: &impl File) -> Result<Option<Index>> {
    Ok(Index::parse(&shared.read_at(0, index::BYTES)?))
}

/// Looks, takes the best slot, and looks again: when nothing changed in between, nothing was missed (`walTryBeginRead` of SQLite).
fn take_slot<T: File>(shared: &T) -> Result<(Index, Reader, T::Lock)> {
    for _ in 0..TRIES {
        let Some(before) = look(shared)? else {
            // Waits for whoever rebuilds it.
            shared.lock(index::RECOVER, OPENING_WAIT)?;
            continue;
        };
        let Some(reader) = before.reader() else { continue };
        let Some(slot) = shared.lock(reader.bytes, 0)? else { continue };
        if look(shared)?.is_some_and(|now| now.is_as_before(&before, reader)) {
            return Ok((before, reader, slot));
        }
    }
    Err(Error::unreachable(
        "its -shm file does not come to rest: a program that wrote may have crashed; let any program read the database, \
         and run the backup again",
    ))
}

/// The log up to the last commit, every frame verified, also against what the programs know of it.
fn read_log<F: Folder>(folder: &F, path: &[u8], seen: &Index) -> Result<Log<F::File>> {
    let strange =
        || Error::corrupt("its write-ahead log is not the one that its -shm file is about");
    let file = folder.open(&beside(path, "-wal"))?.ok_or_else(strange)?;
    let header = wal::Header::parse(&file.read_at(0, wal::HEADER_BYTES)?).ok_or_else(strange)?;
    if header.salts() != seen.salts {
        return Err(strange());
    }
    let (frames, checksum) = wal::read(&file, &header, Some(seen.last_frame))?;
    if checksum != seen.checksum || frames.database_pages != seen.pages {
        return Err(strange());
    }
    Ok(Log { file, frames })
}
