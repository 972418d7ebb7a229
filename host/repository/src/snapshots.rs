//! Finding snapshots.

use std::collections::HashMap;

use lockgate_types::Digest;

use crate::error::{Error, ErrorKind, Result};
use crate::forget::Filter;
use crate::format::Snapshot;
use crate::identifier;
use crate::layout::FileKind;
use crate::limits;
use crate::open::Repository;

/// Which snapshots are meant: those that are named, or else those that pass the filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// As [`Repository::snapshot`] takes them.
    pub snapshots: Vec<String>,
    /// Looked at when none is named.
    pub filter: Filter,
}

impl Repository {
    /// All snapshots, the oldest first. One that cannot be read is an error: whoever asks may be about to delete what
    /// no snapshot needs. One that somebody forgot between the listing and the reading is none, and so it is listed again.
    ///
    /// # Errors
    /// `Storage` and `Corrupt`.
    pub async fn snapshots(&self) -> Result<Vec<Snapshot>> {
        self.snapshots_again(&[]).await
    }

    /// The same for whoever looks again and again: those of `known` that are still there are not read once more.
    ///
    /// # Errors
    /// As [`Repository::snapshots`].
    pub async fn snapshots_again(&self, known: &[Snapshot]) -> Result<Vec<Snapshot>> {
        for _ in 1..limits::LISTINGS_MAX {
            match self.listed_snapshots(known).await {
                Err(error) if error.is_of_missing_file() => {}
                result => return result,
            }
        }
        self.listed_snapshots(known).await
    }

    async fn listed_snapshots(&self, known: &[Snapshot]) -> Result<Vec<Snapshot>> {
        let known: HashMap<Digest, &Snapshot> = known.iter().map(|it| (it.id, it)).collect();
        let listed = self.list_files(FileKind::Snapshot).await?;
        let mut snapshots = Vec::with_capacity(listed.len());
        let mut files = Vec::new();
        for file in listed {
            match known.get(&file.id) {
                Some(snapshot) => snapshots.push((*snapshot).clone()),
                None => files.push(file),
            }
        }
        self.load_files(files, |_, snapshot| {
            snapshots.push(snapshot);
            Ok(())
        })
        .await?;
        snapshots.sort_by_key(|snapshot| (snapshot.time.timestamp, snapshot.id));
        Ok(snapshots)
    }

    /// The snapshot that `selector` names: `latest`, `latest~N` for the N-th before it, or the first digits of an
    /// identifier that no other snapshot has.
    ///
    /// # Errors
    /// `NotFound`, `Ambiguous`, `Storage`, `Corrupt`.
    pub async fn snapshot(&self, selector: &str) -> Result<Snapshot> {
        if let Some(back) = parse_latest(selector)? {
            let mut snapshots = self.snapshots().await?;
            let count = snapshots.len();
            let index = count.checked_sub(back + 1).ok_or_else(|| {
                let text = format!("no snapshot {selector:?}: the repository has {count}");
                Error::new(ErrorKind::NotFound, text)
            })?;
            return Ok(snapshots.swap_remove(index));
        }
        let files = self.list_files(FileKind::Snapshot).await?;
        let id = identifier::find("snapshot", files.iter().map(|file| file.id), selector)?;
        let file = files.into_iter().find(|file| file.id == id);
        let file = file.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("no snapshot {selector:?} in the repository"))
        })?;
        self.load(file).await
    }

    /// The snapshots that are meant, each once, the oldest first.
    ///
    /// # Errors
    /// As [`Repository::snapshot`] for each that is named.
    pub async fn select(&self, selection: &Selection) -> Result<Vec<Snapshot>> {
        if selection.snapshots.is_empty() {
            let mut snapshots = self.snapshots().await?;
            snapshots.retain(|snapshot| selection.filter.takes(snapshot));
            return Ok(snapshots);
        }
        let mut snapshots = Vec::with_capacity(selection.snapshots.len());
        for selector in &selection.snapshots {
            snapshots.push(self.snapshot(selector).await?);
        }
        snapshots.sort_by_key(|snapshot| (snapshot.time.timestamp, snapshot.id));
        snapshots.dedup_by_key(|snapshot| snapshot.id);
        Ok(snapshots)
    }
}

/// How many snapshots before the latest one is meant; none when the selector is an identifier.
fn parse_latest(selector: &str) -> Result<Option<usize>> {
    let Some(rest) = selector.strip_prefix("latest") else { return Ok(None) };
    if rest.is_empty() {
        return Ok(Some(0));
    }
    let back = rest.strip_prefix('~').and_then(|digits| digits.parse::<u32>().ok());
    let back = back.ok_or_else(|| {
        let text = format!("{selector:?} names no snapshot: expected latest or latest~N");
        Error::new(ErrorKind::Invalid, text)
    })?;
    Ok(Some(back as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_counts_back() {
        assert_eq!(parse_latest("latest").unwrap(), Some(0));
        assert_eq!(parse_latest("latest~3").unwrap(), Some(3));
        assert_eq!(parse_latest("1a2b").unwrap(), None);
        for selector in ["latest~", "latest~-1", "latest1", "latest~1x"] {
            assert_eq!(
                parse_latest(selector).unwrap_err().kind(),
                ErrorKind::Invalid,
                "{selector}"
            );
        }
    }
}
