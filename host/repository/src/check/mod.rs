//! Whether everything is there and is what it was. Reads, and never changes anything but its own lock.

mod data;
mod finding;
mod graph;
mod inventory;
mod locate;
mod pack;
mod scan;
mod structure;
mod trees;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use lockgate_types::Digest;
use serde::Serialize;

pub use finding::{Affected, Finding, Trouble};
pub(crate) use pack::{FetchedPack, Verifier, read_header};
pub(crate) use structure::list_packs;

use crate::error::{Error, ErrorKind, Result};
use crate::open::Repository;
use data::Chosen;
use finding::Findings;
use scan::Source;
use structure::Listing;

/// Which packs are read whole.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ReadData {
    /// None: only what names and places them is checked.
    #[default]
    None,
    /// All.
    All,
    /// One of several parts, so that a check of every part in turn reads all; the parts are those of restic.
    Part {
        /// From 1 on.
        index: u8,
        /// How many parts there are.
        of: u8,
    },
    /// A random choice of this many percent, above 0 and at most 100.
    Percent(f64),
}

/// What is checked.
#[derive(Clone)]
#[non_exhaustive]
pub struct CheckOptions {
    /// Which packs are read whole.
    pub read_data: ReadData,
    /// Whether a lock keeps others from deleting packs meanwhile. Without it a check needs no right to write, and may
    /// report what somebody just deletes.
    pub lock: bool,
    /// Is told how far the check is, from the thread that runs it.
    pub observer: Option<Arc<dyn Fn(CheckProgress) + Send + Sync>>,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { read_data: ReadData::None, lock: true, observer: None }
    }
}

/// What a check is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckStage {
    /// Reads keys, snapshots and indexes, and lists packs.
    Structure,
    /// Reads trees; counted in trees.
    Trees,
    /// Reads packs; counted in bytes.
    Data,
    /// Looks for the files that a damage reaches.
    Locate,
}

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CheckProgress {
    /// Of what.
    pub stage: CheckStage,
    /// Trees or bytes so far.
    pub done: u64,
    /// Trees or bytes in all; 0 when that is not known yet.
    pub total: u64,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// The gravest first.
    pub findings: Vec<Finding>,
    /// Findings that there was no room for.
    pub findings_more: u64,
    /// Findings that mean damage, listed or not.
    pub critical: u64,
    /// Snapshots that can be read.
    pub snapshots: u64,
    /// Index files.
    pub indexes: u64,
    /// Packs in use.
    pub packs: u64,
    /// Bytes of all packs that are there.
    pub bytes_stored: u64,
    /// Blobs in packs in use.
    pub blobs: u64,
    /// Blobs that are stored more than once, which is no damage.
    pub blobs_duplicate: u64,
    /// Packs that a prune marked for deletion.
    pub packs_marked: u64,
    /// Packs that no index names.
    pub packs_unreferenced: u64,
    /// Bytes of those.
    pub bytes_unreferenced: u64,
    /// Different trees.
    pub trees: u64,
    /// Files in those.
    pub files: u64,
    /// Packs that were read whole.
    pub packs_read: u64,
    /// Bytes of those.
    pub bytes_read: u64,
}

impl CheckReport {
    /// Whether nothing is damaged.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.critical == 0
    }
}

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
        .await;

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
        locate::locate(&source, &walked, &snapshots, &mut findings).await;

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
    };
    let inventory = &source.inventory;
    let chosen = inventory.packs().iter().filter(|pack| is_chosen(&pack.id)).filter_map(|pack| {
        let size = *listing.get(&pack.id)?;
        let blobs = inventory.entries(pack).iter().map(|entry| entry.blob).collect();
        Some(Chosen { id: pack.id, size, blobs })
    });
    Ok(chosen.collect())
}

/// A number from 0 up to 1 that differs from run to run.
fn draw(id: &Digest, seed: u64) -> f64 {
    let top = id.0.first_chunk::<8>().map_or(0, |top| u64::from_le_bytes(*top));
    // The digest is as good as random already; the multiplication carries the seed into the upper bits that are kept.
    let mixed = (top ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

impl FromStr for ReadData {
    type Err = Error;

    /// `all`, `none`, a part such as `3/10`, or a percentage such as `2.5%`.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            let text = text.escape_debug();
            let text = format!("`{text}` is no part of the data: expected all, 3/10 or 2.5%");
            Error::new(ErrorKind::Invalid, text)
        };
        if let Some((index, of)) = text.split_once('/') {
            let index: u8 = index.trim().parse().map_err(|_| refuse())?;
            let of: u8 = of.trim().parse().map_err(|_| refuse())?;
            return if index >= 1 && index <= of {
                Ok(Self::Part { index, of })
            } else {
                Err(refuse())
            };
        }
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f64 = percent.trim().parse().map_err(|_| refuse())?;
            let fits = percent > 0.0 && percent <= 100.0;
            return if fits { Ok(Self::Percent(percent)) } else { Err(refuse()) };
        }
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Debug for CheckOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { read_data, lock, observer: _ } = self;
        write!(formatter, "CheckOptions({read_data:?}, lock: {lock})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_data_parse() {
        let parse = |text: &str| text.parse::<ReadData>().ok();
        assert_eq!(parse("3/10"), Some(ReadData::Part { index: 3, of: 10 }));
        assert_eq!(parse("2.5%"), Some(ReadData::Percent(2.5)));
        assert_eq!(parse("all"), Some(ReadData::All));
        for text in ["", "0/3", "4/3", "1/0", "300/400", "0%", "101%", "NaN%", "x%", "half"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_percentage_draws_about_that_many() {
        let draws = (0..10_000_u32)
            .map(|number| draw(&crate::hash::sha256(&number.to_le_bytes()), 0x1234_5678_9abc_def0));
        let below = draws.filter(|draw| *draw < 0.25).count();
        assert!((2_200..2_800).contains(&below), "{below}");
    }
}
