//! The seam to the sandbox: what of a granted folder is read, and which locks are taken. The tests of this crate have another
//! side of it, so that everything behind it also runs natively beside a real SQLite.

use lockgate_plugin::file_locks::{self, Lock, Mode};
use lockgate_plugin::files;
use lockgate_plugin::{Error, Failure, Metadata, Result};

/// A folder with databases.
pub trait Folder {
    /// A file of it that is open for reading.
    type File: File;

    /// As messages call it.
    fn name(&self) -> &str;

    /// Opens a regular file; none when there is nothing of that name.
    ///
    /// # Errors
    /// When it is there and cannot be opened.
    fn open(&self, path: &[u8]) -> Result<Option<Self::File>>;

    /// What is at `path`; none when there is nothing.
    ///
    /// # Errors
    /// When that cannot be told.
    fn status(&self, path: &[u8]) -> Result<Option<Metadata>>;
}

/// A file that is open for reading.
pub trait File {
    /// A lock that ends when it is dropped.
    type Lock;

    /// What it is like now.
    ///
    /// # Errors
    /// When the system does not tell.
    fn metadata(&self) -> Result<Metadata>;

    /// Reads up to `max` bytes, fewer only at the end of the file, and never more than a MiB.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read_at(&self, offset: u64, max: u32) -> Result<Vec<u8>>;

    /// Takes a shared lock and waits up to `wait` milliseconds for those who write; none when they do not let go.
    ///
    /// # Errors
    /// When locks are not granted, or the system has none for this file.
    fn lock(&self, bytes: Bytes, wait: u32) -> Result<Option<Self::Lock>>;

    /// Whether no other program has any lock there.
    ///
    /// # Errors
    /// As [`File::lock`].
    fn is_free(&self, bytes: Bytes) -> Result<bool>;
}

/// A range of bytes that is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// The first.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

impl Bytes {
    /// A single one.
    #[must_use]
    pub const fn one(offset: u64) -> Self {
        Self { offset, length: 1 }
    }
}

/// A folder that was granted.
#[derive(Clone, Debug)]
pub struct Granted {
    name: String,
}

impl Granted {
    /// The one of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned() }
    }
}

impl Folder for Granted {
    type File = files::File;

    fn name(&self) -> &str {
        &self.name
    }

    fn open(&self, path: &[u8]) -> Result<Option<files::File>> {
        unless_missing(files::open(&self.name, path))
    }

    fn status(&self, path: &[u8]) -> Result<Option<Metadata>> {
        unless_missing(files::status(&self.name, path))
    }
}

impl File for files::File {
    type Lock = Lock;

    fn metadata(&self) -> Result<Metadata> {
        Ok(self.metadata()?)
    }

    fn read_at(&self, offset: u64, max: u32) -> Result<Vec<u8>> {
        Ok(self.read_at(offset, max)?)
    }

    fn lock(&self, bytes: Bytes, wait: u32) -> Result<Option<Lock>> {
        Ok(file_locks::acquire(self, bytes.offset, bytes.length, Mode::Shared, wait)?)
    }

    fn is_free(&self, bytes: Bytes) -> Result<bool> {
        Ok(file_locks::is_free(self, bytes.offset, bytes.length, Mode::Exclusive)?)
    }
}

/// The system's words for a name that is not there: the contract has no failure of its own for it. Anything else stays an error,
/// because a log that is there and was taken for missing would be left out of the copy.
const MISSING: &str = "no such file or directory";

fn unless_missing<T>(answer: Result<T, Failure>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(Failure::Other(text)) if text.ends_with(MISSING) => Ok(None),
        Err(failure) => Err(Error::from(failure)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_missing() {
        let answer = |text: &str| unless_missing::<()>(Err(Failure::Other(text.to_owned())));
        assert_eq!(answer("could not open data:a-wal: no such file or directory"), Ok(None));
        assert!(answer("could not open data:a-wal: too many open files").is_err());
        assert!(unless_missing::<()>(Err(Failure::Cancelled)).is_err());
    }
}
