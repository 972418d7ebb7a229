//! A database at one moment, held for as long as it is copied, in the way in which SQLite's own readers hold one
//! (<https://www.sqlite.org/walformat.html>, section 2.2; <https://www.sqlite.org/lockingv3.html>).
//!
//! Every snapshot holds the lock of a reader on the database itself. Without a write-ahead log that is all: who wants to write
//! waits. With a log it hinders nobody but the last program that closes the database, which leaves the log behind for the next;
//! what keeps the pages as they are is then in [`crate::live`], or, when no program has the database open, in [`crate::alone`].

use lockgate_plugin::path::shown;
use lockgate_plugin::{Context, Error, Result};

use crate::alone::Alone;
use crate::config::Config;
use crate::format::{self, HEADER_BYTES, Header};
use crate::host::{File, Folder};
use crate::journal;
use crate::live::Live;
use crate::wal::Frames;

/// Pages that a transaction may have added and freed again without ever writing them. SQLite keeps some thousands in memory.
const UNWRITTEN_MAX: u32 = 1 << 20;

/// A database that is held.
pub struct Snapshot<'a, F: Folder> {
    /// The database's file.
    pub main: F::File,
    /// Bytes of it when it was taken hold of.
    pub main_bytes: u64,
    /// None when the database is empty: a file of no bytes.
    pub header: Option<Header>,
    /// Pages of the database.
    pub pages: u32,
    /// What the log has that the file has not.
    pub log: Option<Log<F::File>>,
    hold: Hold<'a, F>,
    // The reader's lock; released last.
    _lock: <F::File as File>::Lock,
}

/// The part of a write-ahead log that counts.
pub struct Log<T> {
    /// The log.
    pub file: T,
    /// Where in it the pages are.
    pub frames: Frames,
}

/// What keeps a database with a log as it is, and what of the log is used.
pub type WithLog<H, F> = (H, Option<Log<<F as Folder>::File>>);

/// What keeps the pages as they are, beside the lock.
enum Hold<'a, F: Folder> {
    /// The lock does.
    Lock,
    Live(Live<F>),
    Alone(Box<Alone<'a, F>>),
}

/// How a database is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// With a rollback journal.
    Rollback,
    /// With a write-ahead log, by programs that are running.
    Live,
    /// With a write-ahead log, and nobody has it open.
    Alone,
}

impl Mode {
    /// As attributes have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Live | Self::Alone => "wal",
        }
    }
}

impl<'a, F: Folder> Snapshot<'a, F> {
    /// Takes hold of the database at `path`.
    ///
    /// # Errors
    /// When it is not there or no database, when a crashed program left it in the middle of a change, when programs do not let
    /// go of it, or when locks are not granted.
    pub fn take(folder: &'a F, path: &[u8], config: &Config) -> Result<Self> {
        let taken = || {
            let main = folder.open(path)?.ok_or_else(|| Error::conflict("is not there"))?;
            let lock = lock(&main, config.lock_wait())?;
            journal::refuse_hot(folder, path, &main)?;
            Self::hold(folder, path, config, main, lock)
        };
        taken().with_context(|| format!("{}/{}", folder.name(), shown(path)))
    }

    fn hold(
        folder: &'a F,
        path: &[u8],
        config: &Config,
        main: F::File,
        lock: <F::File as File>::Lock,
    ) -> Result<Self> {
        let main_bytes = main.metadata()?.size;
        let mut snapshot = Self {
            main,
            main_bytes,
            header: None,
            pages: 0,
            log: None,
            hold: Hold::Lock,
            _lock: lock,
        };
        if main_bytes == 0 {
            return Ok(snapshot);
        }
        let first = header(&snapshot.main, 0, config)?;
        if first.has_log() || is_filled(folder, &beside(path, "-wal"))? {
            match Live::take(folder, path, &first)? {
                Some((live, log)) => (snapshot.hold, snapshot.log) = (Hold::Live(live), log),
                None => {
                    let (alone, log) = Alone::take(folder, path, &snapshot.main)?;
                    (snapshot.hold, snapshot.log) = (Hold::Alone(Box::new(alone)), log);
                }
            }
        }
        // Only now nobody changes what is read of the file.
        snapshot.main_bytes = snapshot.main.metadata()?.size;
        let first = header(&snapshot.main, 0, config)?;
        snapshot.count_pages(first, config)?;
        Ok(snapshot)
    }

    /// The header of this moment, and how many pages it means (`lockBtree` of SQLite).
    fn count_pages(&mut self, first: Header, config: &Config) -> Result<()> {
        let size = u64::from(first.page_size);
        let in_log = self.log.as_ref().and_then(|log| Some((log, log.frames.first_page()?)));
        let header = match in_log {
            Some((log, offset)) => header(&log.file, offset, config)?,
            None => first,
        };
        let in_file = u32::try_from(self.main_bytes.div_ceil(size)).unwrap_or(u32::MAX);
        let (available, written) = match &self.log {
            Some(log) => (log.frames.database_pages, in_file.max(log.frames.highest())),
            None => (in_file, in_file),
        };
        self.pages = header.pages.unwrap_or(available);
        let unwritten = self.pages.saturating_sub(written);
        if self.pages > available
            || unwritten > UNWRITTEN_MAX
            || u64::from(header.page_size) != size
        {
            return Err(Error::corrupt(format!(
                "has {} pages by its header and {} in fact; run PRAGMA integrity_check",
                self.pages,
                available.min(written)
            )));
        }
        self.header = Some(header);
        Ok(())
    }

    /// How the database is written.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match &self.hold {
            Hold::Lock => Mode::Rollback,
            Hold::Live(_) => Mode::Live,
            Hold::Alone(_) => Mode::Alone,
        }
    }

    /// Looks whether the pages are still what they were; to be called for each piece that is copied.
    ///
    /// # Errors
    /// When a program has opened the database and changed it.
    pub fn watch(&mut self) -> Result<()> {
        match &mut self.hold {
            Hold::Lock | Hold::Live(_) => Ok(()),
            Hold::Alone(alone) => alone.watch(&self.main, self.log.as_ref()),
        }
    }

    /// Looks a last time, after everything was copied.
    ///
    /// # Errors
    /// When the pages did not stay what they were.
    pub fn verify(&mut self) -> Result<()> {
        match &mut self.hold {
            Hold::Lock => {
                let counter = |header: &Header| header.change_counter;
                let now = self.main.read_at(0, HEADER_BYTES)?;
                if Header::parse(&now).ok().as_ref().map(counter)
                    == self.header.as_ref().map(counter)
                {
                    return Ok(());
                }
                Err(Error::corrupt(
                    "was changed while it was locked: a program writes it without SQLite's locks",
                ))
            }
            Hold::Live(live) => live.verify(),
            Hold::Alone(alone) => alone.verify(&self.main, self.log.as_ref()),
        }
    }
}

/// Takes a reader's lock: whoever waits to write is let go first.
fn lock<T: File>(main: &T, wait: u32) -> Result<T::Lock> {
    let pending = main.lock(format::PENDING, wait)?;
    let shared = match pending {
        Some(_) => main.lock(format::SHARED, wait)?,
        None => None,
    };
    shared.ok_or_else(|| {
        Error::unreachable(format!(
            "a program has been writing for {} s and does not let go; is its locking_mode EXCLUSIVE? \
             `lock-wait-seconds` sets how long it is waited for",
            wait / 1000
        ))
    })
}

/// The header of a database, at `offset` of a file.
fn header(file: &impl File, offset: u64, config: &Config) -> Result<Header> {
    let bytes = file.read_at(offset, HEADER_BYTES)?;
    let header =
        Header::parse(&bytes).map_err(|foreign| Error::unsupported(foreign.to_string()))?;
    if !header.is_known() && !config.allow_untested_version {
        return Err(Error::unsupported(format!(
            "is of file format version {} to write and {} to read, and 1 and 2 are known; \
             `allow-untested-version = true` saves it all the same",
            header.write_version, header.read_version
        )));
    }
    Ok(header)
}

/// `path` with an ending, as SQLite names what belongs to a database.
#[must_use]
pub fn beside(path: &[u8], ending: &str) -> Vec<u8> {
    [path, ending.as_bytes()].concat()
}

/// Whether there is a file that holds anything.
pub fn is_filled(folder: &impl Folder, path: &[u8]) -> Result<bool> {
    Ok(folder.status(path)?.is_some_and(|status| status.size > 0))
}
