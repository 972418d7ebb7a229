use lockgate_repository::{Reader, Repository, Rescued, Snapshot};

use crate::manifest::{Manifest, read_manifests};
use crate::progress::Event;
use crate::{Host, Result};

/// A snapshot with its repository's index read: once, whatever is restored from it, and the same one for all its sources.
#[derive(Debug)]
pub struct Archived {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// What it says of its sources; nothing when another program wrote it.
    pub manifests: Vec<Manifest>,
    pub(super) reader: Reader,
}

impl Archived {
    /// Opens the snapshot that `selector` names: `latest`, `latest~N` or the start of an id.
    ///
    /// # Errors
    /// When there is none, or the index or the manifests cannot be read.
    pub fn open(host: &Host, repository: &Repository, selector: &str) -> Result<Self> {
        Self::open_with(host, repository, selector, &[])
    }

    /// The same; what cannot be read there is read in `others`, which hold the same, in this order.
    ///
    /// # Errors
    /// As [`Self::open`]. One of the others that cannot be read is left out.
    pub fn open_with(
        host: &Host,
        repository: &Repository,
        selector: &str,
        others: &[(String, Repository)],
    ) -> Result<Self> {
        host.observer.event(&Event::Stage("select"));
        host.runtime.block_on(async {
            let snapshot = repository.snapshot(selector).await?;
            let reader = repository.reader().await?;
            let mut readers = Vec::new();
            for (name, other) in others {
                match other.reader().await {
                    Ok(reader) => readers.push((name.clone(), reader)),
                    Err(error) => tracing::warn!(repository = name, %error, "it is left out"),
                }
            }
            let reader = reader.or(readers);
            let manifests = read_manifests(&reader, &snapshot).await?;
            Ok(Self { snapshot, manifests, reader })
        })
    }

    /// What was read in other repositories so far.
    #[must_use]
    pub fn rescued(&self) -> Vec<Rescued> {
        self.reader.rescued()
    }
}
