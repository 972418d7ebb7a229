//! One run, several repositories: what is read is cut and hashed once, and each repository looks up, compresses, seals and
//! stores for itself.
//!
//! ```text
//! StreamWriter ──► first: cut ──► hash ──┬─ known? ─ compress ─ seal ─► packs ──► put     (first)
//!                                        ├─ known? ─► queue ─ compress ─ seal ─► packs ──► put   (mirror)
//!                                        └─ ...
//! ```
//! Where chunks end is a matter of the first repository's key; names are the SHA-256 of the bytes, so that trees are the
//! same in all. Every repository has a budget of its own: one that is slow makes the others wait when its budget is used
//! up, until its patience ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use lockgate_types::Digest;

use super::commit::SnapshotDraft;
use super::line::Line;
use super::options::WriteOptions;
use super::writer::Writer;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{BlobKind, Snapshot};
use crate::open::Repository;

/// One of several repositories that a run writes to.
#[derive(Clone, Debug)]
pub struct Destination {
    /// The repository.
    pub repository: Repository,
    /// How it is written.
    pub options: WriteOptions,
    /// Whether the run fails when this repository does. Otherwise it goes on with the others.
    pub is_required: bool,
    /// How long in all the others wait for this one. It has no meaning for the first, at whose pace the run goes.
    pub patience: Duration,
}

/// A repository that gets what another one gets.
pub(super) struct Mirror {
    pub(super) line: Arc<Line>,
    patience: Duration,
    /// Microseconds that all threads of the first repository have waited.
    waited: AtomicU64,
}

impl Line {
    /// Whether this repository still takes part.
    pub(super) fn is_storing(&self) -> bool {
        !self.left_out.is_set()
    }

    /// This repository cannot be written to: the run goes on with the others, if there are any and if it may.
    pub(super) fn lose(&self, error: Error) {
        let is_alone = self.mirrors.iter().all(|mirror| mirror.line.has_failed());
        if self.is_required || is_alone {
            return self.fail(error);
        }
        self.left_out.keep(error);
        self.data.discard();
        self.trees.discard();
        self.failed.notify_one();
    }

    /// What the storage gave; when it refused, this repository is lost for the run.
    ///
    /// # Errors
    /// All others.
    pub(super) fn unless_lost<T>(&self, given: Result<T>) -> Result<Option<T>> {
        match given {
            Err(error) if error.kind() == ErrorKind::Storage => {
                self.lose(error);
                Ok(None)
            }
            given => given.map(Some),
        }
    }

    /// Whether all repositories that still take part have the blob, or will have it.
    pub(super) fn is_everywhere(&self, kind: BlobKind, id: &Digest) -> bool {
        let mut mirrors = self.mirrors.iter().filter(|mirror| !mirror.line.has_failed());
        self.known.contains(kind, id) && mirrors.all(|mirror| mirror.line.known.contains(kind, id))
    }

    /// Gives a blob to the mirrors that lack it.
    ///
    /// # Errors
    /// When one that is required has failed, or none is left.
    pub(super) fn give(&self, kind: BlobKind, id: &Digest, plain: &[u8]) -> Result<()> {
        for mirror in &self.mirrors {
            if !mirror.line.has_failed() && mirror.line.known.claim(kind, id) {
                mirror.give(kind, *id, plain, self.options.cpu_threads);
            }
            if mirror.line.is_required {
                mirror.line.check()?;
            }
        }
        if self.is_storing() || self.mirrors.iter().any(|mirror| !mirror.line.has_failed()) {
            return Ok(());
        }
        self.left_out.check()
    }
}

impl Mirror {
    fn give(&self, kind: BlobKind, id: Digest, plain: &[u8], threads: usize) {
        let begun = Instant::now();
        let has_room = self.line.budget.wait_at_most(self.patience);
        let waited = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let waited = waited.saturating_add(self.waited.fetch_add(waited, Ordering::Relaxed));
        // Threads wait side by side.
        let waited = Duration::from_micros(waited / threads.max(1) as u64);
        if has_room && waited <= self.patience {
            return self.line.add_blob(kind, id, plain.to_vec());
        }
        let text = format!(
            "{} is too slow: the backup waited {} s for it",
            self.line.repository.storage().location(),
            waited.max(begun.elapsed()).as_secs()
        );
        self.line.fail(Error::new(ErrorKind::Storage, text));
    }
}

impl Writer {
    /// Begins a run that writes to all of `destinations`, in their order; the first that can be begun sets the pace. Those
    /// that are not in the run are given with the reason, by their place.
    ///
    /// # Errors
    /// When one that is required cannot be begun, or none can.
    pub async fn fan_out(destinations: Vec<Destination>) -> Result<(Self, Vec<(usize, Error)>)> {
        let (mut begun, mut absent) = (Vec::new(), Vec::new());
        // The first comes last: it has to know the others.
        let mut places: Vec<(usize, Destination)> = destinations.into_iter().enumerate().collect();
        while let Some((place, destination)) = places.pop() {
            let is_last = places.is_empty();
            let Destination { repository, options, is_required, patience } = destination;
            let mirrors = match is_last {
                true => mirrors_of(&begun),
                false => Vec::new(),
            };
            match repository.writer_with(options, mirrors, is_required).await {
                Ok(writer) => begun.insert(0, (writer, patience)),
                Err(error) if is_required || is_last && begun.is_empty() => {
                    abort_all(begun).await;
                    return Err(error);
                }
                Err(error) if is_last => {
                    // The next one has to lead, and was begun as a mirror.
                    absent.push((place, error));
                    return Self::lead_by_next(begun, absent).await;
                }
                Err(error) => absent.push((place, error)),
            }
        }
        let mut writers = begun.into_iter().map(|(writer, _)| writer);
        let none = || Error::new(ErrorKind::Invalid, "a run needs a repository");
        let mut first = writers.next().ok_or_else(none)?;
        first.mirrors = writers.collect();
        Ok((first, absent))
    }

    async fn lead_by_next(
        mut begun: Vec<(Writer, Duration)>,
        absent: Vec<(usize, Error)>,
    ) -> Result<(Self, Vec<(usize, Error)>)> {
        let (next, _) = begun.remove(0);
        let (repository, options) = (next.line.repository.clone(), next.line.options.clone());
        let is_required = next.line.is_required;
        next.abort().await;
        match repository.writer_with(options, mirrors_of(&begun), is_required).await {
            Ok(mut first) => {
                first.mirrors = begun.into_iter().map(|(writer, _)| writer).collect();
                Ok((first, absent))
            }
            Err(error) => {
                abort_all(begun).await;
                Err(error)
            }
        }
    }

    /// Ends the run: as [`Writer::commit`], with a snapshot in every repository that is still in it. The first that has one
    /// has the original, all others have copies of it. What came of each, in the order of the destinations in the run.
    ///
    /// # Errors
    /// As [`Writer::commit`], when no repository has a snapshot, or one that is required cannot have one.
    pub async fn commit_everywhere(
        mut self,
        draft: SnapshotDraft,
    ) -> Result<Vec<Result<Snapshot>>> {
        self.line.end();
        let outcome = self.try_commit(draft).await;
        if let Err(error) = &outcome {
            self.line.fail(error.clone());
        }
        self.wind_down_all().await;
        outcome
    }

    async fn try_commit(&mut self, draft: SnapshotDraft) -> Result<Vec<Result<Snapshot>>> {
        let tree = self.build_trees().await?;
        // The queue of the first is empty: whatever the mirrors get they have got.
        let mut mirrors = std::mem::take(&mut self.mirrors);
        let settled = join_all(mirrors.iter_mut().map(Writer::settle));
        let (own, others) = futures::join!(self.settle(), settled);
        self.mirrors = mirrors;
        let mut ready = vec![own];
        ready.extend(others);
        let writers: Vec<&Writer> = std::iter::once(&*self).chain(&self.mirrors).collect();
        for (writer, ready) in writers.iter().zip(&ready) {
            match ready {
                Err(error) if writer.line.is_required => return Err(error.clone()),
                _ => {}
            }
        }
        let whole = self.progress();
        let (mut stored, mut original) = (Vec::new(), None);
        for (place, (writer, ready)) in writers.iter().zip(ready).enumerate() {
            if original.is_none() {
                // The last moment to stop: from the first snapshot on there is a backup.
                self.line.check()?;
            }
            let mut snapshot = writer.snapshot(draft.clone(), tree, &whole);
            if place > 0 {
                (snapshot.parent, snapshot.original) = (None, original);
            }
            let saved = match ready {
                Ok(written) => writer.save(snapshot, &written).await,
                Err(error) => Err(error),
            };
            match &saved {
                Ok(snapshot) => drop(original.get_or_insert(snapshot.id)),
                Err(error) if writer.line.is_required && original.is_none() => {
                    return Err(error.clone());
                }
                Err(_) => {}
            }
            stored.push(saved);
        }
        match original {
            Some(_) => Ok(stored),
            None => Err(stored
                .into_iter()
                .find_map(Result::err)
                .unwrap_or_else(super::failure::cancelled)),
        }
    }
}

fn mirrors_of(begun: &[(Writer, Duration)]) -> Vec<Mirror> {
    let mirror = |(writer, patience): &(Writer, Duration)| Mirror {
        line: Arc::clone(&writer.line),
        patience: *patience,
        waited: AtomicU64::new(0),
    };
    begun.iter().map(mirror).collect()
}

async fn abort_all(begun: Vec<(Writer, Duration)>) {
    for (writer, _) in begun {
        writer.abort().await;
    }
}
