use lockgate_repository::{Reader, Repository, Snapshot};
use lockgate_types::Name;
use tokio::runtime::Handle;

use super::parent_folders::ParentFolders;
use crate::manifest::{Manifest, read_manifest};
use crate::{Result, manifest};

/// The snapshot that a new one follows.
pub(super) struct Parent {
    pub snapshot: Snapshot,
    pub manifest: Option<Manifest>,
    reader: Reader,
    runtime: Handle,
}

impl Parent {
    pub async fn open(
        repository: &Repository,
        snapshot: Snapshot,
        source: &Name,
        runtime: Handle,
    ) -> Result<Self> {
        let reader = repository.reader().await?;
        let manifest = read_manifest(&reader, &snapshot, source).await?;
        Ok(Self { snapshot, manifest, reader, runtime })
    }

    /// What the plugin said then, for it to continue from.
    pub fn mark(&self) -> Option<Vec<u8>> {
        manifest::mark(self.manifest.as_ref()?)
    }

    pub fn folders(&self) -> ParentFolders {
        ParentFolders::new(self.reader.clone(), self.runtime.clone(), self.snapshot.tree)
    }
}
