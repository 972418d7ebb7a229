//! Which snapshots a command means.

use clap::Args;
use lockgate_repository::{Filter, Selection};

/// Snapshots by what they say of themselves.
#[derive(Args)]
pub struct SnapshotFilter {
    /// Only snapshots of this host; may be given again
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Only snapshots of this source; may be given again, and then all of them must be in it
    #[arg(long = "source", value_name = "SOURCE")]
    sources: Vec<String>,
    /// Only snapshots of this path, as restic keeps it; may be given again
    #[arg(long = "path", value_name = "PATH")]
    paths: Vec<String>,
    /// Only snapshots with all of these tags; may be given again for others
    #[arg(long = "tag", value_name = "TAG,TAG")]
    tags: Vec<String>,
}

impl SnapshotFilter {
    /// These snapshots, or those that pass.
    pub fn select(&self, snapshots: &[String]) -> Selection {
        let sources = self.sources.iter().map(|source| format!("/{source}"));
        let lists = self.tags.iter().map(|tags| tags.split(',').map(str::to_owned).collect());
        let filter = Filter {
            hosts: self.hosts.clone(),
            paths: sources.chain(self.paths.iter().cloned()).collect(),
            tags: lists.collect(),
        };
        Selection { snapshots: snapshots.to_vec(), filter }
    }

    /// Whether all snapshots pass.
    pub fn is_empty(&self) -> bool {
        self.select(&[]).filter == Filter::default()
    }
}
