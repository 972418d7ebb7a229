use std::collections::HashSet;
use std::time::Duration;

use lockgate_types::Digest;

use crate::error::{Error, ErrorKind, Result};
use crate::format::{IndexFile, IndexPack, Snapshot, Time};
use crate::layout::FileKind;
use crate::open::Repository;

/// Most blobs of a pack that the engine counts right: it has 16 bits for them, and a pack with 65,536 used blobs would
/// look unused to it (`PackInfo` in `commands/prune.rs` of rustic_core 0.13.0).
const BLOBS_OF_PACK_MAX: usize = 65_535;

/// What was there before the engine started, and so what it must see and what it may delete.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// A listing without one of these is not to be trusted.
    pub snapshots: HashSet<Digest>,
    /// The same; and no other index may be deleted.
    pub indexes: HashSet<Digest>,
    /// Packs that were marked long enough ago and are not in use: all that may be deleted.
    pub removable: HashSet<Digest>,
}

impl Rules {
    /// Reads all indexes.
    pub(super) async fn load(
        repository: &Repository,
        snapshots: &[Snapshot],
        keep_marked: Duration,
    ) -> Result<Self> {
        let files = repository.list_files(FileKind::Index).await?;
        let indexes = files.iter().map(|file| file.id).collect();
        let snapshots = snapshots.iter().map(|snapshot| snapshot.id).collect();
        let now = Time::now().timestamp.seconds;
        let latest = now.saturating_sub(i64::try_from(keep_marked.as_secs()).unwrap_or(i64::MAX));
        let (mut removable, mut live) = (HashSet::new(), HashSet::new());
        repository
            .load_files(FileKind::Index, files, |id, json| {
                let index = IndexFile::parse(&json)
                    .map_err(|error| error.at(format_args!("file index/{id}")))?;
                for pack in index.packs.iter().chain(&index.packs_to_delete) {
                    check_pack(pack)?;
                }
                live.extend(index.packs.iter().map(|pack| pack.id));
                let is_old = |pack: &&IndexPack| {
                    pack.time.is_some_and(|time| time.timestamp.seconds <= latest)
                };
                let old = index.packs_to_delete.iter().filter(is_old);
                removable.extend(old.map(|pack| pack.id));
                Ok(())
            })
            .await?;
        removable.retain(|pack| !live.contains(pack));
        Ok(Self { snapshots, indexes, removable })
    }
}

/// Refuses what the engine would treat wrongly.
fn check_pack(pack: &IndexPack) -> Result<()> {
    let refuse = |why: String| {
        let text = format!("pack {} cannot be pruned here: {why}", pack.id.short());
        let hint = "run `restic prune` on this repository once";
        Err(Error::new(ErrorKind::UnsupportedVersion, text).with_hint(hint))
    };
    let count = pack.blobs.len();
    if count > BLOBS_OF_PACK_MAX {
        return refuse(format!("it has {count} blobs, and {BLOBS_OF_PACK_MAX} can be counted"));
    }
    // Very old repositories have such packs; the engine takes all blobs for what the first one is.
    let first = pack.blobs.first().map(|blob| blob.kind);
    if pack.blobs.iter().any(|blob| Some(blob.kind) != first) {
        return refuse("it holds trees and content of files".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{BlobKind, PackedBlob};

    fn pack(count: usize, last: BlobKind) -> IndexPack {
        let blob = |kind| PackedBlob {
            id: Digest([1; 32]),
            kind,
            offset: 0,
            length: 33,
            uncompressed_length: None,
        };
        let mut blobs = vec![blob(BlobKind::Data); count - 1];
        blobs.push(blob(last));
        IndexPack { id: Digest([2; 32]), blobs, time: None, size: None }
    }

    #[test]
    fn packs_that_the_engine_would_miscount_or_mix_up_are_refused() {
        assert!(check_pack(&pack(BLOBS_OF_PACK_MAX, BlobKind::Data)).is_ok());
        let many = check_pack(&pack(BLOBS_OF_PACK_MAX + 1, BlobKind::Data)).unwrap_err();
        assert_eq!(many.kind(), ErrorKind::UnsupportedVersion);
        assert!(check_pack(&pack(2, BlobKind::Tree)).is_err());
        assert!(check_pack(&pack(1, BlobKind::Tree)).is_ok());
    }
}
