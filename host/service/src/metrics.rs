//! What is measured, for Prometheus.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use jiff::Timestamp;
use lockgate_api::{Job, SourceInfo};
use lockgate_engine::{Error, ErrorKind};
use lockgate_operations::Jobs;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tokio::sync::broadcast::error::RecvError;

use crate::problem::Answer;
use crate::service::Service;

/// The media type of the text format (OpenMetrics 1.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Upper ends of what requests take, in seconds.
const REQUEST_SECONDS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];
/// Upper ends of what jobs take, in seconds.
const JOB_SECONDS: [f64; 9] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0];

type Labels<const N: usize> = [(&'static str, String); N];

/// All that is measured.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Labels<3>, Counter>,
    request_seconds: Family<Labels<1>, Histogram>,
    ended: Family<Labels<2>, Counter>,
    job_seconds: Family<Labels<1>, Histogram>,
    job_bytes: Family<Labels<1>, Counter>,
    live: Family<Labels<2>, Gauge>,
    age: Family<Labels<1>, Gauge>,
    maintenance: Family<Labels<1>, Gauge>,
    /// Held while what is only known at the moment of asking is filled in and told.
    telling: Mutex<()>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("lockgate"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(REQUEST_SECONDS)),
            ended: Family::default(),
            job_seconds: Family::new_with_constructor(|| Histogram::new(JOB_SECONDS)),
            job_bytes: Family::default(),
            live: Family::default(),
            age: Family::default(),
            maintenance: Family::default(),
            telling: Mutex::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "http_requests",
            "Answers, by method, route and status",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time to the first byte of the answer, by route",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register(
            "jobs_ended",
            "Jobs that ended since the start, by kind and state",
            self.ended.clone(),
        );
        registry.register_with_unit(
            "job_duration",
            "Time from the beginning of a job to its end, by kind",
            Unit::Seconds,
            self.job_seconds.clone(),
        );
        registry.register_with_unit(
            "job",
            "Bytes that ended jobs exported or imported, by kind",
            Unit::Bytes,
            self.job_bytes.clone(),
        );
        registry.register(
            "jobs",
            "Jobs that wait or run now, by kind and state",
            self.live.clone(),
        );
        registry.register_with_unit(
            "newest_backup_age",
            "Time since the newest backup that can be restored was begun, by source; not there when there is none",
            Unit::Seconds,
            self.age.clone(),
        );
        registry.register(
            "maintenance",
            "1 while a source is out of service",
            self.maintenance.clone(),
        );
    }

    /// Counts an answer.
    pub fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let labels = [
            ("method", method.to_owned()),
            ("route", route.to_owned()),
            ("status", status.to_string()),
        ];
        self.requests.get_or_create(&labels).inc();
        let labels = [("route", route.to_owned())];
        self.request_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    fn ended(&self, job: &Job) {
        let (kind, state) = (word(job.kind), word(job.state));
        self.ended.get_or_create(&[("kind", kind.clone()), ("state", state)]).inc();
        self.job_bytes.get_or_create(&[("kind", kind.clone())]).inc_by(job.progress.bytes);
        if let (Some(started), Some(ended)) = (job.started, job.ended) {
            let seconds = ended.duration_since(started).as_secs_f64();
            self.job_seconds.get_or_create(&[("kind", kind)]).observe(seconds);
        }
    }

    /// Counts jobs as they end. Ends when it is dropped.
    pub async fn count_jobs(&self, jobs: &Jobs) {
        let mut changes = jobs.changes();
        loop {
            match changes.recv().await {
                Ok(job) if job.state.is_ended() => self.ended(&job),
                Ok(_) => {}
                Err(RecvError::Lagged(count)) => {
                    tracing::warn!("metrics: {count} changes of jobs were not counted");
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// All of it as text.
    fn tell(&self, live: &[Job], sources: &[SourceInfo]) -> Result<String, std::fmt::Error> {
        let _alone = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        self.live.clear();
        for job in live {
            let labels = [("kind", word(job.kind)), ("state", word(job.state))];
            self.live.get_or_create(&labels).inc();
        }
        self.age.clear();
        for source in sources {
            let labels = [("source", source.name.to_string())];
            let is_on = i64::from(source.maintenance.is_some());
            self.maintenance.get_or_create(&labels).set(is_on);
            if let Some(time) = source.last_ready_time {
                let age = Timestamp::now().duration_since(time).as_secs().max(0);
                self.age.get_or_create(&labels).set(age);
            }
        }
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A state or kind as the API writes it.
fn word<T: serde::Serialize>(value: T) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|it| it.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// What is measured, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "service",
    responses((status = 200, description = "In the text format of OpenMetrics.", body = String, content_type = "application/openmetrics-text")))]
pub(crate) async fn metrics(State(service): State<Service>) -> Answer<impl IntoResponse> {
    let jobs = service.jobs();
    let live = jobs.store().unended_jobs().await?;
    let sources = jobs.overview().await?;
    let text = service.metrics().tell(&live, &sources);
    let text = text.map_err(|error| Error::new(ErrorKind::Failed, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text))
}

#[cfg(test)]
mod tests {
    use lockgate_api::JobState;

    use super::*;

    #[test]
    fn what_was_measured_is_told() {
        let metrics = Metrics::default();
        metrics.answered("GET", "/api/v1/jobs", 200, Duration::from_millis(3));
        let text = metrics.tell(&[], &[]).expect("text");
        let line =
            r#"lockgate_http_requests_total{method="GET",route="/api/v1/jobs",status="200"} 1"#;
        assert!(text.contains(line), "{text}");
        let line =
            r#"lockgate_http_request_duration_seconds_bucket{le="0.005",route="/api/v1/jobs"} 1"#;
        assert!(text.contains(line), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
        assert_eq!(word(JobState::Done), "DONE");
    }
}
