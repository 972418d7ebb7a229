//! Removes what no snapshot needs, in two phases: a first prune stores again what is still needed of thinly used packs and
//! marks packs for deletion; a prune at least a day later deletes marked packs that nobody came to need meanwhile.
//!
//! The work itself is done by a pinned `rustic_core`, which is named in `rustic.rs` and nowhere else. What stands around
//! it is ours: restic's exclusive lock, held and refreshed throughout; rules that keep it from deleting anything that was
//! not marked before; a look at everything it writes; and a check afterwards.

mod bridge;
mod limit;
mod rules;
mod rustic;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

pub use limit::PruneLimit;

use crate::check::{CheckOptions, CheckReport};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::LockGuard;
use crate::open::Repository;
use bridge::{Access, Bridge, StopOnDrop};
use rules::Rules;

/// How a repository is pruned.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PruneOptions {
    /// Nothing is written or deleted, and no lock is taken.
    pub dry_run: bool,
    /// How long a marked pack stays: longer than the longest backup of a program that takes no lock, such as rustic.
    pub keep_marked: Duration,
    /// How much of the packs may be unused before packs are stored again.
    pub max_unused: PruneLimit,
    /// How much is stored again at most in one go.
    pub max_repack: PruneLimit,
    /// Whether small packs are put together even when all of them is in use.
    pub merge_small: bool,
    /// Whether a repository without snapshots may be emptied.
    pub allow_no_snapshots: bool,
    /// Whether all that snapshots need is looked for afterwards, before the lock is given back.
    pub check: bool,
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self {
            dry_run: false,
            keep_marked: Duration::from_secs(23 * 60 * 60),
            max_unused: PruneLimit::Percent(5),
            max_repack: PruneLimit::Percent(10),
            merge_small: false,
            allow_no_snapshots: false,
            check: true,
        }
    }
}

/// What a prune did, or would do. Bytes are those of sealed blobs, without the headers of packs, but for packs that are
/// marked or removed, which count whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PruneReport {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Snapshots that were looked at.
    pub snapshots: u64,
    /// Packs that stay as they are.
    pub packs_kept: u64,
    /// Packs whose needed blobs are stored again; they are marked.
    pub packs_repacked: u64,
    /// Packs without a needed blob that are marked, those that no index named among them.
    pub packs_marked: u64,
    /// Packs that stay marked because their time has not come.
    pub packs_waiting: u64,
    /// Packs that were marked and are needed again.
    pub packs_recovered: u64,
    /// Packs that were marked long enough ago and are deleted.
    pub packs_removed: u64,
    /// Needed.
    pub bytes_used: u64,
    /// Not needed, before.
    pub bytes_unused: u64,
    /// Not needed, afterwards.
    pub bytes_unused_after: u64,
    /// Stored again.
    pub bytes_repacked: u64,
    /// In packs that are newly marked: space that a later prune frees.
    pub bytes_marked: u64,
    /// In packs that stay marked.
    pub bytes_waiting: u64,
    /// In packs that are deleted: space that is free now.
    pub bytes_removed: u64,
    /// Index files.
    pub indexes: u64,
    /// Index files that are written anew.
    pub indexes_rewritten: u64,
}

impl Repository {
    /// Prunes the repository. Whatever happens on the way, all snapshots stay whole.
    ///
    /// # Errors
    /// `Locked` while anybody uses the repository, `LockLost`, `Invalid` when there is no snapshot, `UnsupportedVersion`
    /// for packs that the engine cannot treat, `Corrupt`, `Storage`, `Maintenance`.
    pub async fn prune(&self, options: &PruneOptions) -> Result<PruneReport> {
        if options.dry_run {
            let rules = self.prune_rules(options).await?;
            let (done, _) = self.run_prune(rules, Access::Reading, options).await;
            return done;
        }
        let lock = self.lock_exclusive().await?;
        let (done, lock) = match self.prune_rules(options).await {
            Ok(rules) => self.run_prune(rules, Access::Writing(lock), options).await,
            Err(error) => (Err(error), Some(lock)),
        };
        let checked = match (&done, &lock) {
            (Ok(_), Some(lock)) if options.check => self.check_pruned(lock).await,
            _ => Ok(()),
        };
        let released = match lock {
            Some(lock) => lock.release().await,
            None => Ok(()),
        };
        let report = done?;
        checked?;
        released.map(|()| report)
    }

    /// Looks at everything the engine will rely on before it is started.
    async fn prune_rules(&self, options: &PruneOptions) -> Result<Rules> {
        let snapshots = self.snapshots().await?;
        if snapshots.is_empty() && !options.allow_no_snapshots {
            let text = "the repository has no snapshots: a prune would remove everything in it";
            let error = Error::new(ErrorKind::Invalid, text);
            return Err(
                error.with_hint("check the location; allow it explicitly to empty the repository")
            );
        }
        Rules::load(self, &snapshots, options.keep_marked).await
    }

    /// Lets the engine work; gives the lock back once nothing of the engine can write any more.
    async fn run_prune(
        &self,
        rules: Rules,
        access: Access,
        options: &PruneOptions,
    ) -> (Result<PruneReport>, Option<LockGuard>) {
        let bridge = Bridge::new(self.clone(), rules, access, tokio::runtime::Handle::current());
        let _stop = StopOnDrop(Arc::clone(&bridge));
        let (engine, settings) = (Arc::clone(&bridge), options.clone());
        let done = tokio::task::spawn_blocking(move || rustic::prune(&engine, &settings)).await;
        let closing = Arc::clone(&bridge);
        let lock = crate::layout::off_reactor(move || closing.close()).await;
        let done = done.unwrap_or_else(|panic| {
            let text = format!("the prune engine stopped: {panic}");
            Err(Error::new(ErrorKind::Maintenance, text))
        });
        // What the storage or our rules said is the cause; the engine only tells what it was doing.
        let done = done.map_err(|error| bridge.first_error().unwrap_or(error));
        (done, lock)
    }

    /// Refuses to call a prune done after which a snapshot lacks something. Nothing is lost even then: what was marked is
    /// still there.
    async fn check_pruned(&self, lock: &LockGuard) -> Result<()> {
        let options = CheckOptions { lock: false, ..CheckOptions::default() };
        let report: CheckReport = self.check_locked(&options).await?;
        lock.ensure_held()?;
        match report.findings.first().filter(|_| !report.is_clean()) {
            None => Ok(()),
            Some(finding) => {
                let text = format!("the check after the prune found damage: {finding}");
                let hint =
                    "run `lockgate check --read-data`; packs that were marked are still there";
                Err(Error::new(ErrorKind::Maintenance, text).with_hint(hint))
            }
        }
    }
}
