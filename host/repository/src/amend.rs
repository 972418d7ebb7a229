//! Snapshots with other tags. A file of a repository is never changed: an amended copy is written, and then the one that it
//! stands for is removed. A run that ends in between leaves both.

use lockgate_types::Digest;

use crate::error::{Error, ErrorKind, Result};
use crate::forget::PINS;
use crate::format::{Snapshot, SnapshotEdit};
use crate::layout::{FileKind, ListedFile};
use crate::lock::LockGuard;
use crate::open::Repository;
use crate::snapshots::Selection;

/// What becomes of tags: first they are replaced, then some go, then some come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagChange {
    /// Instead of all that there are.
    pub set: Option<Vec<String>>,
    /// Go.
    pub remove: Vec<String>,
    /// Come, behind the others.
    pub add: Vec<String>,
}

/// A snapshot that another one stands for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amended {
    /// The id that it had.
    pub old: Digest,
    /// As it is now.
    pub snapshot: Snapshot,
}

impl TagChange {
    /// That no policy removes the snapshot.
    #[must_use]
    pub fn pin() -> Self {
        Self { add: vec![PINS[0].to_owned()], ..Self::default() }
    }

    /// That a policy may remove it again.
    #[must_use]
    pub fn unpin() -> Self {
        Self { remove: PINS.map(str::to_owned).to_vec(), ..Self::default() }
    }

    fn apply(&self, tags: &[String]) -> Vec<String> {
        let mut changed = self.set.clone().unwrap_or_else(|| tags.to_vec());
        changed.retain(|tag| !self.remove.contains(tag));
        for tag in &self.add {
            if !changed.contains(tag) {
                changed.push(tag.clone());
            }
        }
        changed
    }

    fn check(&self) -> Result<()> {
        let is_nothing = self.set.is_none() && self.remove.is_empty() && self.add.is_empty();
        let mut new = self.set.iter().flatten().chain(&self.add);
        let why = if is_nothing {
            "no tag is to be changed"
        } else if new.any(|tag| tag.is_empty() || tag.contains(',')) {
            "a tag must have a character, and no comma"
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Invalid, why))
    }
}

impl Repository {
    /// Changes the tags of the chosen snapshots, under the exclusive lock. Those that have these tags already stay as they
    /// are. `original` of a copy is the id that the snapshot had first.
    ///
    /// # Errors
    /// `Invalid`, `NotFound`, `Ambiguous`, `Locked`, `Storage`, `Corrupt`. What was changed before stays changed.
    pub async fn tag(&self, selection: &Selection, change: &TagChange) -> Result<Vec<Amended>> {
        change.check()?;
        let lock = self.lock_exclusive().await?;
        let changed = self.tag_locked(selection, change, &lock).await;
        let released = lock.release().await;
        let amended = changed?;
        released.map(|()| amended)
    }

    async fn tag_locked(
        &self,
        selection: &Selection,
        change: &TagChange,
        lock: &LockGuard,
    ) -> Result<Vec<Amended>> {
        let mut all = Vec::new();
        for snapshot in self.select(selection).await? {
            let tags = change.apply(&snapshot.tags);
            if tags == snapshot.tags {
                continue;
            }
            let old = snapshot.id;
            let original = Some(snapshot.original.unwrap_or(old));
            let amended = self.save_amended(Snapshot { tags, original, ..snapshot }).await?;
            lock.ensure_held()?;
            self.delete_file(FileKind::Snapshot, &old).await?;
            tracing::info!(%old, new = %amended.id, "changed the tags of a snapshot");
            all.push(Amended { old, snapshot: amended });
        }
        Ok(all)
    }

    /// Writes a copy of the snapshot whose id `amended` still has, and gives it with its own. Members that only other
    /// programs know stay as they are.
    pub(crate) async fn save_amended(&self, amended: Snapshot) -> Result<Snapshot> {
        let name = FileKind::Snapshot.name(&amended.id);
        let file =
            ListedFile { id: amended.id, size: self.storage().size(&name).await?, modified: None };
        let json = self.load_file(FileKind::Snapshot, file).await?;
        let edited = SnapshotEdit::parse(&json).map_err(|error| error.at(&name))?.print(&amended);
        let id = self.save_file(FileKind::Snapshot, edited).await?;
        Ok(Snapshot { id, ..amended })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn tags_are_replaced_taken_and_added() {
        let change = TagChange { set: None, remove: tags("a"), add: tags("c b") };
        assert_eq!(change.apply(&tags("a b")), tags("b c"));
        let change = TagChange { set: Some(tags("x y")), remove: tags("x"), add: tags("z") };
        assert_eq!(change.apply(&tags("a b")), tags("y z"));
        assert_eq!(TagChange::pin().apply(&tags("a pinned")), tags("a pinned"));
        assert_eq!(TagChange::unpin().apply(&tags("keep a pinned")), tags("a"));
        assert!(TagChange::default().check().is_err());
        assert!(TagChange { set: Some(Vec::new()), ..TagChange::default() }.check().is_ok());
        assert!(TagChange { add: tags("a,b"), ..TagChange::default() }.check().is_err());
    }
}
