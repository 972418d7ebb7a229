//! A snapshot of a database with a write-ahead log that no program has open. What the last program left of the log is used as
//! SQLite would after a crash: up to the last commit that is whole.
//!
//! Nobody can be kept from opening the database now, because that would take a file that may be written. But what is opened
//! becomes visible: the `-shm` file is in use, and stays there for as long as the database's own lock is held. From then on the
//! slot is held that keeps checkpoints off altogether; and at the end nothing may have been written.

use lockgate_plugin::{Error, Metadata, Result, Timestamp};

use crate::host::{File, Folder};
use crate::index;
use crate::snapshot::{Log, WithLog, beside};
use crate::wal;

/// How long a checkpoint that is under way is waited for, in milliseconds. It is about to change the pages anyway.
const CHECKPOINT_WAIT: u32 = 100;

/// What nobody has open.
pub struct Alone<'a, F: Folder> {
    folder: &'a F,
    shared_path: Vec<u8>,
    /// The database's file before anything was read.
    before: Stamp,
    /// Header of the log that is used.
    log_header: Vec<u8>,
    /// Held as soon as somebody has the database open: the mark of whoever has, and the slot.
    attached: Option<[<F::File as File>::Lock; 2]>,
}

/// What changes when a file is written.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Timestamp,
    changed: Timestamp,
}

impl Stamp {
    fn of(file: &impl File) -> Result<Self> {
        let Metadata { size, modified, changed, .. } = file.metadata()?;
        Ok(Self { size, modified, changed })
    }
}

impl<'a, F: Folder> Alone<'a, F> {
    /// Takes note of what is there, and finds the pages of the log.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn take(folder: &'a F, path: &[u8], main: &F::File) -> Result<WithLog<Self, F>> {
        let shared_path = beside(path, "-shm");
        let before = Stamp::of(main)?;
        let mut alone =
            Self { folder, shared_path, before, log_header: Vec::new(), attached: None };
        let Some(file) = folder.open(&beside(path, "-wal"))? else { return Ok((alone, None)) };
        let bytes = file.read_at(0, wal::HEADER_BYTES)?;
        // A log without a whole header holds nothing that counts.
        let Some(header) = wal::Header::parse(&bytes) else { return Ok((alone, None)) };
        let (frames, _) = wal::read(&file, &header, None)?;
        if frames.last == 0 {
            return Ok((alone, None));
        }
        alone.log_header = bytes;
        Ok((alone, Some(Log { file, frames })))
    }

    /// Looks whether somebody has opened the database, and then holds it.
    ///
    /// # Errors
    /// When it was changed already.
    pub fn watch(&mut self, main: &F::File, log: Option<&Log<F::File>>) -> Result<()> {
        if self.attached.is_some() || self.folder.status(&self.shared_path)?.is_none() {
            return Ok(());
        }
        if let Some(shared) = self.folder.open(&self.shared_path)?
            && !shared.is_free(index::OPEN)?
        {
            let open = shared.lock(index::OPEN, CHECKPOINT_WAIT)?.ok_or_else(changed)?;
            let slot = shared.lock(index::first_reader(), CHECKPOINT_WAIT)?.ok_or_else(changed)?;
            self.attached = Some([open, slot]);
        }
        self.verify(main, log)
    }

    /// Whether nothing was written.
    ///
    /// # Errors
    /// When something was.
    pub fn verify(&self, main: &F::File, log: Option<&Log<F::File>>) -> Result<()> {
        let is_same_log = match log {
            Some(log) => log.file.read_at(0, wal::HEADER_BYTES)? == self.log_header,
            None => true,
        };
        if is_same_log && Stamp::of(main)? == self.before { Ok(()) } else { Err(changed()) }
    }
}

fn changed() -> Error {
    Error::unreachable(
        "was opened and changed while it was copied, and nobody had it open when the copy began; run the backup again",
    )
}
