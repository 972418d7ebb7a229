//! Removes what no snapshot needs, in two passes, beside running backups: a first prune stores again what is still needed of
//! thinly used packs and marks packs for deletion; a later prune deletes marked packs that nobody came to need meanwhile.
//!
//! Marks stand in index files where rustic has them (`packs_to_delete`); restic skips them. What makes both passes safe
//! beside those who write is argued in decision 18, and each step here is one of that argument:
//!
//! 1. Our lock, then the locks of others, then snapshots, then indexes, then packs: whoever is not seen in one is in the next.
//! 2. A marked pack is deleted when no snapshot needs it, no index has it in use, and everybody whose lock is there began
//!    after it was marked. Once that is so it stays so.
//! 3. Files with marks are there before the old index files go; between the two, snapshots are listed again. A backup
//!    that ends writes its snapshot and then lists index files: one of the two sees the other. Snapshots are listed once
//!    more when the old files are gone, so that none waits for its run to end, or for ever when it was killed there.
//! 4. Beside programs whose locks do not tell when they began, nothing is marked and nothing is deleted.

mod limit;
mod needs;
mod options;
mod plan;
mod progress;
mod publish;
mod repack;
mod survey;
mod walk;

use std::collections::HashSet;
use std::time::Instant;

pub use limit::PruneLimit;
use lockgate_types::Digest;
pub use options::{PruneOptions, PruneProgress, PruneReport};

use crate::check::{CheckOptions, Finding};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{IndexFile, Snapshot, Time};
use crate::layout::{FileKind, pack_name};
use crate::lock::{LockGuard, Seen};
use crate::open::Repository;
use crate::retention::{Deleted, Deleter};
use plan::{Leave, Plan};
use progress::Observed;
use publish::{IndexWriter, Published, Taken, publish, unmark};
use survey::Survey;

/// One prune under way.
struct Prune<'a> {
    repository: &'a Repository,
    lock: &'a LockGuard,
    observed: Observed,
    until: Option<Instant>,
    survey: Survey,
    plan: Plan,
}

impl Repository {
    /// Prunes the repository, beside running backups. Whatever happens on the way, all snapshots stay whole.
    ///
    /// # Errors
    /// `Locked` while another prune is at work or somebody wants to be alone, `LockLost`, `Invalid` when there is no
    /// snapshot, `Corrupt` when it cannot be found out what is needed, `Storage`, `Maintenance`.
    pub async fn prune(&self, options: &PruneOptions) -> Result<PruneReport> {
        let until = repack::end_of(options.max_time);
        if options.dry_run {
            let now = Some(Time::now().timestamp);
            let seen = Seen { now, others: self.others_beside_prune().await? };
            return Ok(self.plan_prune(&seen, options).await?.2);
        }
        let lock = self.lock_prune().await?;
        let done = self.prune_under(&lock, until, options).await;
        let released = lock.release().await;
        let report = done?;
        released.map(|()| report)
    }

    async fn prune_under(
        &self,
        lock: &LockGuard,
        until: Option<Instant>,
        options: &PruneOptions,
    ) -> Result<PruneReport> {
        let (survey, plan, mut report) = self.plan_prune(lock.seen(), options).await?;
        let observed = Observed::new(options.observer.clone());
        let mut prune = Prune { repository: self, lock, observed, until, survey, plan };
        let published = prune.run(&mut report).await?;
        if options.check {
            prune.check(&published).await?;
        }
        Ok(report)
    }

    async fn plan_prune(
        &self,
        seen: &Seen,
        options: &PruneOptions,
    ) -> Result<(Survey, Plan, PruneReport)> {
        let snapshots = self.prunable_snapshots(options).await?;
        let observed = Observed::new(options.observer.clone());
        let survey = Survey::take(self, &snapshots, &observed).await?;
        let mut report = PruneReport { dry_run: options.dry_run, ..PruneReport::default() };
        report.snapshots = snapshots.len() as u64;
        report.indexes = survey.files.len() as u64;
        let plan = Plan::new(&survey, &Leave::new(seen, options), &mut report);
        report.waits_for = seen.others.iter().map(crate::lock::Other::holder).collect();
        Ok((survey, plan, report))
    }

    async fn prunable_snapshots(&self, options: &PruneOptions) -> Result<Vec<Snapshot>> {
        let snapshots = self.snapshots().await?;
        if snapshots.is_empty() && !options.allow_no_snapshots {
            let text = "the repository has no snapshots: a prune would remove everything in it";
            let error = Error::new(ErrorKind::Invalid, text);
            return Err(
                error.with_hint("check the location; allow it explicitly to empty the repository")
            );
        }
        Ok(snapshots)
    }
}

impl Prune<'_> {
    async fn run(&mut self, report: &mut PruneReport) -> Result<Published> {
        self.recover().await?;
        let retained = self.remove(report).await?;
        let step = self.observed.step("repacking", true);
        step.set_total(report.bytes_repacked);
        let (repository, lock) = (self.repository, self.lock);
        let repacked =
            repack::repack(repository, lock, &self.survey, &self.plan, self.until, &step).await?;
        self.tell_repacked(&repacked, report);
        let published =
            publish(repository, lock, &self.survey, &self.plan, &repacked, &retained).await?;
        report.indexes_rewritten = published.written;
        self.settle(&published).await?;
        Ok(published)
    }

    /// Refuses to call a prune done after which a snapshot lacks something. Nothing is lost even then: what was marked is
    /// still there.
    async fn check(&mut self, published: &Published) -> Result<()> {
        if self.find_damage().await?.is_none() {
            return Ok(());
        }
        // A snapshot that was written just now, by a run that puts what it needs into use right after, or was ended before.
        self.put_back(published).await?;
        let Some(finding) = self.find_damage().await? else { return Ok(()) };
        let text = format!("the check after the prune found damage: {finding}");
        let hint = "run `lockgate check --read-data`; packs that were marked are still there";
        Err(Error::new(ErrorKind::Maintenance, text).with_hint(hint))
    }

    async fn find_damage(&self) -> Result<Option<Finding>> {
        let options = CheckOptions { lock: false, ..CheckOptions::default() };
        let report = self.repository.check_locked(&options).await?;
        self.lock.ensure_held()?;
        let is_clean = report.is_clean();
        Ok(report.findings.into_iter().next().filter(|_| !is_clean))
    }

    /// Puts marked packs into use that are needed again.
    async fn recover(&self) -> Result<()> {
        let recovered = &self.plan.recovered;
        if recovered.is_empty() {
            return Ok(());
        }
        let (mut found, mut taken) = (Vec::new(), Taken::default());
        self.repository
            .load_files(self.survey.files.clone(), |_, index: IndexFile| {
                let marks = index.packs_to_delete.into_iter();
                let marks =
                    marks.filter(|pack| recovered.contains(&pack.id) && !pack.blobs.is_empty());
                found.extend(marks.filter(|pack| taken.is_new(pack)));
                Ok(())
            })
            .await?;
        let mut live = IndexWriter::live(self.repository, self.lock);
        for pack in found {
            live.add(pack).await?;
        }
        live.flush().await
    }

    /// Deletes what was marked long enough ago. Index files name it until it is gone. Gives what the storage did not let go.
    async fn remove(&self, report: &mut PruneReport) -> Result<HashSet<Digest>> {
        let mut deleter = Deleter::new(self.repository);
        let mut retained = HashSet::new();
        let step = self.observed.step("deleting", false);
        step.set_total(self.plan.removed.len() as u64);
        for pack in &self.plan.removed {
            self.lock.ensure_held()?;
            let deleted = deleter.delete(&pack_name(pack)).await?;
            let size = self.survey.packs.get(pack).map_or(0, |state| u64::from(state.size));
            report.tell_deleted(deleted, size);
            if deleted == Deleted::Refused {
                retained.insert(*pack);
            }
            step.advance(1);
        }
        Ok(retained)
    }

    /// Takes out of `report` what there was no time for.
    fn tell_repacked(&self, repacked: &HashSet<Digest>, report: &mut PruneReport) {
        for id in self.plan.repacked.iter().filter(|id| !repacked.contains(*id)) {
            let Some(state) = self.survey.packs.get(id) else { continue };
            report.packs_repacked -= 1;
            report.packs_kept += 1;
            report.bytes_repacked -= u64::from(state.bytes_used);
            report.bytes_marked -= u64::from(state.size);
            report.bytes_unused_after += u64::from(state.bytes_unused());
        }
    }

    /// Takes the old index files away, once what came meanwhile is sure to find what it needs.
    async fn settle(&mut self, published: &Published) -> Result<()> {
        let (repository, lock) = (self.repository, self.lock);
        self.put_back(published).await?;
        if !published.marks.is_empty() && self.has_strangers().await? {
            // In use by the old files, and marked by the new ones: a later prune decides.
            return Ok(());
        }
        for id in &published.old {
            lock.ensure_held()?;
            // Where one must stay, its packs count as in use, and a later prune tries again.
            repository.delete_if_free(FileKind::Index, id).await?;
        }
        if !published.marks.is_empty() && self.has_strangers().await? {
            // One who began in between may have read the old files.
            unmark(repository, lock, &published.marks, |_| true).await?;
        }
        // One who looked for marks before they were there, and wrote his snapshot after the look above.
        self.put_back(published).await
    }

    /// Puts marked packs into use that snapshots need which came since the last look.
    async fn put_back(&mut self, published: &Published) -> Result<()> {
        if published.marks.is_empty() {
            return Ok(());
        }
        let snapshots = self.repository.snapshots().await?.into_iter();
        let came: Vec<Digest> = snapshots
            .filter(|snapshot| self.survey.snapshots.insert(snapshot.id))
            .map(|snapshot| snapshot.tree)
            .collect();
        if came.is_empty() {
            return Ok(());
        }
        let needs = &self.survey.needs;
        walk::walk_late(self.repository, needs, came).await?;
        unmark(self.repository, self.lock, &published.marks, |pack| {
            pack.blobs.iter().any(|blob| needs.is_late(blob.kind, &blob.id))
        })
        .await?;
        Ok(())
    }

    /// Whether somebody is there whose lock does not tell when he began, and who will not look at marks before he ends.
    async fn has_strangers(&self) -> Result<bool> {
        let others = self.repository.others_beside_prune().await?;
        Ok(others.iter().any(|other| other.since.is_none()))
    }
}

#[cfg(test)]
mod tests;
