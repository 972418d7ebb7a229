//! Stores what is needed of thinly used packs in new ones. Sealed blobs are copied as they are, after a look into each: what
//! is damaged must not come to stand in a new pack as if it were good.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use lockgate_types::Digest;

use super::plan::Plan;
use super::progress::Step;
use super::publish::IndexWriter;
use super::survey::Survey;
use crate::check::expected_size;
use crate::compress::Expander;
use crate::error::{Error, Result};
use crate::format::{BlobKind, IndexFile, IndexPack, PackedBlob, pack_header_encode};
use crate::hash::sha256;
use crate::layout::{digest, off_reactor, pack_name};
use crate::limits;
use crate::lock::LockGuard;
use crate::open::Repository;
use crate::seal::MasterKey;

/// Bytes at which a pack is stored, and most blobs in one, as in backups.
const PACK_BYTES: usize = 16 << 20;
const PACK_BLOBS: usize = 32_768;
/// Packs that are read at a time.
const READS: usize = 4;
/// Unwanted bytes that are fetched rather than starting another request, and most bytes of one request.
const GAP_BYTES: u64 = 256 << 10;
const REQUEST_BYTES: u64 = 64 << 20;

/// A pack under way.
#[derive(Default)]
struct OpenPack {
    bytes: Vec<u8>,
    blobs: Vec<PackedBlob>,
}

/// Needed blobs of one pack, with their sealed bytes.
struct Copied {
    pack: Digest,
    blobs: Vec<(PackedBlob, Bytes)>,
}

/// Stores again what `plan` says, as long as there is time; the packs of which nothing is needed any more then.
pub(super) async fn repack(
    repository: &Repository,
    lock: &LockGuard,
    survey: &Survey,
    plan: &Plan,
    until: Option<Instant>,
    step: &Step,
) -> Result<HashSet<Digest>> {
    let mut done = HashSet::new();
    if plan.repacked.is_empty() {
        return Ok(done);
    }
    let mut sources = sources(repository, survey, plan).await?;
    let wanted = plan.repacked.iter().filter_map(|id| sources.remove(id)).collect::<Vec<_>>();
    // What was begun is finished: a later pack relies on it that an earlier one has copied a blob of both.
    let in_time = |_: &IndexPack| until.is_none_or(|until| Instant::now() < until);
    let reads = wanted.into_iter().take_while(in_time).map(|pack| {
        let is_wanted = |blob: &PackedBlob| survey.needs.keep(blob.kind, &blob.id);
        let mut blobs: Vec<PackedBlob> = pack.blobs.into_iter().filter(is_wanted).collect();
        blobs.sort_unstable_by_key(|blob| blob.offset);
        fetch(repository, pack.id, blobs)
    });
    let mut reads = futures::stream::iter(reads).buffered(READS);
    let (mut index, mut open) =
        (IndexWriter::live(repository, lock), [(); 2].map(|()| OpenPack::default()));
    while let Some(copied) = reads.try_next().await? {
        for (blob, sealed) in copied.blobs {
            step.advance(sealed.len() as u64);
            let pack = &mut open[usize::from(blob.kind == BlobKind::Tree)];
            pack.add(blob, &sealed)?;
            if pack.bytes.len() >= PACK_BYTES || pack.blobs.len() >= PACK_BLOBS {
                index.add(std::mem::take(pack).store(repository, lock).await?).await?;
            }
        }
        done.insert(copied.pack);
    }
    for pack in open.into_iter().filter(|pack| !pack.blobs.is_empty()) {
        index.add(pack.store(repository, lock).await?).await?;
    }
    index.flush().await?;
    Ok(done)
}

/// The packs to be stored again; notes on the way which needed blobs have a place that stays.
async fn sources(
    repository: &Repository,
    survey: &Survey,
    plan: &Plan,
) -> Result<HashMap<Digest, IndexPack>> {
    let chosen: HashSet<Digest> = plan.repacked.iter().copied().collect();
    let mut sources: HashMap<Digest, IndexPack> = HashMap::new();
    repository
        .load_files(survey.files.clone(), |_, index: IndexFile| {
            for pack in index.packs {
                if chosen.contains(&pack.id) {
                    match sources.entry(pack.id) {
                        Entry::Occupied(known) => known.into_mut().blobs.extend(pack.blobs),
                        Entry::Vacant(place) => drop(place.insert(pack)),
                    }
                } else if !plan.changes(&pack.id) {
                    for blob in &pack.blobs {
                        survey.needs.keep(blob.kind, &blob.id);
                    }
                }
            }
            let recovered = |pack: &&IndexPack| plan.recovered.contains(&pack.id);
            for blob in index.packs_to_delete.iter().filter(recovered).flat_map(|pack| &pack.blobs)
            {
                survey.needs.keep(blob.kind, &blob.id);
            }
            Ok(())
        })
        .await?;
    Ok(sources)
}

async fn fetch(repository: &Repository, pack: Digest, blobs: Vec<PackedBlob>) -> Result<Copied> {
    let mut copied = Copied { pack, blobs: Vec::with_capacity(blobs.len()) };
    let name = pack_name(&pack);
    for run in runs(&blobs) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let start = u64::from(first.offset);
        let end = u64::from(last.offset) + u64::from(last.length);
        let bytes = repository.storage().get_range(&name, start..end).await?;
        let (repository, run) = (repository.clone(), run.to_vec());
        let opened = off_reactor(move || {
            let mut expander = Expander::new()?;
            let mut cut = |blob: PackedBlob| {
                let from = (u64::from(blob.offset) - start) as usize;
                let sealed = bytes.slice(from..from + blob.length as usize);
                verify(repository.key(), &mut expander, &blob, &sealed).map(|()| (blob, sealed))
            };
            run.into_iter().map(&mut cut).collect::<Result<Vec<_>>>()
        });
        let opened = opened.await.map_err(|error| {
            error.at(format_args!("pack {} cannot be stored again", pack.short()))
        })?;
        copied.blobs.extend(opened);
    }
    Ok(copied)
}

/// Blobs that are fetched together.
fn runs(blobs: &[PackedBlob]) -> impl Iterator<Item = &[PackedBlob]> {
    let mut start = blobs.first().map_or(0, |blob| u64::from(blob.offset));
    blobs.chunk_by(move |one, next| {
        let (end, begin) = (u64::from(one.offset) + u64::from(one.length), u64::from(next.offset));
        let goes_on = begin >= end
            && begin - end <= GAP_BYTES
            && begin + u64::from(next.length) - start <= REQUEST_BYTES;
        if !goes_on {
            start = begin;
        }
        goes_on
    })
}

fn verify(
    key: &MasterKey,
    expander: &mut Expander,
    blob: &PackedBlob,
    sealed: &[u8],
) -> Result<()> {
    let what = || format!("blob {}", blob.id.short());
    let mut plain = key.open(sealed).map_err(|source| Error::corrupt(what(), source))?;
    if let Some(length) = blob.uncompressed_length {
        if length as usize > limits::BLOB_BYTES_MAX {
            return Err(Error::corrupt(what(), "it says that it expands to more than 2 GiB"));
        }
        let mut expanded = Vec::new();
        expander.expand(&plain, length as usize, &mut expanded)?;
        plain = expanded;
    }
    if sha256(&plain) == blob.id {
        return Ok(());
    }
    Err(Error::corrupt(what(), "its SHA-256 is another"))
}

impl OpenPack {
    fn add(&mut self, blob: PackedBlob, sealed: &[u8]) -> Result<()> {
        let offset = u32::try_from(self.bytes.len())
            .map_err(|_| Error::new(crate::ErrorKind::Limit, "a pack would have 4 GiB"))?;
        self.bytes.extend_from_slice(sealed);
        self.blobs.push(PackedBlob { offset, ..blob });
        Ok(())
    }

    async fn store(mut self, repository: &Repository, lock: &LockGuard) -> Result<IndexPack> {
        lock.ensure_held()?;
        let header = repository.key().seal(&pack_header_encode(&self.blobs))?;
        let length = u32::try_from(header.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        debug_assert_eq!(self.bytes.len() as u64, expected_size(&self.blobs));
        let bytes = Bytes::from(self.bytes);
        let hashed = bytes.clone();
        let id = off_reactor(move || digest(&hashed)).await;
        repository.storage().put(&pack_name(&id), vec![bytes]).await?;
        Ok(IndexPack { id, blobs: self.blobs, time: None, size: None })
    }
}

/// When work that may take that long must have ended.
pub(super) fn end_of(limit: Option<Duration>) -> Option<Instant> {
    limit.and_then(|limit| Instant::now().checked_add(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(offset: u64, length: u64) -> PackedBlob {
        let (offset, length) = (offset as u32, length as u32);
        let id = Digest([1; 32]);
        PackedBlob { id, kind: BlobKind::Data, offset, length, uncompressed_length: None }
    }

    /// How many of `blobs` each request brings.
    fn requests(blobs: &[PackedBlob]) -> Vec<usize> {
        runs(blobs).map(<[_]>::len).collect()
    }

    #[test]
    fn blobs_that_lie_near_are_fetched_together_up_to_a_limit() {
        assert_eq!(requests(&[]), [0; 0]);
        let near = [blob(10, 100), blob(110, 100), blob(210 + GAP_BYTES, 100)];
        assert_eq!(requests(&near), [3]);
        assert_eq!(requests(&[blob(10, 100), blob(111 + GAP_BYTES, 100)]), [1, 1]);
        // What an index places on top of one another is never cut out of one answer.
        assert_eq!(requests(&[blob(10, 100), blob(109, 100)]), [1, 1]);

        // The limit counts from where the request begins, each time anew.
        let half = REQUEST_BYTES / 2;
        let exact = [blob(50, half), blob(50 + half, half), blob(50 + 2 * half, half)];
        assert_eq!(requests(&exact), [2, 1]);
        let more = [blob(50, half), blob(50 + half, half + 1), blob(51 + 2 * half, half - 1)];
        assert_eq!(requests(&more), [1, 2]);
    }

    #[test]
    fn what_is_stored_again_is_what_its_name_says() {
        let key = MasterKey::generate().unwrap();
        let mut expander = Expander::new().unwrap();
        let plain = b"plain".repeat(100);
        let squeezed = zstd::bulk::compress(&plain, 3).unwrap();
        let mut judge = |sealed: &[u8], id: &[u8], length: Option<u32>| {
            let blob = PackedBlob { id: sha256(id), uncompressed_length: length, ..blob(0, 0) };
            verify(&key, &mut expander, &blob, sealed).map_err(|error| error.kind())
        };
        let (whole, small) = (key.seal(&plain).unwrap(), key.seal(&squeezed).unwrap());
        assert_eq!(judge(&whole, &plain, None), Ok(()));
        assert_eq!(judge(&small, &plain, Some(500)), Ok(()));
        let corrupt = Err(crate::ErrorKind::Corrupt);
        assert_eq!(judge(&whole, b"other", None), corrupt);
        assert_eq!(judge(&small, b"other", Some(500)), corrupt);
        // Good in itself, but not as the index says.
        assert_eq!(judge(&small, &plain, None), corrupt);
        assert!(judge(&whole, &plain, Some(500)).is_err());
        assert!(judge(&small, &plain, Some(499)).is_err());
        assert!(judge(&small, &plain, Some(501)).is_err());
        assert_eq!(judge(&small, &plain, Some(limits::BLOB_BYTES_MAX as u32 + 1)), corrupt);
        let mut broken = whole;
        broken[20] ^= 1;
        assert_eq!(judge(&broken, &plain, None), corrupt);
    }
}
