//! Removes what no snapshot needs, in two phases: a first prune stores again what is still needed of thinly used packs and
//! marks packs for deletion; a prune at least a day later deletes marked packs that nobody came to need meanwhile.
//!
//! The work itself is done by a pinned `rustic_core`, which is named in `rustic.rs` and nowhere else. What stands around
//! it is ours: restic's exclusive lock, held and refreshed throughout; rules that keep it from deleting anything that was
//! not marked before; a look at everything it writes; and a check afterwards.

mod bridge;
mod limit;
mod options;
mod progress;
mod rules;
mod rustic;

use std::sync::Arc;

pub use limit::PruneLimit;
pub use options::{PruneOptions, PruneProgress, PruneReport};

use crate::check::{CheckOptions, CheckReport};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::LockGuard;
use crate::open::Repository;
use bridge::{Access, Bridge, StopOnDrop};
use rules::Rules;

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
