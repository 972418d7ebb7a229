//! Whether everything is there and is what it was. Reads, and never changes anything but its own lock.

mod data;
mod finding;
mod graph;
mod inventory;
mod locate;
mod options;
pub(crate) mod pack;
mod scan;
mod structure;
mod trees;

use std::sync::Arc;

use lockgate_types::Digest;

pub use finding::{Affected, Finding, Trouble};
pub(crate) use graph::TreeGraph;
pub(crate) use inventory::InventoryBuilder;
pub use options::{CheckOptions, CheckProgress, CheckReport, CheckStage, ReadData};
pub(crate) use pack::{Header, expected_size, header_of};
pub(crate) use scan::{Fault, Source, scan};
pub(crate) use structure::{is_about_object, list_packs};

use crate::error::Result;
use crate::open::Repository;
use data::Chosen;
use finding::Findings;
use structure::Listing;

impl Repository {
    /// Checks the repository.
    ///
    /// # Errors
    /// When the check cannot be made: the storage fails, somebody holds an exclusive lock. Damage is not an error but a
    /// finding.
    pub async fn check(&self, options: CheckOptions) -> Result<CheckReport> {
        let lock = match options.lock {
            true => Some(self.lock_shared().await?),
            false => None,
        };
        let checked = self.check_locked(&options).await;
        if let Some(lock) = lock {
            lock.release().await?;
        }
        checked
    }

    pub(crate) async fn check_locked(&self, options: &CheckOptions) -> Result<CheckReport> {
        let report = |stage, done, total| {
            if let Some(observer) = &options.observer {
                observer(CheckProgress { stage, done, total });
            }
        };
        report(CheckStage::Structure, 0, 0);
        let mut findings = Findings::default();
        structure::keys(self, &mut findings).await?;
        // Readers look at snapshots first, then at indexes, then at packs: writers work the other way round.
        let snapshots = structure::snapshots(self, &mut findings).await?;
        let (mut inventory, indexes) = structure::inventory(self, &mut findings).await?;
        let packs = structure::packs(self, &mut inventory, &mut findings).await?;
        let source = Source { repository: self.clone(), inventory: Arc::new(inventory) };

        let roots: Vec<Digest> = snapshots.iter().map(|snapshot| snapshot.tree).collect();
        let walked = trees::walk(&source, &roots, &mut findings, |done| {
            report(CheckStage::Trees, done, 0);
        })
        .await?;

        let chosen = choose(&source, &packs.listing, options.read_data)?;
        let (packs_read, bytes_read) =
            (chosen.len() as u64, chosen.iter().map(|pack| pack.size).sum());
        if !chosen.is_empty() {
            let mut done = 0;
            report(CheckStage::Data, 0, bytes_read);
            data::read(&source, chosen, &mut findings, |bytes| {
                done += bytes;
                report(CheckStage::Data, done, bytes_read);
            })
            .await?;
        }
        report(CheckStage::Locate, 0, 0);
        locate::locate(&source, &walked, &snapshots, &mut findings).await?;

        let (findings, findings_more, critical) = findings.finish();
        Ok(CheckReport {
            findings,
            findings_more,
            critical,
            snapshots: snapshots.len() as u64,
            indexes,
            packs: source.inventory.packs().len() as u64,
            bytes_stored: packs.listing.values().sum(),
            blobs: source.inventory.blob_count(),
            blobs_duplicate: source.inventory.duplicates(),
            packs_marked: source.inventory.marked().len() as u64,
            packs_unreferenced: packs.unreferenced,
            bytes_unreferenced: packs.bytes_unreferenced,
            trees: walked.graph.trees().len() as u64,
            files: walked.files,
            packs_read,
            bytes_read,
        })
    }
}

/// The packs to read whole, those that are there.
fn choose(source: &Source, listing: &Listing, read_data: ReadData) -> Result<Vec<Chosen>> {
    let mut seed = [0; 8];
    crate::seal::random(&mut seed)?;
    let seed = u64::from_le_bytes(seed);
    let is_chosen = |id: &Digest| match read_data {
        ReadData::None => false,
        ReadData::All => true,
        // As `restic check --read-data-subset=n/t` splits: by the first byte of the name.
        ReadData::Part { index, of } => id.0[0] % of.max(1) == index.wrapping_sub(1),
        ReadData::Percent(percent) => draw(id, seed) < percent / 100.0,
        ReadData::Bytes(_) => true,
    };
    let inventory = &source.inventory;
    let packs = inventory.packs().iter().enumerate();
    let mut chosen: Vec<Chosen> = packs
        .filter(|(_, pack)| is_chosen(&pack.id))
        .filter_map(|(number, pack)| Some(Chosen { number, size: *listing.get(&pack.id)? }))
        .collect();
    if let ReadData::Bytes(bytes) = read_data {
        let place = |pack: &Chosen| {
            let id = inventory.packs().get(pack.number).map_or(Digest([0; 32]), |pack| pack.id);
            draw(&id, seed)
        };
        chosen.sort_by(|left, right| place(left).total_cmp(&place(right)));
        let mut sum = 0_u64;
        let is_over = |pack: &Chosen| {
            let before = sum;
            sum = sum.saturating_add(pack.size);
            before >= bytes
        };
        let end = chosen.iter().position(is_over).unwrap_or(chosen.len());
        chosen.truncate(end);
        chosen.sort_by_key(|pack| pack.number);
    }
    Ok(chosen)
}

/// A number from 0 up to 1 that differs from run to run.
fn draw(id: &Digest, seed: u64) -> f64 {
    let top = id.0.first_chunk::<8>().map_or(0, |top| u64::from_le_bytes(*top));
    // The digest is as good as random already; the multiplication carries the seed into the upper bits that are kept.
    let mixed = (top ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_draws_about_that_many() {
        let draws = (0..10_000_u32)
            .map(|number| draw(&crate::hash::sha256(&number.to_le_bytes()), 0x1234_5678_9abc_def0));
        let below = draws.filter(|draw| *draw < 0.25).count();
        assert!((2_200..2_800).contains(&below), "{below}");
    }
}
