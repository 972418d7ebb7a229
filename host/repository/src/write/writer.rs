use std::collections::HashSet;
use std::sync::Arc;
use std::thread::JoinHandle;

use lockgate_types::{Digest, EntryPath};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::counters::WriteProgress;
use super::dedup::{Known, Written};
use super::entries::Entries;
use super::failure::cancelled;
use super::fan::Mirror;
use super::line::Line;
use super::options::WriteOptions;
use super::pack::PackFile;
use super::stream::StreamWriter;
use super::upload;
use super::worker::Worker;
use crate::compress::Compression;
use crate::error::{Error, Result};
use crate::format::{Node, Time};
use crate::layout::off_reactor;
use crate::lock::LockGuard;
use crate::open::Repository;

/// One run that writes: takes entries from many threads at once and ends with one snapshot, or with nothing.
///
/// Dropped without [`Self::commit`] or [`Self::abort`], it stops and leaves no snapshot; the lock then stays behind until
/// it is stale.
pub struct Writer {
    pub(super) line: Arc<Line>,
    pub(super) started: Time,
    pub(super) lock: Option<LockGuard>,
    pub(super) mirrors: Vec<Writer>,
    workers: Vec<JoinHandle<()>>,
    pub(super) packs: Option<UnboundedSender<PackFile>>,
    uploads: Option<tokio::task::JoinHandle<Written>>,
}

/// Stops a run from elsewhere, as long as its snapshot is not written.
#[derive(Clone)]
pub struct WriterCanceller(Arc<Line>);

impl WriterCanceller {
    /// Makes everything that the run still does fail as `Cancelled`, uploads that are under way included.
    pub fn cancel(&self) {
        self.0.fail(cancelled());
    }
}

impl Repository {
    /// Begins a run: takes a shared lock, loads the index, starts the threads and the uploads.
    ///
    /// # Errors
    /// `Locked` when somebody works on the repository alone, `Storage`, `Corrupt`, `Io`.
    pub async fn writer(&self, options: WriteOptions) -> Result<Writer> {
        self.writer_with(options, Vec::new(), true).await
    }

    /// The same with other repositories that get the same.
    pub(super) async fn writer_with(
        &self,
        options: WriteOptions,
        mirrors: Vec<Mirror>,
        is_required: bool,
    ) -> Result<Writer> {
        let lock = self.lock_shared().await?;
        match self.begin(options, &HashSet::new(), mirrors, is_required).await {
            Ok(mut writer) => {
                writer.lock = Some(lock);
                Ok(writer)
            }
            Err(error) => {
                // The error that is reported is the one that came first.
                let _ = lock.release().await;
                Err(error)
            }
        }
    }

    /// The same under a lock of the caller's. What the packs in `distrusted` hold counts as not there.
    pub(crate) async fn writer_under(
        &self,
        options: WriteOptions,
        distrusted: &HashSet<Digest>,
    ) -> Result<Writer> {
        self.begin(options, distrusted, Vec::new(), true).await
    }

    async fn begin(
        &self,
        options: WriteOptions,
        distrusted: &HashSet<Digest>,
        mirrors: Vec<Mirror>,
        is_required: bool,
    ) -> Result<Writer> {
        let started = Time::now();
        let known = Known::load(self, distrusted).await?;
        let entries = Entries::new(started);
        let mut options = options.clamped();
        if self.config().version < 2 {
            options.compression = Compression::Off;
        }
        let mut line = Line::new(self.clone(), options, known, entries)?;
        (line.mirrors, line.is_required) = (mirrors, is_required);
        let line = Arc::new(line);
        let (packs, received) = unbounded_channel();
        let mut writer = Writer {
            uploads: Some(tokio::spawn(upload::run(Arc::clone(&line), received))),
            packs: Some(packs.clone()),
            mirrors: Vec::new(),
            workers: Vec::new(),
            lock: None,
            started,
            line: Arc::clone(&line),
        };
        for number in 0..line.options.cpu_threads {
            let worker = Worker::new(Arc::clone(&line), packs.clone())?;
            let thread = std::thread::Builder::new()
                .name(format!("seal-{number}"))
                .spawn(move || worker.run())
                .map_err(|error| Error::io("start a thread", error))?;
            writer.workers.push(thread);
        }
        Ok(writer)
    }
}

impl Writer {
    /// A new stream. Any number of them may be open at the same time.
    #[must_use]
    pub fn stream(&self) -> StreamWriter {
        StreamWriter::new(Arc::clone(&self.line))
    }

    /// Adds an entry without content, or with content that the repository has. Entries come in any order, from any
    /// thread; folders above them that nobody adds are made up.
    ///
    /// # Errors
    /// `NotFound` when a part of the content is not in the repository, `Conflict` for a path that was added before (which
    /// may show only at commit), and the first error of the run.
    pub fn add(&self, path: EntryPath, node: Node) -> Result<()> {
        self.line.add_known(path, node)
    }

    /// Adds an entry whose content is in the repository, and in all others that get the same, or was taken in by this run,
    /// so that nobody need read it; whether it is so.
    ///
    /// # Errors
    /// `Conflict` as for [`Self::add`], and the first error of the run.
    pub fn add_if_stored(&self, path: EntryPath, node: Node) -> Result<bool> {
        self.line.add_if_stored(path, node)
    }

    /// Stops the run from another thread, also while it waits.
    #[must_use]
    pub fn canceller(&self) -> WriterCanceller {
        WriterCanceller(Arc::clone(&self.line))
    }

    /// What has been done so far.
    #[must_use]
    pub fn progress(&self) -> WriteProgress {
        self.line.counters.snapshot()
    }

    /// Stops the run. What was stored stays as garbage, or serves the next run, but no snapshot refers to it.
    pub async fn abort(mut self) {
        self.line.fail(cancelled());
        self.wind_down_all().await;
    }

    /// Lets this run and those of the mirrors come to their end.
    pub(super) async fn wind_down_all(&mut self) {
        self.wind_down().await;
        for mut mirror in std::mem::take(&mut self.mirrors) {
            mirror.wind_down().await;
        }
    }

    /// Lets the threads and the uploads come to their end.
    pub(super) async fn wind_down(&mut self) {
        self.line.end();
        self.finish_uploads().await;
        if let Some(lock) = self.lock.take()
            && let Err(error) = lock.release().await
        {
            tracing::warn!(%error, "the lock of the run could not be removed");
        }
    }

    /// Ends the threads, stores all packs and their index; what this run stored.
    pub(super) async fn finish_uploads(&mut self) -> Written {
        self.line.queue.close();
        let workers = std::mem::take(&mut self.workers);
        off_reactor(move || {
            for worker in workers {
                // A worker catches its panics and reports them as the failure of the run.
                let _ = worker.join();
            }
        })
        .await;
        self.packs = None;
        let Some(uploads) = self.uploads.take() else { return Written::default() };
        match uploads.await {
            Ok(written) => written,
            Err(error) => {
                let text = format!("the uploads broke off: {error}");
                self.line.fail(Error::new(crate::ErrorKind::Io, text));
                Written::default()
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.workers.is_empty() && self.uploads.is_none() {
            return;
        }
        self.line.fail(cancelled());
        self.line.end();
        self.line.queue.close();
        for worker in self.workers.drain(..) {
            // As above; and the failure makes it end within one chunk.
            let _ = worker.join();
        }
        if let Some(uploads) = self.uploads.take() {
            uploads.abort();
        }
    }
}
