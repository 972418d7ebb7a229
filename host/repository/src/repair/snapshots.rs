use std::collections::{HashMap, HashSet};

use lockgate_types::Digest;

use super::report::{RepairedSnapshot, SnapshotRepair};
use super::rewrite::{Damage, Loss, Rewriter};
use crate::check::{is_about_object, list_packs};
use crate::error::{Error, ErrorKind, Result};
use crate::format::Snapshot;
use crate::layout::FileKind;
use crate::lock::LockGuard;
use crate::open::Repository;
use crate::snapshots::Selection;
use crate::write::WriteOptions;

/// The tag of a snapshot that lacks what was damaged; restic's own.
pub const REPAIRED: &str = "repaired";

impl Repository {
    /// Writes, for each of the chosen snapshots in which something is damaged, another one without that: files without the
    /// content that is lost, folders that cannot be read without what was in them. It carries the tag [`REPAIRED`], and the
    /// damaged one as `original`. With `forget` the damaged ones go, those included of which nothing can be read.
    ///
    /// # Errors
    /// `Conflict` when the index has to be repaired first; `Locked`, `Storage`.
    pub async fn repair_snapshots(
        &self,
        selection: &Selection,
        forget: bool,
        dry_run: bool,
    ) -> Result<SnapshotRepair> {
        let lock = self.lock_exclusive().await?;
        let repaired = self.repair_snapshots_locked(selection, forget, dry_run, &lock).await;
        let released = lock.release().await;
        let report = repaired?;
        released.map(|()| report)
    }

    async fn repair_snapshots_locked(
        &self,
        selection: &Selection,
        forget: bool,
        dry_run: bool,
        lock: &LockGuard,
    ) -> Result<SnapshotRepair> {
        let mut report = SnapshotRepair { dry_run, ..SnapshotRepair::default() };
        let snapshots = match selection.snapshots.is_empty() {
            true => self.readable_snapshots(selection, &mut report).await?,
            false => self.select(selection).await?,
        };
        let reader = self.reader().await.map_err(index_first)?;
        let there = list_packs(self, drop).await?;
        if let Some(lost) = reader.index().packs().find(|id| !there.contains_key(id)) {
            let text = format!("the index names pack {}, which is not there", lost.short());
            return Err(index_first(Error::new(ErrorKind::Conflict, text)));
        }
        let roots = snapshots.iter().map(|snapshot| snapshot.tree);
        let damage = Damage::find(&reader, roots).await?;
        let (damaged, whole): (Vec<Snapshot>, Vec<Snapshot>) =
            snapshots.into_iter().partition(|snapshot| damage.reaches(&snapshot.tree));
        report.whole = whole.len() as u64;

        let mut trees = HashMap::new();
        if !dry_run && !damaged.is_empty() {
            let writer = self.writer_under(WriteOptions::default(), &HashSet::new()).await?;
            let mut rewriter = Rewriter::new(&reader, &damage, &writer);
            let roots: HashSet<Digest> = damaged.iter().map(|snapshot| snapshot.tree).collect();
            let mut rewritten = Ok(());
            for root in roots {
                match rewriter.rewrite(root).await {
                    Ok(tree) => trees.extend(tree.map(|tree| (root, tree))),
                    Err(error) => rewritten = Err(error),
                }
            }
            match rewritten {
                Ok(()) => writer.finish_blobs(lock).await?,
                Err(error) => {
                    writer.abort().await;
                    return Err(error);
                }
            }
        }
        for old in damaged {
            let loss = damage.below(&old.tree);
            let tree = trees.get(&old.tree).copied();
            let one = self.replace(old, tree, loss, forget && !dry_run, &whole, lock).await?;
            report.repaired.push(one);
        }
        if forget && !dry_run {
            for id in &report.unreadable {
                lock.ensure_held()?;
                self.delete_file(FileKind::Snapshot, id).await?;
            }
        }
        Ok(report)
    }

    /// Writes the snapshot with another tree, unless an earlier repair has, and removes the old one when it has to go.
    async fn replace(
        &self,
        old: Snapshot,
        tree: Option<Digest>,
        loss: Loss,
        forget: bool,
        whole: &[Snapshot],
        lock: &LockGuard,
    ) -> Result<RepairedSnapshot> {
        // While both are there, whoever has one of them shall find the other; later, whoever has the first id of all.
        let original = if forget { old.original.unwrap_or(old.id) } else { old.id };
        let is_its = |it: &&Snapshot| Some(it.tree) == tree && it.original == Some(old.id);
        let mut new = whole.iter().find(is_its).cloned();
        if let (None, Some(tree)) = (&new, tree) {
            let mut tags = old.tags.clone();
            if !tags.iter().any(|tag| tag == REPAIRED) {
                tags.push(REPAIRED.to_owned());
            }
            let original = Some(original);
            // Its figures were those of what is lost too.
            let amended = Snapshot { tree, tags, original, summary: None, ..old.clone() };
            new = Some(self.save_amended(amended).await?);
        }
        if forget {
            lock.ensure_held()?;
            self.delete_file(FileKind::Snapshot, &old.id).await?;
        }
        let Loss { files, folders, bytes } = loss;
        Ok(RepairedSnapshot { old, new, files, folders, bytes, is_forgotten: forget })
    }

    async fn readable_snapshots(
        &self,
        selection: &Selection,
        report: &mut SnapshotRepair,
    ) -> Result<Vec<Snapshot>> {
        let mut snapshots = Vec::new();
        for file in self.list_files(FileKind::Snapshot).await? {
            match self.load::<Snapshot>(file).await {
                Ok(snapshot) if selection.filter.takes(&snapshot) => snapshots.push(snapshot),
                Ok(_) => {}
                Err(error) if error.is_of_missing_file() => {}
                Err(error) if !is_about_object(&error) => return Err(error),
                Err(error) => {
                    tracing::warn!(snapshot = %file.id.short(), %error, "a snapshot cannot be read");
                    report.unreadable.push(file.id);
                }
            }
        }
        snapshots.sort_by_key(|snapshot| (snapshot.time.timestamp, snapshot.id));
        Ok(snapshots)
    }
}

fn index_first(error: Error) -> Error {
    error.with_hint("run `lockgate repair index` first")
}
