//! Full buffers become sorted runs on a thread of its own, so that whoever fills the next one need not wait.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::record::Buffer;
use super::run::{Merge, Run, Source};
use crate::error::{Error, ErrorKind, Result};

/// Runs of one level before they are merged into one of the next; each takes about half a MiB while it is merged.
const RUNS_PER_LEVEL: usize = 32;

/// Takes full buffers, and ends with its owner.
#[derive(Debug)]
pub(super) struct Spill {
    full: Option<SyncSender<Buffer>>,
    /// What was written, to be filled again.
    empty: Receiver<Buffer>,
    thread: Option<JoinHandle<Result<Levels>>>,
}

impl Spill {
    /// Runs are kept in `folder`, the system's folder for temporary files when none.
    pub(super) fn start(folder: Option<PathBuf>) -> Result<Self> {
        // No buffer waits between the one that is filled and the one that is written.
        let (full, received) = sync_channel(0);
        let (emptied, empty) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("entries".to_owned())
            .spawn(move || write(&received, &emptied, folder))
            .map_err(|error| Error::io("start a thread", error))?;
        Ok(Self { full: Some(full), empty, thread: Some(thread) })
    }

    /// Waits until the buffer before is written, and gives an empty one.
    ///
    /// # Errors
    /// `Io` when one before could not be written.
    pub(super) fn take(&mut self, full: Buffer) -> Result<Buffer> {
        if self.full.as_ref().is_some_and(|thread| thread.send(full).is_ok()) {
            return Ok(self.empty.try_recv().unwrap_or_default());
        }
        self.end().and(Err(lost()))
    }

    /// All runs, when the last is written.
    ///
    /// # Errors
    /// `Io` when one could not be written.
    pub(super) fn finish(mut self) -> Result<impl Iterator<Item = Run>> {
        Ok(self.end()?.0.into_iter().flatten())
    }

    fn end(&mut self) -> Result<Levels> {
        let Some(ended) = self.join() else { return Err(lost()) };
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Has the thread end; none when it has before.
    fn join(&mut self) -> Option<thread::Result<Result<Levels>>> {
        self.full = None;
        self.thread.take().map(JoinHandle::join)
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        // Nobody wants the runs any more.
        let _ = self.join();
    }
}

/// Whoever came first was told the cause.
fn lost() -> Error {
    Error::new(ErrorKind::Io, "entries of this run could not be written to a temporary file")
}

fn write(
    received: &Receiver<Buffer>,
    emptied: &SyncSender<Buffer>,
    folder: Option<PathBuf>,
) -> Result<Levels> {
    let mut levels = Levels::default();
    for mut full in received {
        full.sort();
        let run = Run::write(folder.as_deref(), full.records())?;
        full.clear();
        // Where the one before was not taken yet, one is enough.
        let _ = emptied.try_send(full);
        levels.add(folder.as_deref(), run)?;
    }
    Ok(levels)
}

/// Runs by how many times their records were merged.
#[derive(Debug, Default)]
struct Levels(Vec<Vec<Run>>);

impl Levels {
    fn add(&mut self, folder: Option<&Path>, run: Run) -> Result<()> {
        self.push(0, run);
        let mut level = 0;
        while self.0.get(level).is_some_and(|runs| runs.len() >= RUNS_PER_LEVEL) {
            let runs = std::mem::take(&mut self.0[level]);
            let mut merge = Merge::new(runs.into_iter().map(Source::of_run))?;
            level += 1;
            self.push(level, Run::write_merged(folder, &mut merge)?);
        }
        Ok(())
    }

    fn push(&mut self, level: usize, run: Run) {
        if self.0.len() <= level {
            self.0.resize_with(level + 1, Vec::new);
        }
        self.0[level].push(run);
    }
}

#[cfg(test)]
mod tests {
    use lockgate_types::EntryPath;

    use super::*;

    fn buffer(name: &str) -> Buffer {
        let mut buffer = Buffer::default();
        buffer.push(&EntryPath::try_from(name).unwrap(), b"{}", None).unwrap();
        buffer
    }

    #[test]
    fn runs_are_merged_level_by_level() {
        let mut spill = Spill::start(None).unwrap();
        let count = RUNS_PER_LEVEL * RUNS_PER_LEVEL + RUNS_PER_LEVEL + 7;
        for number in 0..count {
            spill.take(buffer(&number.to_string())).unwrap();
        }
        let levels = spill.end().unwrap().0;
        let counts: Vec<usize> = levels.iter().map(Vec::len).collect();
        assert_eq!(counts, [7, 1, 1]);
        let mut merge = Merge::new(levels.into_iter().flatten().map(Source::of_run)).unwrap();
        let (mut seen, mut last) = (0, Vec::new());
        while let Some(record) = merge.next().unwrap() {
            assert!(record.key > last.as_slice());
            last = record.key.to_vec();
            seen += 1;
        }
        assert_eq!(seen, count);
    }

    #[test]
    fn a_run_that_cannot_be_written_fails_all_that_follows() {
        let nowhere = Some(PathBuf::from("/nonexistent/folder"));
        let mut spill = Spill::start(nowhere.clone()).unwrap();
        spill.take(buffer("a")).unwrap();
        let first = spill.take(buffer("b")).unwrap_err();
        assert!(first.to_string().contains("temporary file"), "{first}");
        assert_eq!(spill.take(buffer("c")).unwrap_err().kind(), ErrorKind::Io);
        assert_eq!(spill.finish().err().map(|error| error.kind()), Some(ErrorKind::Io));
        // Also when the first that failed is the last that there is.
        let mut spill = Spill::start(nowhere).unwrap();
        spill.take(buffer("a")).unwrap();
        assert_eq!(spill.finish().err().map(|error| error.kind()), Some(ErrorKind::Io));
    }
}
