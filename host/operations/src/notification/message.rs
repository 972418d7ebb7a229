use jiff::Timestamp;
use lockgate_api::{Job, JobId, JobState, Request};
use lockgate_engine::configuration::Occasion;
use lockgate_types::Name;
use serde::{Deserialize, Serialize};

use super::schedule_of;

/// Largest job in a message, in bytes of JSON: what came of a larger one is left out.
const JOB_BYTES_MAX: usize = 64 << 10;
/// Longest text, in characters.
const TEXT_MAX: usize = 4000;
/// Longest subject, in characters.
const SUBJECT_MAX: usize = 200;

/// What receivers are told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    /// Names it for ever: the same when it is sent again.
    pub id: String,
    /// On which occasion.
    pub occasion: Occasion,
    /// Whether what was wrong is wrong no more.
    pub is_over: bool,
    /// Whether a job was begun; only pings tell of that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_beginning: bool,
    /// When.
    pub time: Timestamp,
    /// On which machine.
    pub host: String,
    /// The schedule that it is about.
    pub schedule: Option<Name>,
    /// In a line.
    pub subject: String,
    /// In sentences.
    pub text: String,
    /// The job that it is about.
    pub job: Option<Job>,
}

/// What a message says that is about no job.
pub(crate) struct About {
    pub occasion: Occasion,
    pub schedule: Option<Name>,
    pub is_over: bool,
    /// In a few words.
    pub subject: String,
    /// In sentences.
    pub text: String,
}

impl Message {
    pub(super) fn of(host: &str, about: About) -> Self {
        Self {
            id: JobId::new().to_string(),
            occasion: about.occasion,
            is_over: about.is_over,
            is_beginning: false,
            time: Timestamp::now(),
            host: host.to_owned(),
            schedule: about.schedule,
            subject: line(&format!("lockgate on {host}: {}", about.subject), SUBJECT_MAX),
            text: cut(&about.text, TEXT_MAX),
            job: None,
        }
    }

    pub(super) fn of_job(host: &str, occasion: Occasion, job: &Job) -> Self {
        let became = match job.state {
            JobState::Done => "done",
            JobState::Cancelled => "cancelled",
            _ => "FAILED",
        };
        let what = what(&job.request);
        let about = About {
            occasion,
            schedule: schedule_of(&job.requested_by),
            is_over: false,
            subject: format!("{what}: {became}"),
            text: text(job, &what, became),
        };
        let mut job = job.clone();
        let bytes = serde_json::to_vec(&job).map_or(0, |json| json.len());
        if bytes > JOB_BYTES_MAX {
            job.result = serde_json::Value::Null;
        }
        // After that of the beginning, in the order of the store.
        let id = format!("{}-end", job.id);
        Self {
            id,
            time: job.ended.unwrap_or_else(Timestamp::now),
            job: Some(job),
            ..Self::of(host, about)
        }
    }

    pub(super) fn of_beginning(host: &str, job: &Job) -> Self {
        let id = format!("{}-begin", job.id);
        Self { id, is_beginning: true, ..Self::of_job(host, Occasion::Success, job) }
    }
}

/// A request in a few words.
fn what(request: &Request) -> String {
    match request {
        Request::Backup(request) => format!("backup of {}", request.name),
        Request::Restore(request) => format!("restore of {}", request.backup),
        Request::Plan(request) => format!("plan for {}", request.backup),
        Request::Health(_) => "health".to_owned(),
        Request::Maintenance(request) => {
            let names: Vec<&str> = request.sources.iter().map(Name::as_str).collect();
            format!("maintenance of {}", names.join(", "))
        }
        Request::Action(request) => format!("{} of {}", request.action, request.source),
        Request::Retention(request) => format!("retention of {}", request.schedule),
    }
}

fn text(job: &Job, what: &str, became: &str) -> String {
    let mut lines = vec![format!("{what}: {became}, asked for by {}.", job.requested_by)];
    if let Some(error) = &job.error {
        lines.push(error.detail.clone());
        lines.extend(error.hint.clone());
    }
    let times = job.started.zip(job.ended);
    lines.extend(times.map(|(started, ended)| {
        format!(
            "Begun {started:.0}, ended {ended:.0}, {} s.",
            ended.duration_since(started).as_secs()
        )
    }));
    if job.state == JobState::Done && job.progress.bytes > 0 {
        lines.push(format!("{} bytes in {} parts.", job.progress.bytes, job.progress.parts));
    }
    lines.extend(job.backup.as_ref().map(|backup| format!("Backup {backup}.")));
    lines.push(format!("Job {}: `lockgate jobs follow {}` shows what happened.", job.id, job.id));
    lines.join("\n")
}

/// One line without anything that a protocol could take for more than text.
fn line(text: &str, max: usize) -> String {
    let plain = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    plain.take(max).collect()
}

fn cut(text: &str, max: usize) -> String {
    text.chars().filter(|letter| *letter == '\n' || !letter.is_control()).take(max).collect()
}
