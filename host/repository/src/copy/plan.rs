use std::collections::HashMap;

use lockgate_types::Digest;

use super::CopyOptions;
use crate::error::{Error, ErrorKind, Result};
use crate::format::Snapshot;
use crate::open::Repository;

/// # Errors
/// `Invalid` when both are one repository.
pub(crate) fn ensure_different(origin: &Repository, target: &Repository) -> Result<()> {
    if origin.id() != target.id() {
        return Ok(());
    }
    let (from, to) = (origin.storage().location(), target.storage().location());
    let text = format!("{from} and {to} are the same repository");
    Err(Error::new(ErrorKind::Invalid, text).with_hint("name two repositories"))
}

/// The snapshots to copy, the oldest first, and how many the target has already.
pub(super) async fn plan(
    origin: &Repository,
    target: &Repository,
    options: &CopyOptions,
) -> Result<(Vec<Snapshot>, u64)> {
    let mut wanted = Vec::new();
    for name in &options.snapshots {
        let snapshot = origin.snapshot(name).await?;
        if !wanted.contains(&snapshot) {
            wanted.push(snapshot);
        }
    }
    if options.snapshots.is_empty() {
        wanted = origin.snapshots().await?;
        wanted.retain(|snapshot| options.filter.takes(snapshot));
    }
    wanted.sort_by_key(|snapshot| (snapshot.time.timestamp, snapshot.id));
    let there = target.snapshots().await?;
    let mut by_origin: HashMap<Digest, Vec<&Snapshot>> = HashMap::new();
    for snapshot in &there {
        by_origin.entry(origin_of(snapshot)).or_default().push(snapshot);
    }
    let total = wanted.len();
    wanted.retain(|snapshot| {
        let same = by_origin.get(&origin_of(snapshot)).into_iter().flatten();
        !same.into_iter().any(|other| is_same(snapshot, other))
    });
    let present = (total - wanted.len()) as u64;
    Ok((wanted, present))
}

/// The snapshot of which this is a copy, or itself: the same for all copies.
fn origin_of(snapshot: &Snapshot) -> Digest {
    snapshot.original.unwrap_or(snapshot.id)
}

/// Whether two snapshots of the same origin tell the same. One that was edited since, such as with other tags, is another;
/// what it follows and where it comes from do not count. It is what restic compares.
fn is_same(left: &Snapshot, right: &Snapshot) -> bool {
    let sorted = |texts: &[String]| {
        let mut texts = texts.to_vec();
        texts.sort_unstable();
        texts
    };
    left.time.timestamp == right.time.timestamp
        && left.tree == right.tree
        && left.hostname == right.hostname
        && left.username == right.username
        && (left.uid, left.gid) == (right.uid, right.gid)
        && left.excludes == right.excludes
        && sorted(&left.paths) == sorted(&right.paths)
        && sorted(&left.tags) == sorted(&right.tags)
}

/// `snapshot` as it stands in another repository: its parent may not be there.
pub(crate) fn copy_of(snapshot: &Snapshot) -> Snapshot {
    Snapshot { parent: None, original: Some(origin_of(snapshot)), ..snapshot.clone() }
}
