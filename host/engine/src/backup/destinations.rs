use std::time::Duration;

use lockgate_repository::{Destination, Snapshot};
use lockgate_types::Digest;

use super::BackupJob;
use crate::{Error, Result};

/// What became of the backup in the repositories that were in the run.
pub(super) type Stored = Vec<std::result::Result<Snapshot, lockgate_repository::Error>>;

/// All repositories of a job, the first one first.
pub(super) fn of(job: &BackupJob<'_>) -> Vec<Destination> {
    let first = Destination {
        repository: job.repository.clone(),
        options: job.write.clone(),
        is_required: job.is_required || job.mirrors.is_empty(),
        patience: Duration::MAX,
    };
    std::iter::once(first).chain(job.mirrors.iter().cloned()).collect()
}

/// The snapshot that the new one follows, where it is in the repository that leads: the parents are those of the first.
pub(super) fn parent(
    parent: Option<Digest>,
    absent: &[(usize, lockgate_repository::Error)],
) -> Option<Digest> {
    parent.filter(|_| absent.iter().all(|(place, _)| *place != 0))
}

/// What became of the backup in every repository of the job.
pub(super) fn in_order(
    stored: Stored,
    mut absent: Vec<(usize, lockgate_repository::Error)>,
) -> Vec<Result<Snapshot>> {
    absent.sort_by_key(|(place, _)| *place);
    let mut all: Vec<_> = stored.into_iter().map(|one| one.map_err(Error::from)).collect();
    for (place, error) in absent {
        all.insert(place.min(all.len()), Err(error.into()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_repositories_keep_their_places() {
        let error = |text: &str| {
            lockgate_repository::Error::new(lockgate_repository::ErrorKind::Locked, text)
        };
        let stored = vec![Err(error("b")), Err(error("d"))];
        let all = in_order(stored, vec![(2, error("c")), (0, error("a"))]);
        let texts: Vec<String> =
            all.into_iter().filter_map(|one| one.err().map(|error| error.to_string())).collect();
        assert_eq!(texts, ["a", "b", "c", "d"]);
    }
}
