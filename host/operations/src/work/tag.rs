use lockgate_api::{Backup, BackupId, Label};
use lockgate_repository::{REPAIRED, Snapshot};
use lockgate_types::{Digest, Name};

use crate::schedule::schedule_of;

/// What the tag of a snapshot begins with that a backup made.
const PREFIX: &str = "backup:";

/// The tag by which the snapshot of a backup is known, also to whoever has nothing but the repository.
pub(crate) fn tag(id: &BackupId) -> String {
    format!("{PREFIX}{id}")
}

/// The backup that made a snapshot with these tags.
pub(crate) fn backup_of(tags: &[String]) -> Option<BackupId> {
    tags.iter().find_map(|tag| tag.strip_prefix(PREFIX)?.parse().ok())
}

/// Whether a snapshot is that of a backup, or a copy of it: tags may have been changed, or what was damaged left out, by us or
/// by restic, and then the snapshot has another id.
pub(crate) fn is_its_snapshot(backup: &Backup, snapshot: &Snapshot) -> bool {
    is_made(backup, &snapshot.id)
        || backup_of(&snapshot.tags).as_ref() == Some(&backup.id)
        || snapshot.original.is_some_and(|original| is_made(backup, &original))
}

/// Whether the backup made a snapshot of that id, in whichever repository.
fn is_made(backup: &Backup, id: &Digest) -> bool {
    let copies = backup.copies.values().filter_map(|copy| copy.snapshot.as_ref());
    let id = id.to_string();
    backup.snapshot.iter().chain(copies).any(|made| *made == id)
}

/// The snapshot to restore a backup from: the one that it made, or else a copy, and a whole one rather than a repaired one.
pub(crate) fn snapshot_of<'a>(backup: &Backup, snapshots: &'a [Snapshot]) -> Option<&'a Snapshot> {
    let its = snapshots.iter().filter(|snapshot| is_its_snapshot(backup, snapshot));
    its.max_by_key(|snapshot| {
        (
            is_made(backup, &snapshot.id),
            !is_repaired(snapshot),
            snapshot.time.timestamp,
            snapshot.id,
        )
    })
}

/// Whether a snapshot lacks what was damaged.
pub(crate) fn is_repaired(snapshot: &Snapshot) -> bool {
    snapshot.tags.iter().any(|tag| tag == REPAIRED)
}

/// The tag of what a snapshot holds: a set, or a source alone.
pub(crate) fn saves_tag(unit: &str) -> String {
    format!("saves:{unit}")
}

/// The tag of what a schedule made.
pub(crate) fn schedule_tag(name: &Name) -> String {
    format!("schedule:{name}")
}

/// The tag of what an operator called so.
pub(crate) fn label_tag(label: &Label) -> String {
    format!("label:{label}")
}

/// All tags of the snapshot that a backup makes of a set or source.
pub(super) fn tags(backup: &Backup, unit: &str) -> Vec<String> {
    let mut tags = vec![tag(&backup.id), saves_tag(unit), label_tag(&backup.label)];
    tags.extend(schedule_of(&backup.requested_by).as_ref().map(schedule_tag));
    tags
}
