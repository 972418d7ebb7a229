//! The service's REST API, `/api/v1`.

mod events;
mod http;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lockgate_api::{
    Backup, BackupId, Event, Happening, Job, JobId, Label, Maintenance, Request, ScheduleInfo,
    SourceInfo,
};
use lockgate_engine::{Error, ErrorKind, Result};

use super::Operator;
use crate::context::Context;
use events::Events;
use http::Http;

/// How long a service may be away, for example to be updated, before its jobs are no longer followed.
const AWAY_MAX: Duration = Duration::from_secs(120);
/// Things that a service gives in one list.
const PAGE: u32 = 1000;
const PAUSE: Duration = Duration::from_secs(1);

/// A service does it.
pub struct Remote<'a> {
    context: &'a Context,
    http: Http,
}

impl<'a> Remote<'a> {
    pub fn new(context: &'a Context, server: &str) -> Result<Self> {
        Ok(Self { context, http: Http::new(server, &context.service)? })
    }

    fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.context.runtime.block_on(future)
    }

    /// Follows a job to its end, across connections that break and a service that is started again.
    async fn follow_to_the_end(&self, id: JobId, hear: &mut dyn FnMut(&Event)) -> Result<Job> {
        let mut heard = Heard::default();
        let mut seen = Instant::now();
        loop {
            let before = heard.last;
            let listened = self.listen(id, &mut heard, hear).await;
            let job = match listened {
                Ok(()) => self.http.get::<Job>(&format!("jobs/{id}")).await,
                Err(error) => Err(error),
            };
            match job {
                // Where the connection broke before the end was heard, there is more to hear.
                Ok(job) if job.state.is_ended() && (heard.end || heard.last == before) => {
                    return Ok(job);
                }
                Ok(_) => seen = Instant::now(),
                Err(error)
                    if error.kind() == ErrorKind::Unreachable && seen.elapsed() < AWAY_MAX => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn listen(
        &self,
        id: JobId,
        heard: &mut Heard,
        hear: &mut dyn FnMut(&Event),
    ) -> Result<()> {
        let response = self.http.events(&format!("jobs/{id}/events"), heard.last).await?;
        let mut events = Events::new(response);
        while let Some(event) = events.next().await? {
            // What comes twice after a connection broke is told once.
            if event.number != 0 && event.number <= heard.last {
                continue;
            }
            heard.last = heard.last.max(event.number);
            heard.end =
                matches!(&event.happening, Happening::State { state, .. } if state.is_ended());
            hear(&event);
        }
        Ok(())
    }
}

/// How much of a job was heard.
#[derive(Default)]
struct Heard {
    /// Number of the last event.
    last: u64,
    /// Whether that was the end.
    end: bool,
}

impl Operator for Remote<'_> {
    fn units(&self) -> Result<Vec<String>> {
        let sources: Vec<SourceInfo> = self.wait(self.http.get("sources"))?;
        let sets: BTreeSet<_> = sources.iter().flat_map(|source| &source.sets).collect();
        let alone = sources.iter().filter(|source| source.sets.is_empty());
        let names = sets.into_iter().chain(alone.map(|source| &source.name));
        Ok(names.map(ToString::to_string).collect())
    }

    fn submit(&self, request: Request) -> Result<Job> {
        self.wait(async {
            match &request {
                Request::Backup(request) => self.http.post("backups", request).await,
                Request::Restore(request) => self.http.post("restores", request).await,
                Request::Plan(request) => self.http.post("plans", request).await,
                Request::Health(request) => self.http.post("health", request).await,
                Request::Maintenance(request) => self.http.post("maintenance", request).await,
                Request::Action(request) => self.http.post("actions", request).await,
                Request::Retention(_) => {
                    let message = "what is kept is decided by the service after each run";
                    Err(Error::new(ErrorKind::Unsupported, message))
                }
            }
        })
    }

    fn follow(&self, id: JobId, hear: &mut dyn FnMut(&Event)) -> Result<Option<Job>> {
        let following = self.follow_to_the_end(id, hear);
        self.wait(self.context.cancel.or_stop(following)).transpose()
    }

    fn job(&self, id: JobId) -> Result<Job> {
        self.wait(self.http.get(&format!("jobs/{id}")))
    }

    fn jobs(&self, limit: u32) -> Result<Vec<Job>> {
        self.wait(self.http.get(&format!("jobs?limit={limit}")))
    }

    fn cancel(&self, id: JobId) -> Result<Job> {
        self.wait(async {
            self.http.delete(&format!("jobs/{id}")).await?;
            self.http.get(&format!("jobs/{id}")).await
        })
    }

    fn backup(&self, id: &BackupId) -> Result<Backup> {
        self.wait(self.http.get(&format!("backups/{id}")))
    }

    fn backups(&self, label: Option<&Label>, limit: u32) -> Result<Vec<Backup>> {
        // A label has no characters that mean something in a URL.
        let label = label.map(|label| format!("&label={label}")).unwrap_or_default();
        let mut found: Vec<Backup> = Vec::new();
        self.wait(async {
            loop {
                let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
                // Nor has a place in the list.
                let after = found.last().map(|last| format!("&after={}", last.place()));
                let asked = left.min(PAGE);
                let query = format!("limit={asked}{label}{}", after.unwrap_or_default());
                let page: Vec<Backup> = self.http.get(&format!("backups?{query}")).await?;
                let count = u32::try_from(page.len()).unwrap_or(u32::MAX);
                found.extend(page);
                if count < asked || asked == left {
                    return Ok(found);
                }
            }
        })
    }

    fn delete(&self, id: &BackupId) -> Result<()> {
        self.wait(self.http.delete(&format!("backups/{id}")))
    }

    fn out_of_service(&self) -> Result<Vec<Maintenance>> {
        self.wait(self.http.get("maintenance"))
    }

    fn schedules(&self) -> Result<Vec<ScheduleInfo>> {
        self.wait(self.http.get("schedules"))
    }

    fn run_schedule(&self, name: &str) -> Result<Vec<Job>> {
        self.wait(self.http.post(&format!("schedules/{name}/run"), &()))
    }

    fn outlives_us(&self) -> bool {
        true
    }
}
