//! What happens, told while it happens: server-sent events, as the HTML standard has them.

use std::convert::Infallible;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as Message, KeepAlive, Sse};
use futures::Stream;
use lockgate_api::{Event, Job, JobId};
use lockgate_operations::{Jobs, Listener, Wanted};
use serde::Serialize;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::extract::Named;
use crate::limits::{KEEP_ALIVE_PERIOD, LIST_DEFAULT, PROGRESS_PERIOD};
use crate::problem::{Answer, Trouble};
use crate::service::Service;

type Told = Result<Message, Infallible>;

/// One server-sent event: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it is described, and written by the HTTP library")]
pub(crate) struct ServerSent {
    /// Number of the event; none of `progress`.
    id: Option<String>,
    /// What kind of event it is.
    event: String,
    /// JSON.
    data: String,
}

/// What happens in a job, from the first event or the one behind `Last-Event-ID`, until the job has ended. Events have the
/// numbers of the job as ids, without gaps; `progress` has none, and is told at most twice a second.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/events", tag = "jobs",
    params(("id" = JobId, Path), ("Last-Event-ID" = Option<u64>, Header, description = "Number of the last event that was seen.")),
    responses((status = 200, description = "Events: `data` is an Event.", body = ServerSent, content_type = "text/event-stream")))]
pub(crate) async fn of_job(
    State(service): State<Service>,
    Named(id): Named<JobId>,
    headers: HeaderMap,
) -> Answer<Sse<impl Stream<Item = Told>>> {
    let listener = service.jobs().listen(id, last_seen(&headers)?).await?;
    let now = Instant::now();
    let following = Following { listener, ending: service.ending(), held: None, progress_at: now };
    let stream = futures::stream::unfold(following, |mut following| async {
        let event = following.next().await?;
        Some((Ok(message(&event)), following))
    });
    Ok(kept_alive(stream))
}

/// Jobs whenever their state changes, first those that wait or run now. Whoever is slow gets the newest jobs again.
#[utoipa::path(get, path = "/api/v1/events", tag = "jobs",
    responses((status = 200, description = "Events named `job`: `data` is a Job.", body = ServerSent, content_type = "text/event-stream")))]
pub(crate) async fn of_all(
    State(service): State<Service>,
) -> Answer<Sse<impl Stream<Item = Told>>> {
    // Listens before it looks, so that no change is missed in between.
    let changes = service.jobs().changes();
    let mut behind = service.jobs().store().unended_jobs().await?;
    // They are told from the end.
    behind.reverse();
    let watching =
        Watching { jobs: service.jobs().clone(), changes, ending: service.ending(), behind };
    let stream = futures::stream::unfold(watching, |mut watching| async {
        let job = watching.next().await?;
        Some((Ok(told("job", &job)), watching))
    });
    Ok(kept_alive(stream))
}

fn kept_alive<S: Stream<Item = Told> + Send + 'static>(stream: S) -> Sse<impl Stream<Item = Told>> {
    Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE_PERIOD))
}

fn last_seen(headers: &HeaderMap) -> Result<u64, Trouble> {
    let Some(value) = headers.get("last-event-id") else { return Ok(0) };
    let number = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| {
        Trouble::new(StatusCode::BAD_REQUEST, "Last-Event-ID: not the number of an event")
    })
}

fn message(event: &Event) -> Message {
    let body = serde_json::to_value(event).unwrap_or_default();
    let kind = body.get("event").and_then(|kind| kind.as_str()).unwrap_or("note").to_owned();
    let message = told(&kind, &body);
    if event.number == 0 { message } else { message.id(event.number.to_string()) }
}

fn told(kind: &str, body: &impl Serialize) -> Message {
    // JSON has no bare line breaks, which is all that could be wrong with it here.
    Message::default().event(kind).data(serde_json::to_string(body).unwrap_or_default())
}

/// One listener to one job.
struct Following {
    listener: Listener,
    ending: watch::Receiver<bool>,
    /// Progress that came too soon after the last.
    held: Option<Event>,
    /// When progress may be told again.
    progress_at: Instant,
}

impl Following {
    async fn next(&mut self) -> Option<Event> {
        loop {
            let event = tokio::select! {
                biased;
                _ = self.ending.wait_for(|is_ending| *is_ending) => return None,
                event = self.listener.next() => match event {
                    Ok(event) => event?,
                    Err(error) => {
                        tracing::error!("events: {error}");
                        return None;
                    }
                },
                () = sleep_until(self.progress_at), if self.held.is_some() => self.held.take()?,
            };
            if event.number > 0 {
                return Some(event);
            }
            let now = Instant::now();
            if now >= self.progress_at {
                self.progress_at = now + PROGRESS_PERIOD;
                self.held = None;
                return Some(event);
            }
            self.held = Some(event);
        }
    }
}

/// One listener to all jobs.
struct Watching {
    jobs: Jobs,
    changes: Receiver<Job>,
    ending: watch::Receiver<bool>,
    /// What is told before anything that changes from now on; the last first.
    behind: Vec<Job>,
}

impl Watching {
    async fn next(&mut self) -> Option<Job> {
        loop {
            if let Some(job) = self.behind.pop() {
                return Some(job);
            }
            let change = tokio::select! {
                biased;
                _ = self.ending.wait_for(|is_ending| *is_ending) => return None,
                change = self.changes.recv() => change,
            };
            match change {
                Ok(job) => return Some(job),
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(_)) => {
                    let wanted = Wanted { state: None, kind: None, limit: LIST_DEFAULT };
                    self.behind = self.jobs.list(wanted).await.ok()?;
                }
            }
        }
    }
}
