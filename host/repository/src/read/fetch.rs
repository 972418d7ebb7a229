//! Blobs by name, many at once, for whoever stores them elsewhere: each is authenticated and compared with its name.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use lockgate_types::Digest;

use super::blobs::{Opener, missing, verify};
use super::region::{Region, plan};
use super::{Reader, closed};
use crate::check::is_about_object;
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::index::Location;
use crate::layout::{off_reactor, pack_name};
use crate::limits;

/// A blob that is wanted, and where it lies.
#[derive(Clone, Copy)]
struct Wanted {
    location: Location,
    kind: BlobKind,
    id: Digest,
}

/// A blob that could not be had, and why.
pub(crate) type Missed = (BlobKind, Digest, Error);

/// Takes blobs as they come, on a thread that may wait.
pub(crate) type Take = Arc<dyn Fn(BlobKind, Digest, Vec<u8>) -> Result<()> + Send + Sync>;

impl Reader {
    /// Whether any pack is said to hold the blob.
    pub(crate) fn knows(&self, kind: BlobKind, id: &Digest) -> bool {
        self.inner.index.locate(kind, id).is_some()
    }

    /// Gives each of `blobs` to `take`, in any order; those that are missing or damaged.
    ///
    /// # Errors
    /// When the storage cannot be reached, and the first error of `take`.
    pub(crate) async fn fetch_blobs(
        &self,
        blobs: Vec<(BlobKind, Digest)>,
        take: Take,
    ) -> Result<Vec<Missed>> {
        let (mut wanted, mut missed) = (Vec::with_capacity(blobs.len()), Vec::new());
        for (kind, id) in blobs {
            match self.inner.index.locate(kind, &id) {
                Some(location) => wanted.push(Wanted { location, kind, id }),
                None => missed.push((kind, id, missing(kind, &id))),
            }
        }
        wanted.sort_unstable_by_key(|blob| (blob.location.pack, blob.location.offset, blob.id));
        let regions = plan(wanted.iter().map(|blob| &blob.location));
        let regions: Vec<(Region, Vec<Wanted>)> = regions
            .into_iter()
            .map(|region| {
                let blobs = wanted.get(region.wanted.clone()).unwrap_or_default().to_vec();
                (region, blobs)
            })
            .collect();
        drop(wanted);
        let found: Vec<Vec<Missed>> = futures::stream::iter(regions)
            .map(|(region, blobs)| self.fetch_region(region, blobs, Arc::clone(&take)))
            .buffer_unordered(limits::COPIED_REGIONS_AT_A_TIME)
            .try_collect()
            .await?;
        missed.extend(found.into_iter().flatten());
        Ok(missed)
    }

    async fn fetch_region(
        &self,
        region: Region,
        blobs: Vec<Wanted>,
        take: Take,
    ) -> Result<Vec<Missed>> {
        let permit = self.inner.memory.acquire_many(region.memory_kib()).await;
        let permit = permit.map_err(closed)?;
        let name = pack_name(&self.inner.index.pack_id(region.pack));
        let storage = self.inner.repository.storage();
        let fetched = storage.get_range(&name, region.bytes.clone()).await.map_err(Error::from);
        match fetched {
            Ok(sealed) => {
                let reader = self.clone();
                off_reactor(move || reader.open_region(&name, &region, &blobs, &sealed, &*take))
                    .await
            }
            Err(error) if !is_about_object(&error) => Err(error),
            Err(error) if blobs.len() == 1 => {
                Ok(blobs.iter().map(|blob| (blob.kind, blob.id, error.clone())).collect())
            }
            // One after the other, so that a pack that is cut short still gives what lies before the cut.
            Err(_) => {
                drop(permit);
                let mut missed = Vec::new();
                for blob in blobs {
                    let alone = plan(std::iter::once(&blob.location));
                    for region in alone {
                        let one = self.fetch_region(region, vec![blob], Arc::clone(&take));
                        missed.extend(Box::pin(one).await?);
                    }
                }
                Ok(missed)
            }
        }
    }

    fn open_region(
        &self,
        name: &str,
        region: &Region,
        blobs: &[Wanted],
        sealed: &Bytes,
        take: &(dyn Fn(BlobKind, Digest, Vec<u8>) -> Result<()> + Send + Sync),
    ) -> Result<Vec<Missed>> {
        let mut opener = Opener::new(self);
        let mut missed = Vec::new();
        for blob in blobs {
            let outside = || Error::corrupt("index", "a blob lies outside of its pack");
            let opened = sealed
                .get(region.place(&blob.location))
                .ok_or_else(outside)
                .and_then(|bytes| opener.open(bytes, &blob.location))
                .and_then(|plain| {
                    verify(self.inner.engine, &[(blob.id, &plain)])?;
                    Ok(plain)
                });
            match opened {
                Ok(plain) => take(blob.kind, blob.id, plain)?,
                Err(error) => missed.push((blob.kind, blob.id, error.at(name))),
            }
        }
        Ok(missed)
    }
}
