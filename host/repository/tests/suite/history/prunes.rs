//! Prunes of a history: the model stays as it is, and what it says is there afterwards, whatever happened on the way.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use lockgate_repository::{PruneLimit, PruneOptions, PruneReport};
use lockgate_storage::fault::Fault;

use super::steps::{Content, Pruning, files};
use super::{Judged, World, back_up};

/// Prunes after which nothing is left that nobody needs: the first one may be late for what a broken one began, the
/// next one marks, the last one deletes.
const PRUNES_MAX: usize = 3;

impl Pruning {
    fn options(&self) -> PruneOptions {
        let mut options = PruneOptions::default();
        options.keep_marked = Duration::from_secs(3600 * u64::from(self.keep_hours));
        options.max_unused = PruneLimit::Percent(self.max_unused);
        options.max_repack = self.max_repack.map_or(PruneLimit::Unlimited, PruneLimit::Percent);
        options.merge_small = self.merge_small;
        options.max_time = self.is_hasty.then_some(Duration::ZERO);
        options.allow_no_snapshots = true;
        options
    }
}

impl World {
    pub(super) async fn prune(&self, how: &Pruning) -> Judged {
        let report = self.open().await.prune(&how.options()).await;
        let report = report.map_err(|error| error.to_string())?;
        if how.is_hasty && report.packs_repacked > 0 {
            return Err(format!("it stored packs again without time: {report:?}"));
        }
        self.check().await
    }

    /// Neither stops the other.
    pub(super) async fn prune_beside(&mut self, how: &Pruning, content: &Content) -> Judged {
        let (time, files) = (self.time(0), files(content));
        let run = tokio::spawn(back_up(self.open().await, files.clone(), time));
        let pruned = self.open().await.prune(&how.options()).await;
        let snapshot = run.await.unwrap().map_err(|error| format!("backup: {error}"))?;
        self.model.insert(snapshot.id.to_string(), (time, files));
        pruned.map_err(|error| format!("prune: {error}"))?;
        self.check().await
    }

    pub(super) async fn troubled_prune(&self, how: &Pruning, call: u64, fault: Fault) -> Judged {
        let (repository, _) = self.troubled(call, fault).await;
        let _ = repository.prune(&how.options()).await;
        self.unlock().await;
        self.check().await
    }

    /// All that is stored becomes older.
    pub(super) fn wait(&self, hours: u8) {
        make_older(self.folder.path(), Duration::from_secs(3600 * u64::from(hours)));
    }

    /// In the end a few prunes free all that no snapshot needs, whatever broke off before them.
    pub(super) async fn tidy(&self) -> Judged {
        let how = Pruning {
            keep_hours: 0,
            max_unused: 0,
            max_repack: None,
            merge_small: false,
            is_hasty: false,
        };
        for _ in 0..PRUNES_MAX {
            self.prune(&how).await?;
        }
        let mut options = how.options();
        options.dry_run = true;
        let left = self.open().await.prune(&options).await.map_err(|error| error.to_string())?;
        if !is_tidy(&left) {
            return Err(format!("something is left: {left:?}"));
        }
        self.judge().await
    }
}

fn is_tidy(left: &PruneReport) -> bool {
    let packs = [
        left.packs_marked,
        left.packs_repacked,
        left.packs_removed,
        left.packs_recovered,
        left.packs_waiting,
    ];
    packs == [0; 5] && left.bytes_unused == 0
}

fn make_older(folder: &Path, by: Duration) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            make_older(&path, by);
            continue;
        }
        let modified = fs::metadata(&path).unwrap().modified().unwrap_or(SystemTime::now());
        fs::File::open(&path).unwrap().set_modified(modified - by).unwrap();
    }
}
