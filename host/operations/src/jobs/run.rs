use std::sync::Arc;
use std::thread;

use jiff::Timestamp;
use lockgate_api::{Happening, Job, JobKind, JobState, Request};
use lockgate_types::Name;
use serde_json::Value;
use tokio::sync::oneshot;

use super::recorder::Writer;
use super::{Inner, Live, Recorder, locked};
use crate::error::problem;
use crate::work::{self, Work};
use crate::{Error, ErrorKind, Result};

/// One job on its way.
pub(super) struct Task<'a> {
    pub inner: &'a Inner,
    pub live: Arc<Live>,
    pub recorder: Arc<Recorder>,
    pub sources: Vec<Name>,
}

impl Task<'_> {
    /// From the queue to the end. What goes wrong stands in the job.
    pub(super) async fn run(self, mut job: Job, writer: Writer) {
        let id = job.id;
        let work = async {
            let result = self.work(&mut job).await;
            let kept = self.end(&mut job, result).await;
            self.recorder.close();
            kept
        };
        let (kept, written) = tokio::join!(work, writer.run());
        for error in [kept, written].into_iter().filter_map(Result::err) {
            tracing::error!(job = %id, "{error}");
        }
        // Whoever listens sees the end after the last event.
        self.live.end();
        locked(&self.inner.live).remove(&id);
        self.inner.changes.send(job).ok();
    }

    async fn work(&self, job: &mut Job) -> Result<Value> {
        let stopped = || Error::new(ErrorKind::Interrupted, "stopped before it was begun");
        let exclusive = self.exclusive(job).await?;
        let cancel = &self.live.cancel;
        let _claim = cancel.or_stop(self.inner.busy.claim(exclusive)).await.ok_or_else(stopped)?;
        let _slot = cancel.or_stop(self.inner.slots.acquire()).await.ok_or_else(stopped)?;
        if self.inner.is_stopping() {
            return Err(stopped());
        }
        job.state = JobState::Running;
        job.started = Some(Timestamp::now());
        self.inner.store.put_job(job).await?;
        self.recorder.happened(Happening::State { state: job.state, error: None });
        self.inner.changes.send(job.clone()).ok();
        let work = Work {
            site: Arc::clone(&self.inner.site),
            store: self.inner.store.clone(),
            recorder: Arc::clone(&self.recorder),
            cancel: cancel.clone(),
            job: job.clone(),
            sources: self.sources.clone(),
        };
        on_own_thread(move || work.run()).await
    }

    /// What no other job works on at the same time: sources, and sets whose applications are taken out of service.
    async fn exclusive(&self, job: &Job) -> Result<Vec<Name>> {
        let mut names = self.sources.clone();
        match &job.request {
            // Those that only look disturb nobody, and what is kept is decided beside everything else.
            Request::Plan(_) | Request::Health(_) | Request::Retention(_) => return Ok(Vec::new()),
            Request::Backup(request) => {
                names = self.inner.site.unit(&request.name)?.in_order_of_maintenance();
            }
            Request::Restore(request) => {
                names.extend(self.inner.site.sets_taken_out_with(&self.sources));
                // Its status is one: a second restore from it waits, of whichever sources.
                let backup = self.inner.store.backup(&request.backup).await?;
                names.extend(backup.into_iter().flat_map(|it| it.component_status.into_keys()));
            }
            Request::Maintenance(_) | Request::Action(_) => {}
        }
        Ok(names)
    }

    async fn end(&self, job: &mut Job, result: Result<Value>) -> Result<()> {
        let is_interrupted =
            matches!(&result, Err(error) if error.kind() == ErrorKind::Interrupted);
        let goes_on = matches!(job.kind, JobKind::Backup | JobKind::Retention);
        if is_interrupted && self.inner.is_stopping() && goes_on {
            job.state = JobState::Queued;
            self.recorder.note("lockgate ends; it goes on when lockgate is started again");
            return self.inner.store.put_job(job).await;
        }
        job.ended = Some(Timestamp::now());
        job.progress = self.live.progress();
        match result {
            Ok(value) => (job.state, job.result) = (JobState::Done, value),
            Err(error) => {
                job.state = if is_interrupted { JobState::Cancelled } else { JobState::Error };
                job.error = Some(problem(&error));
            }
        }
        if let Some(error) = &job.error {
            work::given_up(&self.inner.store, job, error).await?;
        }
        // Whoever hears of the end finds it in the store.
        self.inner.store.put_job(job).await?;
        self.recorder.happened(Happening::State { state: job.state, error: job.error.clone() });
        Ok(())
    }
}

/// Runs something that blocks for long, on a thread that nobody else waits for.
pub(super) async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = oneshot::channel();
    let failed = |cause: String| Error::new(ErrorKind::Failed, cause);
    let thread =
        thread::Builder::new().name("job".to_owned()).spawn(move || sender.send(work()).is_ok());
    let thread = thread.map_err(|error| failed(format!("no thread for the job: {error}")))?;
    let result = receiver.await;
    // It has nothing more to do than to end.
    thread.join().ok();
    result.unwrap_or_else(|_| {
        Err(failed("the job ended without a result: this is a defect of lockgate".to_owned()))
    })
}
