use serde::Serialize;

use crate::format::NodeKind;

/// How much differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DiffReport {
    /// Files on both sides with different contents.
    pub changed_files: u64,
    /// Only on the newer side.
    pub added: DiffCount,
    /// Only on the older side.
    pub removed: DiffCount,
}

/// What one side has and the other has not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DiffCount {
    /// Files of names that the other side has not.
    pub files: u64,
    /// Folders.
    pub dirs: u64,
    /// Links, devices and the like.
    pub others: u64,
    /// Chunks in the folders that differ which those of the other side do not need.
    pub data_blobs: u64,
    /// The same for folders.
    pub tree_blobs: u64,
    /// Bytes of both before compression.
    pub bytes: u64,
}

impl DiffCount {
    pub(super) fn add(&mut self, kind: NodeKind) {
        match kind {
            NodeKind::File => self.files += 1,
            NodeKind::Directory => self.dirs += 1,
            _ => self.others += 1,
        }
    }
}
