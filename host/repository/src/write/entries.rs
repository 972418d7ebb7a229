use std::sync::{PoisonError, RwLock};

use lockgate_types::{Digest, EntryPath};

use crate::error::{Error, ErrorKind, Result};
use crate::format::{Node, Time};
use crate::tree::{TreeBuilder, TreeOptions};

/// The complete entries of a run, until they are built into trees.
pub(super) struct Entries(RwLock<Option<TreeBuilder>>);

impl Entries {
    /// `time` is that of entries and folders without one.
    pub(super) fn new(time: Time) -> Self {
        Self(RwLock::new(Some(TreeBuilder::new(TreeOptions::new(time)))))
    }

    /// # Errors
    /// `Invalid` for the root or when the trees have been built, `Io` when the entries do not fit on this machine's disk.
    pub(super) fn add(&self, path: &EntryPath, node: Node) -> Result<()> {
        let builder = self.0.read().unwrap_or_else(PoisonError::into_inner);
        builder.as_ref().ok_or_else(built)?.add(path, node)
    }

    /// Builds the trees and gives each to `store`; the name of the root.
    ///
    /// # Errors
    /// `Conflict` when a path was added twice or is a file and a folder, `Io`, and those of `store`.
    pub(super) fn build(&self, store: impl FnMut(Vec<u8>) -> Result<Digest>) -> Result<Digest> {
        let builder = self.0.write().unwrap_or_else(PoisonError::into_inner).take();
        Ok(builder.ok_or_else(built)?.finish(store)?.root)
    }
}

fn built() -> Error {
    Error::new(ErrorKind::Invalid, "the trees of this run have been built")
}
