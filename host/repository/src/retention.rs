//! Deleting what a storage may have to keep: a bucket with S3 Object Lock refuses, or hides the object and keeps it as an older
//! version. Neither is trouble: what is to go is nothing that anybody needs.

use lockgate_storage::Storage;
use lockgate_types::Digest;

use crate::error::{ErrorKind, Result};
use crate::layout::FileKind;
use crate::open::Repository;

/// What became of an object that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deleted {
    /// Its space is free.
    Gone,
    /// Nobody sees it any more, and the bucket keeps it.
    Hidden,
    /// It is there as before.
    Refused,
}

/// Deletes objects and tells what becomes of them.
pub(crate) struct Deleter<'a> {
    storage: &'a Storage,
    /// Until the storage has shown that it keeps nothing, or does not tell.
    asks: bool,
}

impl<'a> Deleter<'a> {
    pub(crate) fn new(repository: &'a Repository) -> Self {
        Self { storage: repository.storage(), asks: true }
    }

    pub(crate) async fn delete(&mut self, name: &str) -> Result<Deleted> {
        match self.storage.delete(name).await {
            Err(error) if error.kind() == lockgate_storage::ErrorKind::Retention => {
                tracing::info!(%error, "it stays until its retention has ended");
                return Ok(Deleted::Refused);
            }
            deleted => deleted?,
        }
        if !self.asks {
            return Ok(Deleted::Gone);
        }
        match self.storage.kept_of_deleted(name).await {
            Ok(Some(1..)) => return Ok(Deleted::Hidden),
            // Versions are a thing of the bucket: what holds for one object holds for all.
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the storage does not tell what it keeps"),
        }
        self.asks = false;
        Ok(Deleted::Gone)
    }
}

impl Repository {
    /// Deletes a file that counts for nothing any more. Whether it is gone: one under retention stays.
    pub(crate) async fn delete_if_free(&self, kind: FileKind, id: &Digest) -> Result<bool> {
        match self.delete_file(kind, id).await {
            Err(error) if error.kind() == ErrorKind::Retention => {
                tracing::warn!(%error, "it stays until its retention has ended");
                Ok(false)
            }
            deleted => deleted.map(|()| true),
        }
    }
}
