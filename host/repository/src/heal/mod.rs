//! Replaces damaged and missing packs by what another repository holds of the same blobs.
//!
//! ```text
//! check ──► packs, blobs ──► read: the pack itself, else the other repository ──► new packs ──► indexes ──► old packs go
//! ```
//! Blobs are named by the SHA-256 of their bytes, so that it does not matter where they come from: whatever has the name
//! is the content. In every state that a broken run leaves behind, each blob that could be read before can be read still.

mod damage;
mod indexes;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use lockgate_types::Digest;
use serde::Serialize;

use crate::check::{CheckOptions, CheckReport, ReadData};
use crate::error::Result;
use crate::format::BlobKind;
use crate::layout::pack_name;
use crate::lock::LockGuard;
use crate::open::Repository;
use crate::read::{Missed, Reader};
use crate::write::{WriteOptions, Writer};
use damage::Damage;

/// Looks at the repository, each after something was put in order: a folder that was lost may hide others that were.
const ROUNDS_MAX: usize = 64;

/// How a repository is healed.
#[derive(Clone)]
#[non_exhaustive]
pub struct HealOptions {
    /// Which packs are read whole to find damage.
    pub read_data: ReadData,
    /// How new packs are written.
    pub write: WriteOptions,
    /// Whether a lock keeps others from deleting in the other repository meanwhile.
    pub lock_origin: bool,
}

impl Default for HealOptions {
    fn default() -> Self {
        Self { read_data: ReadData::None, write: WriteOptions::default(), lock_origin: true }
    }
}

/// A blob that could not be had anywhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Its name.
    pub blob: Digest,
    /// What the other repository said.
    pub why: String,
}

/// What was healed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HealReport {
    /// Packs that no index names any more.
    pub packs_replaced: u64,
    /// Those of them that were deleted, because all in them is stored again.
    pub packs_deleted: u64,
    /// Blobs that were read in the other repository.
    pub blobs_brought: u64,
    /// Blobs that were read in damaged packs and are what their names say.
    pub blobs_saved: u64,
    /// Blobs that neither has, as far as they are listed.
    pub lost: Vec<Lost>,
    /// How many there are.
    pub lost_count: u64,
    /// What the last look found.
    pub left: CheckReport,
}

impl HealReport {
    /// Most lost blobs that are listed.
    pub const LOST_MAX: usize = 1000;

    /// Whether nothing is lost and nothing damaged.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.lost_count == 0 && self.left.is_clean()
    }
}

/// One healing, with what it learns.
struct Healing<'a> {
    repository: &'a Repository,
    other: Reader,
    lock: &'a LockGuard,
    options: &'a HealOptions,
    /// Blobs that were looked for and not found.
    given_up: HashSet<Digest>,
    report: HealReport,
}

impl Repository {
    /// Stores again what is damaged here and whole in `other`, under an exclusive lock. Snapshots are not touched.
    ///
    /// # Errors
    /// `Locked`, `Invalid` when both are the same repository, `Corrupt` for an index that cannot be read, `Storage`.
    pub async fn heal(&self, other: &Repository, options: &HealOptions) -> Result<HealReport> {
        crate::copy::ensure_different(other, self)?;
        let lock = self.lock_exclusive().await?;
        let done = self.heal_from(other, &lock, options).await;
        let released = lock.release().await;
        let report = done?;
        released.map(|()| report)
    }

    async fn heal_from(
        &self,
        other: &Repository,
        lock: &LockGuard,
        options: &HealOptions,
    ) -> Result<HealReport> {
        if !options.lock_origin {
            return self.heal_locked(other, lock, options).await;
        }
        let origin = other.lock_shared().await?;
        let done = self.heal_locked(other, lock, options).await;
        let released = origin.release().await;
        let report = done?;
        released.map(|()| report)
    }

    async fn heal_locked(
        &self,
        other: &Repository,
        lock: &LockGuard,
        options: &HealOptions,
    ) -> Result<HealReport> {
        let mut healing = Healing {
            repository: self,
            other: other.reader().await?,
            lock,
            options,
            given_up: HashSet::new(),
            report: HealReport::default(),
        };
        let mut look = CheckOptions { lock: false, ..CheckOptions::default() };
        look.read_data = options.read_data;
        for _ in 0..ROUNDS_MAX {
            healing.report.left = self.check_locked(&look).await?;
            let damage = Damage::of(&healing.report.left, &healing.given_up)?;
            if damage.is_empty() {
                break;
            }
            // All data was looked at, unless there was more than could be told.
            if healing.report.left.findings_more == 0 {
                look.read_data = ReadData::None;
            }
            healing.mend(damage).await?;
        }
        Ok(healing.report)
    }
}

impl Healing<'_> {
    async fn mend(&mut self, damage: Damage) -> Result<()> {
        let named = indexes::naming(self.repository, &damage.packs).await?;
        let write = self.options.write.clone();
        let writer = Arc::new(self.repository.writer_under(write, &damage.packs).await?);
        let lost = self.bring(&writer, &damage, &named).await;
        let writer = Arc::into_inner(writer).expect("nothing is under way any more");
        let lost = match lost {
            Ok(lost) => lost,
            Err(error) => {
                writer.abort().await;
                return Err(error);
            }
        };
        writer.finish_blobs(self.lock).await?;
        for (_, blob, error) in &lost {
            self.given_up.insert(*blob);
            if self.report.lost.len() < HealReport::LOST_MAX {
                self.report.lost.push(Lost { blob: *blob, why: error.to_string() });
            }
        }
        self.report.lost_count += lost.len() as u64;
        indexes::drop_packs(self.repository, &damage.packs, &named, self.lock).await?;
        self.report.packs_replaced += named.blobs.len() as u64;
        let lost: HashSet<Digest> = lost.into_iter().map(|(_, blob, _)| blob).collect();
        for (pack, blobs) in &named.blobs {
            let is_whole = !blobs.iter().any(|(_, blob)| lost.contains(blob));
            // What still holds the only traces of something lost stays, for whoever wants to look.
            if is_whole && !damage.packs_missing.contains(pack) {
                self.lock.ensure_held()?;
                self.repository.storage().delete(&pack_name(pack)).await?;
                self.report.packs_deleted += 1;
            }
        }
        Ok(())
    }

    /// Has everything stored again that can be had; what cannot.
    async fn bring(
        &mut self,
        writer: &Arc<Writer>,
        damage: &Damage,
        named: &indexes::Naming,
    ) -> Result<Vec<Missed>> {
        let (mut here, mut there) = (Vec::new(), BTreeSet::new());
        for (pack, blobs) in &named.blobs {
            for (kind, id) in blobs.iter().filter(|(kind, id)| writer.claim(*kind, id)) {
                match damage.packs_missing.contains(pack) {
                    true => drop(there.insert((*kind, *id))),
                    false => here.push((*kind, *id)),
                }
            }
        }
        for id in &damage.blobs {
            // A finding does not tell what the blob is; names of trees and of content never meet.
            let kind = match self.other.knows(BlobKind::Tree, id) {
                true => BlobKind::Tree,
                false => BlobKind::Data,
            };
            if writer.claim(kind, id) {
                there.insert((kind, *id));
            }
        }
        let take = || {
            let writer = Arc::clone(writer);
            Arc::new(move |kind, id, plain| writer.add_blob(kind, id, plain))
        };
        let tried = here.len();
        let missed = match here.is_empty() {
            true => Vec::new(),
            false => self.repository.reader().await?.fetch_blobs(here, take()).await?,
        };
        self.report.blobs_saved += (tried - missed.len()) as u64;
        there.extend(missed.into_iter().map(|(kind, id, _)| (kind, id)));
        let tried = there.len();
        let lost = self.other.fetch_blobs(there.into_iter().collect(), take()).await?;
        self.report.blobs_brought += (tried - lost.len()) as u64;
        Ok(lost)
    }
}
