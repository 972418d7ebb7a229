//! What there is: packs, who marks them and since when, and how much of each is needed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lockgate_storage::Object;
use lockgate_types::{Digest, Timestamp};

use super::needs::{Needs, NeedsBuilder};
use super::progress::Observed;
use super::walk::{TreePlaces, walk};
use crate::check::expected_size;
use crate::error::{Error, Result};
use crate::format::{BlobKind, IndexFile, IndexPack, Snapshot};
use crate::layout::{DATA_FOLDER, FileKind, ListedFile, pack_of};
use crate::open::Repository;

/// Everything a plan is made of; about 90 bytes a pack beside the [`Needs`].
pub(super) struct Survey {
    /// Snapshots whose needs were looked at.
    pub(super) snapshots: HashSet<Digest>,
    /// Index files.
    pub(super) files: Vec<ListedFile>,
    pub(super) needs: Arc<Needs>,
    /// Packs that index files name.
    pub(super) packs: HashMap<Digest, PackState>,
    /// Packs that no index names.
    pub(super) unnamed: Vec<UnnamedPack>,
}

/// A pack that is there and that no index names: of a run that broke off, or of one that goes on.
pub(super) struct UnnamedPack {
    pub(super) id: Digest,
    pub(super) size: u64,
    pub(super) modified: Option<Timestamp>,
}

/// What indexes and the listing say of a pack.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PackState {
    /// An index has it in use.
    pub(super) is_live: bool,
    /// An index marks it.
    pub(super) is_marked: bool,
    /// It is in the listing.
    pub(super) is_there: bool,
    /// It holds trees.
    pub(super) has_trees: bool,
    /// When the newest index file was stored that has it in use, or that marks it. Unknown where a storage tells no times.
    pub(super) live_since: Option<Timestamp>,
    pub(super) marked_since: Option<Timestamp>,
    /// Of all its blobs as they are sealed, and of those that are needed and that no better pack holds.
    pub(super) bytes: u32,
    pub(super) bytes_used: u32,
    /// The whole file.
    pub(super) size: u32,
}

impl Survey {
    /// Looks at snapshots first, then at indexes, then at packs: writers work the other way round.
    pub(super) async fn take(
        repository: &Repository,
        snapshots: &[Snapshot],
        observed: &Observed,
    ) -> Result<Self> {
        let files = repository.list_files(FileKind::Index).await?;
        let step = observed.step("reading index", false);
        step.set_total(2 * files.len() as u64);
        let (mut packs, mut trees) = (HashMap::new(), TreePlaces::default());
        let mut needs = NeedsBuilder::new()?;
        let times: HashMap<Digest, Option<Timestamp>> =
            files.iter().map(|file| (file.id, file.modified)).collect();
        repository
            .load_files(files.clone(), |id, index: IndexFile| {
                step.advance(1);
                let time = times.get(&id).copied().flatten();
                for (pack, is_mark) in both(&index) {
                    note(packs.entry(pack.id).or_default(), pack, is_mark, time)?;
                    trees.add(pack);
                    pack.blobs.iter().for_each(|blob| needs.add(blob.kind, &blob.id));
                }
                Ok(())
            })
            .await?;
        let needs = Arc::new(crate::layout::off_reactor(move || needs.finish()).await);
        let unnamed = list(repository, &mut packs).await?;
        let is_there = |id: &_| packs.get(id).is_some_and(|state: &PackState| state.is_there);
        let source = trees.finish(repository, is_there).await;
        let walking = observed.step("finding what snapshots need", false);
        let roots = snapshots.iter().map(|snapshot| snapshot.tree);
        walk(&source, &needs, roots, |trees| walking.advance(trees)).await?;
        drop(source);
        let snapshots = snapshots.iter().map(|snapshot| snapshot.id).collect();
        let mut survey = Self { snapshots, files, needs, packs, unnamed };
        survey.count(repository, || step.advance(1)).await?;
        survey.ensure_there()?;
        Ok(survey)
    }

    /// Finds out for each pack how much of it is needed. Of several places of a blob the one in a pack that is in use counts,
    /// then that in a pack that is about to be marked, then that in a marked one; one that is gone comes last, so that what
    /// it would count for is lost.
    async fn count(&mut self, repository: &Repository, mut done: impl FnMut()) -> Result<()> {
        let (needs, packs) = (&self.needs, &mut self.packs);
        let mut later: [Vec<IndexPack>; 3] = Default::default();
        repository
            .load_files(self.files.clone(), |_, index: IndexFile| {
                done();
                for (pack, _) in both(&index) {
                    match packs.get_mut(&pack.id) {
                        Some(state) if !state.is_there => later[2].push(pack.clone()),
                        Some(state) if state.is_marked => {
                            later[usize::from(!state.is_live)].push(pack.clone());
                        }
                        Some(state) => state.count(pack, needs),
                        None => {}
                    }
                }
                Ok(())
            })
            .await?;
        for pack in later.iter().flatten() {
            if let Some(state) = packs.get_mut(&pack.id) {
                state.count(pack, needs);
            }
        }
        Ok(())
    }

    fn ensure_there(&self) -> Result<()> {
        let lost = self.packs.iter().find(|(_, state)| !state.is_there && state.bytes_used > 0);
        match lost {
            None => Ok(()),
            Some((id, _)) => {
                let text = "it holds what snapshots need, and is not there";
                Err(Error::corrupt(format!("pack {}", id.short()), text))
            }
        }
    }
}

impl PackState {
    /// A pack may be named several times, with all of its blobs, some or none: each blob is claimed once.
    fn count(&mut self, pack: &IndexPack, needs: &Needs) {
        let claimed = pack.blobs.iter().filter(|blob| needs.claim(blob.kind, &blob.id));
        self.bytes_used = claimed.fold(self.bytes_used, |sum, it| sum.saturating_add(it.length));
    }

    pub(super) fn bytes_unused(&self) -> u32 {
        self.bytes.saturating_sub(self.bytes_used)
    }
}

/// Notes which packs are there; those that no index names.
async fn list(
    repository: &Repository,
    packs: &mut HashMap<Digest, PackState>,
) -> Result<Vec<UnnamedPack>> {
    let mut unnamed = Vec::new();
    for Object { name, size, modified } in repository.storage().list(DATA_FOLDER).await? {
        let Some(id) = pack_of(&name) else { continue };
        match packs.get_mut(&id) {
            Some(state) => state.is_there = true,
            None => unnamed.push(UnnamedPack { id, size, modified }),
        }
    }
    Ok(unnamed)
}

fn note(
    state: &mut PackState,
    pack: &IndexPack,
    is_mark: bool,
    time: Option<Timestamp>,
) -> Result<()> {
    let newest = |known: &mut Option<Timestamp>, is_first: bool| {
        // One that is not known hides all others: nobody can say that it is not the newest.
        *known = if is_first { time } else { known.zip(time).map(|(one, other)| one.max(other)) };
    };
    if is_mark {
        newest(&mut state.marked_since, !state.is_marked);
        state.is_marked = true;
    } else {
        newest(&mut state.live_since, !state.is_live);
        state.is_live = true;
    }
    if state.bytes == 0 {
        let bytes: u64 = pack.blobs.iter().map(|blob| u64::from(blob.length)).sum();
        let size = match pack.blobs.is_empty() {
            true => u64::from(pack.size.unwrap_or(0)),
            false => expected_size(&pack.blobs),
        };
        let whole = |bytes: u64| {
            u32::try_from(bytes).map_err(|_| {
                let what = format!("index of pack {}", pack.id.short());
                Error::corrupt(what, "it would have more than 4 GiB")
            })
        };
        (state.bytes, state.size) = (whole(bytes)?, whole(size)?);
        state.has_trees = pack.blobs.iter().any(|blob| blob.kind == BlobKind::Tree);
    }
    Ok(())
}

/// All packs of an index file, and whether it marks them.
pub(super) fn both(index: &IndexFile) -> impl Iterator<Item = (&IndexPack, bool)> {
    let live = index.packs.iter().map(|pack| (pack, false));
    live.chain(index.packs_to_delete.iter().map(|pack| (pack, true)))
}
