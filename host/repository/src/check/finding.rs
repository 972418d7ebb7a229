use std::collections::HashMap;
use std::fmt;

use lockgate_types::{Digest, Severity};
use serde::Serialize;

/// What is wrong, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Trouble {
    /// An object that has no place in a repository.
    Stray,
    /// A key file that does not parse or whose name is not its SHA-256.
    Key,
    /// An index that cannot be read.
    Index,
    /// A snapshot that cannot be read.
    Snapshot,
    /// A pack that an index names and that is not there.
    PackMissing,
    /// A pack that is longer or shorter than its blobs and its header.
    PackSize,
    /// A pack that no index names: left by a run that ended early, or just being written.
    PackUnreferenced,
    /// A pack whose name is not the SHA-256 of its bytes.
    PackName,
    /// A pack whose header does not open or differs from the index.
    PackHeader,
    /// A pack that could not be fetched.
    PackUnreadable,
    /// An index places a blob outside of its pack or on top of another blob.
    Placement,
    /// A blob that does not open or whose SHA-256 is another one.
    Blob,
    /// A blob that a tree or a snapshot needs and that no pack holds.
    BlobMissing,
    /// A tree that cannot be read.
    Tree,
}

impl Trouble {
    /// How grave it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::PackUnreferenced => Severity::Notice,
            Self::Stray => Severity::Warning,
            _ => Severity::Critical,
        }
    }
}

/// A place in a snapshot that a damage reaches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Affected {
    /// The snapshot.
    pub snapshot: Digest,
    /// The file or folder, from the root of the snapshot.
    pub path: String,
}

/// Something that a check noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How grave.
    pub severity: Severity,
    /// For programs.
    pub trouble: Trouble,
    /// The stored object, for example `data/1f/1f8a…`; empty for a blob that no pack holds.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub object: String,
    /// The blob, when it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blob: Option<Digest>,
    /// The cause, for people.
    pub detail: String,
    /// What cannot be restored because of it; at most [`Finding::AFFECTED_MAX`] places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub affected: Vec<Affected>,
    /// How many places there are beyond those.
    #[serde(skip_serializing_if = "is_zero")]
    pub affected_more: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Finding {
    /// Most places that one finding names.
    pub const AFFECTED_MAX: usize = 16;

    pub(super) fn new(
        trouble: Trouble,
        object: impl Into<String>,
        detail: impl fmt::Display,
    ) -> Self {
        Self {
            severity: trouble.severity(),
            trouble,
            object: object.into(),
            blob: None,
            detail: detail.to_string(),
            affected: Vec::new(),
            affected_more: 0,
        }
    }

    pub(super) fn of_blob(mut self, blob: Digest) -> Self {
        self.blob = Some(blob);
        self
    }

    pub(super) fn touches(&mut self, affected: Affected) {
        // A file that needs several blobs of a lost pack is one place.
        if self.affected.contains(&affected) {
            return;
        }
        if self.affected.len() < Self::AFFECTED_MAX {
            self.affected.push(affected);
        } else {
            self.affected_more += 1;
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.object.is_empty() {
            write!(formatter, "{}: ", self.object)?;
        }
        if let Some(blob) = &self.blob {
            write!(formatter, "blob {}: ", blob.short())?;
        }
        formatter.write_str(&self.detail)?;
        for (index, place) in self.affected.iter().enumerate() {
            let lead = if index == 0 { "; needed by" } else { "," };
            write!(formatter, "{lead} {} of snapshot {}", place.path, place.snapshot.short())?;
        }
        if self.affected_more > 0 {
            write!(formatter, " and {} more", self.affected_more)?;
        }
        Ok(())
    }
}

/// Collects findings; keeps the first [`Findings::MAX`] and counts the rest, so that a repository that lost its folder of
/// packs does not fill the memory.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    more: u64,
    critical: u64,
    /// Blobs that cannot be read, with the findings that tell why.
    blobs: HashMap<Digest, Vec<usize>>,
}

impl Findings {
    pub(super) const MAX: usize = 10_000;
    /// Blobs of which the places are looked for; those of about a hundred thousand lost packs.
    const BLOBS_MAX: usize = 1_000_000;

    pub(super) fn push(&mut self, finding: Finding) {
        let blob = finding.blob;
        self.push_with_blobs(finding, blob);
    }

    /// A finding about several blobs at once.
    pub(super) fn push_with_blobs(
        &mut self,
        finding: Finding,
        blobs: impl IntoIterator<Item = Digest>,
    ) {
        self.critical += u64::from(finding.severity == Severity::Critical);
        if self.list.len() >= Self::MAX {
            self.more += 1;
            return;
        }
        let position = self.list.len();
        self.list.push(finding);
        for blob in blobs.into_iter().take(Self::BLOBS_MAX - self.blobs.len()) {
            self.blobs.entry(blob).or_default().push(position);
        }
    }

    /// Blobs that cannot be read.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Digest> {
        self.blobs.keys()
    }

    /// Notes that a blob that cannot be read is needed at a place.
    pub(super) fn touch(&mut self, blob: &Digest, place: &Affected) {
        for position in self.blobs.get(blob).into_iter().flatten() {
            if let Some(finding) = self.list.get_mut(*position) {
                finding.touches(place.clone());
            }
        }
    }

    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }

    /// The gravest first, then by name; how many were left out; how many are critical, left out or not.
    pub(super) fn finish(mut self) -> (Vec<Finding>, u64, u64) {
        self.list.sort_by(|left, right| {
            let key = |finding: &Finding| (finding.trouble, finding.blob);
            (right.severity.cmp(&left.severity))
                .then_with(|| key(left).cmp(&key(right)))
                .then_with(|| left.object.cmp(&right.object))
        });
        (self.list, self.more, self.critical)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line_that_names_thing_cause_and_place() {
        let mut finding = Finding::new(Trouble::Blob, "data/ab/abcd", "the seal is broken")
            .of_blob(Digest([0x12; 32]));
        for index in 0..Finding::AFFECTED_MAX + 2 {
            let path = format!("/f{index}");
            finding.touches(Affected { snapshot: Digest([0x34; 32]), path });
        }
        let text = finding.to_string();
        assert!(text.starts_with(
            "data/ab/abcd: blob 12121212: the seal is broken; needed by /f0 of snapshot 34343434, /f1 of"
        ));
        assert!(text.ends_with("/f15 of snapshot 34343434 and 2 more"), "{text}");
    }

    #[test]
    fn findings_are_bounded_and_the_gravest_come_first() {
        let mut findings = Findings::default();
        for _ in 1..Findings::MAX {
            findings.push(Finding::new(Trouble::PackUnreferenced, "data/00/00", "no index"));
        }
        findings.push(Finding::new(Trouble::PackMissing, "data/01/01", "not there"));
        findings.push(Finding::new(Trouble::PackMissing, "data/02/02", "not there"));
        let (list, more, critical) = findings.finish();
        assert_eq!((list.len(), more, critical), (Findings::MAX, 1, 2));
        assert_eq!(list[0].trouble, Trouble::PackMissing);
    }
}
