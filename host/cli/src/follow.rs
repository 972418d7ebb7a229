//! A job on the screen, from its beginning to its end, whoever does it.

use std::time::{Duration, Instant};

use lockgate_api::{Event, Finding, Happening, Job, JobKind, JobState, Progress};
use lockgate_engine::{Error, ErrorKind, Result};
use lockgate_types::Severity;
use serde_json::json;

use crate::context::Context;
use crate::operator::Operator;
use crate::screen::Screen;
use crate::{output, words};

/// How often programs are told how far a job is.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Shows what happens in a job until it has ended. None when the operator went away and it goes on, which is told.
///
/// # Errors
/// Why the job failed, or why it cannot be followed.
pub fn follow(context: &Context, operator: &dyn Operator, job: &Job) -> Result<Option<Job>> {
    if context.json {
        output::message("job", job);
    }
    let mut shown = Shown::new(context);
    let ended = operator.follow(job.id, &mut |event| shown.event(event));
    shown.screen.finish();
    let Some(job) = ended? else {
        goes_on(context, job);
        return Ok(None);
    };
    match &job.error {
        None => Ok(Some(job)),
        Some(problem) => {
            let error = lockgate_operations::error(problem);
            let message = match (&job.backup, job.kind) {
                (Some(id), JobKind::Backup | JobKind::Restore) => format!("backup {id}: {error}"),
                _ => error.to_string(),
            };
            let failed = Error::new(error.kind(), message);
            Err(match error.hint() {
                Some(hint) => failed.with_hint(hint),
                None => failed,
            })
        }
    }
}

/// Tells that a job goes on without us, and how it is looked after.
pub fn goes_on(context: &Context, job: &Job) {
    if context.json {
        let body = json!({ "job": job.id, "backup": job.backup, "detached": true });
        return output::message("summary", body);
    }
    let of = job.backup.as_ref().map(|id| format!(" of backup {id}")).unwrap_or_default();
    output::line(format!("job {}{of} goes on", job.id));
    output::note(format!(
        "`lockgate jobs follow {0}` shows how; `lockgate jobs cancel {0}` stops it",
        job.id
    ));
}

/// Refuses to leave a job that ends with this process.
///
/// # Errors
/// When `detach` is asked for and nobody would go on.
pub fn can_detach(operator: &dyn Operator, detach: bool) -> Result<()> {
    if !detach || operator.outlives_us() {
        return Ok(());
    }
    let message = "--detach: this process does the job, and nobody goes on with it";
    Err(Error::new(ErrorKind::Configuration, message)
        .with_hint("name a service with --server or LOCKGATE_SERVER"))
}

/// How long a job worked.
pub fn duration(job: &Job) -> Duration {
    match (job.started, job.ended) {
        (Some(started), Some(ended)) => ended.duration_since(started).unsigned_abs(),
        _ => Duration::ZERO,
    }
}

/// What of a job is on the screen.
struct Shown {
    screen: Screen,
    verbose: u8,
    progress_at: Option<Instant>,
}

impl Shown {
    fn new(context: &Context) -> Self {
        Self { screen: Screen::new(context), verbose: context.verbose, progress_at: None }
    }

    fn event(&mut self, event: &Event) {
        if let Screen::Json = self.screen {
            let is_progress = matches!(event.happening, Happening::Progress(_));
            if !is_progress || self.is_time() {
                output::message("event", event);
            }
            return;
        }
        match &event.happening {
            Happening::State { state: JobState::Queued, .. } if self.verbose > 0 => {
                self.screen.say("waits for its turn");
            }
            Happening::State { .. } => {}
            Happening::Stage { stage } => {
                if let Some(bar) = self.screen.bar() {
                    bar.set_prefix(stage.clone());
                }
            }
            Happening::Component { source, status } => {
                let text = format!("source {source}: {}", words::state(status.state));
                match status.message.as_str() {
                    "" if self.verbose == 0 => {}
                    "" => self.screen.say(&text),
                    message => self.screen.say(&format!("{text}: {message}")),
                }
            }
            Happening::Maintenance { source, is_on } => {
                let service = if *is_on { "out of service" } else { "back in service" };
                self.screen.say(&format!("source {source} is {service}"));
            }
            Happening::Finding(finding) => self.screen.say(&of_finding(finding)),
            Happening::Note { message } => self.screen.say(message),
            Happening::Progress(progress) => self.progress(progress),
        }
    }

    fn progress(&self, progress: &Progress) {
        let Some(bar) = self.screen.bar() else { return };
        if let Some(bytes) = progress.bytes_planned.filter(|bytes| *bytes > 0) {
            bar.set_length(bytes);
        }
        bar.set_prefix(progress.stage.clone());
        bar.set_position(progress.bytes);
        let planned = progress.parts_planned.unwrap_or_default();
        let items = words::count(progress.entries);
        bar.set_message(format!("{items} items {}/{planned} parts", progress.parts));
    }

    /// Whether programs have not been told for a while.
    fn is_time(&mut self) -> bool {
        let is_time = self.progress_at.is_none_or(|told| told.elapsed() >= PROGRESS_EVERY);
        if is_time {
            self.progress_at = Some(Instant::now());
        }
        is_time
    }
}

/// One line of what a plugin noticed, as for findings of this process.
fn of_finding(finding: &Finding) -> String {
    let severity = Severity::from(finding.severity);
    let source = finding.source.as_ref().map(|name| format!("source {name}: ")).unwrap_or_default();
    format!("{severity:8}  {source}{}: {}", finding.code, finding.message)
}
