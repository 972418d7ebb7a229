//! What cannot be read in one repository is read in another that holds the same: blobs are named by their content, so that
//! it does not matter where they come from.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lockgate_types::Digest;

use super::Reader;
use crate::check::is_about_object;
use crate::error::{Error, ErrorKind, Result};
use crate::format::BlobKind;

/// Another repository that holds the same.
#[derive(Debug)]
pub(super) struct Other {
    name: String,
    reader: Reader,
    blobs: AtomicU64,
    bytes: AtomicU64,
    /// It could not be reached; nobody waits for it again.
    is_gone: AtomicBool,
}

/// What came from another repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescued {
    /// As the caller calls it.
    pub repository: String,
    /// Blobs that could not be read in the first.
    pub blobs: u64,
    /// Bytes of those.
    pub bytes: u64,
}

impl Reader {
    /// The same, which asks `others` in this order for what is damaged, missing, or cannot be reached here.
    #[must_use]
    pub fn or(self, others: Vec<(String, Self)>) -> Self {
        let other = |(name, reader)| Other {
            name,
            reader,
            blobs: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            is_gone: AtomicBool::new(false),
        };
        let others: Vec<Other> = others.into_iter().map(other).collect();
        Self { inner: self.inner, others: Arc::from(others) }
    }

    /// What came from the others so far.
    #[must_use]
    pub fn rescued(&self) -> Vec<Rescued> {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let told = self.others.iter().filter(|other| count(&other.blobs) > 0);
        told.map(|other| Rescued {
            repository: other.name.clone(),
            blobs: count(&other.blobs),
            bytes: count(&other.bytes),
        })
        .collect()
    }

    /// The blob from another repository, because of `error` in this one.
    ///
    /// # Errors
    /// `error`, when no other has the blob, or it is not about the repository.
    pub(super) async fn rescue(&self, kind: BlobKind, id: Digest, error: Error) -> Result<Vec<u8>> {
        if !is_about_repository(&error) {
            return Err(error);
        }
        for other in self.others.iter().filter(|it| !it.is_gone.load(Ordering::Relaxed)) {
            match other.reader.one_blob(kind, id).await {
                Ok(plain) => {
                    tracing::debug!(blob = %id, other = other.name, %error, "read elsewhere");
                    other.blobs.fetch_add(1, Ordering::Relaxed);
                    other.bytes.fetch_add(plain.len() as u64, Ordering::Relaxed);
                    return Ok(plain);
                }
                Err(its) => {
                    if its.kind() == ErrorKind::Storage && !is_about_object(&its) {
                        other.is_gone.store(true, Ordering::Relaxed);
                    }
                    tracing::warn!(blob = %id, other = other.name, error = %its, "not there either");
                }
            }
        }
        Err(error)
    }

    /// Whether there is somebody to ask after `error`.
    pub(super) fn can_rescue(&self, error: &Error) -> bool {
        !self.others.is_empty() && is_about_repository(error)
    }

    async fn one_blob(&self, kind: BlobKind, id: Digest) -> Result<Vec<u8>> {
        let (send, receive) = std::sync::mpsc::sync_channel(1);
        let take = Arc::new(move |_, _, plain| {
            // Whoever waits has room for the one blob.
            send.try_send(plain).ok();
            Ok(())
        });
        let missed = self.fetch_blobs(vec![(kind, id)], take).await?;
        if let Some((_, _, error)) = missed.into_iter().next() {
            return Err(error);
        }
        receive.try_recv().map_err(|_| super::blobs::missing(kind, &id))
    }
}

fn is_about_repository(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Storage | ErrorKind::Corrupt | ErrorKind::NotFound)
}
