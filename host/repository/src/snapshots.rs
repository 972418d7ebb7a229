//! Finding snapshots.

use lockgate_types::Digest;

use crate::error::{Error, ErrorKind, Result};
use crate::format::Snapshot;
use crate::layout::FileKind;
use crate::open::Repository;

impl Repository {
    /// All snapshots, the oldest first. One that cannot be read is an error: whoever asks may be about to delete what
    /// no snapshot needs.
    ///
    /// # Errors
    /// `Storage` and `Corrupt`.
    pub async fn snapshots(&self) -> Result<Vec<Snapshot>> {
        let files = self.list_files(FileKind::Snapshot).await?;
        let mut snapshots = Vec::with_capacity(files.len());
        self.load_files(FileKind::Snapshot, files, |id, json| {
            snapshots.push(Snapshot::parse(id, &json)?);
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
        let ids: Vec<Digest> = files.iter().map(|file| file.id).collect();
        let id = find_prefix(&ids, selector)?;
        let file = files.into_iter().find(|file| file.id == id);
        let file = file.ok_or_else(|| not_found(selector))?;
        Snapshot::parse(id, &self.load_file(FileKind::Snapshot, file).await?)
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

fn find_prefix(ids: &[Digest], prefix: &str) -> Result<Digest> {
    let digits = prefix.to_ascii_lowercase();
    let is_hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits.is_empty() || digits.len() > 64 || !is_hexadecimal {
        let text =
            format!("{prefix:?} names no snapshot: expected latest, latest~N or an identifier");
        return Err(Error::new(ErrorKind::Invalid, text));
    }
    let mut matching = ids.iter().filter(|id| id.to_string().starts_with(&digits));
    let first = *matching.next().ok_or_else(|| not_found(prefix))?;
    let others: Vec<String> = matching.map(ToString::to_string).collect();
    if others.is_empty() {
        return Ok(first);
    }
    // Enough digits of each to tell all apart are never more than these few lines.
    let shown: Vec<String> =
        std::iter::once(first.to_string()).chain(others).take(SHOWN_MAX).map(shorten).collect();
    let text = format!("{prefix:?} is the beginning of several snapshots: {}", shown.join(", "));
    Err(Error::new(ErrorKind::Ambiguous, text))
}

const SHOWN_MAX: usize = 8;

fn shorten(id: String) -> String {
    id.chars().take(16).collect()
}

fn not_found(selector: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("no snapshot {selector:?} in the repository"))
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

    #[test]
    fn a_prefix_names_one_or_the_error_names_both() {
        let mut twin = [0xab; 32];
        twin[20] = 0;
        let ids = [Digest([0xab; 32]), Digest(twin), Digest([0xcd; 32])];
        assert_eq!(find_prefix(&ids, "C").unwrap(), ids[2]);
        assert_eq!(find_prefix(&ids, &ids[1].to_string()).unwrap(), ids[1]);
        let error = find_prefix(&ids, "abab").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ambiguous);
        assert_eq!(error.to_string().matches("abababababababab").count(), 2);
        assert_eq!(find_prefix(&ids, "00").unwrap_err().kind(), ErrorKind::NotFound);
        for prefix in ["", "xyz", "ab/../cd", &"a".repeat(65)] {
            assert_eq!(find_prefix(&ids, prefix).unwrap_err().kind(), ErrorKind::Invalid);
        }
    }
}
