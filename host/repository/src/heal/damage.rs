use std::collections::{BTreeSet, HashSet};

use lockgate_types::Digest;

use crate::check::{CheckReport, Trouble};
use crate::error::{Error, Result};

/// What a check found that can be put in order.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// Packs that are not there, or not what they should be.
    pub packs: HashSet<Digest>,
    /// Those of them that are not there.
    pub packs_missing: HashSet<Digest>,
    /// Blobs that no pack holds.
    pub blobs: BTreeSet<Digest>,
}

impl Damage {
    /// # Errors
    /// `Corrupt` for an index that cannot be read: nobody knows what it named.
    pub(super) fn of(report: &CheckReport, given_up: &HashSet<Digest>) -> Result<Self> {
        let mut damage = Self::default();
        for finding in &report.findings {
            let pack = finding.object.rsplit('/').next().and_then(|name| name.parse().ok());
            match (finding.trouble, pack) {
                (Trouble::Index, _) => {
                    let error = Error::corrupt(format!("file {}", finding.object), &finding.detail);
                    return Err(error.with_hint(
                        "have the index made anew from the packs first, with `restic repair index`",
                    ));
                }
                (Trouble::PackMissing, Some(pack)) => {
                    damage.packs.insert(pack);
                    damage.packs_missing.insert(pack);
                }
                (
                    Trouble::PackSize
                    | Trouble::PackName
                    | Trouble::PackHeader
                    | Trouble::PackUnreadable
                    | Trouble::Placement
                    | Trouble::Blob
                    | Trouble::Tree,
                    Some(pack),
                ) => {
                    damage.packs.insert(pack);
                }
                (Trouble::BlobMissing, _) => {
                    damage.blobs.extend(finding.blob.filter(|blob| !given_up.contains(blob)));
                }
                _ => {}
            }
        }
        Ok(damage)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packs.is_empty() && self.blobs.is_empty()
    }
}
