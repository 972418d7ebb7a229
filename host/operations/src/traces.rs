//! Traces of jobs in the protocol of OpenTelemetry, over HTTP: <https://opentelemetry.io/docs/specs/otlp/>.
//!
//! A job is a trace with its own id as the trace's. Its stages, by the names of the architecture, and the restores of its sources
//! are spans below it. A trace is sent when its job has ended.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lockgate_api::{ComponentState, Event, Happening, Job, JobState};
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{Protocol, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::broadcast::error::RecvError;

use crate::{Error, ErrorKind, Jobs, Result};

/// How long the collector may take.
const ANSWERS_IN: Duration = Duration::from_secs(10);
/// Events of a job that become spans: more than any job has but for notes.
const EVENTS_MAX: u32 = 20_000;

/// Sends traces to a collector.
#[derive(Debug)]
pub struct Traces {
    exporter: opentelemetry_otlp::SpanExporter,
}

impl Traces {
    /// Sends to `collector`, for example `http://127.0.0.1:4318`.
    ///
    /// # Errors
    /// When that is no URL.
    pub fn to(collector: &str) -> Result<Self> {
        lockgate_engine::install_tls_provider();
        let endpoint = format!("{}/v1/traces", collector.trim_end_matches('/'));
        let builder = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpJson)
            .with_endpoint(endpoint)
            .with_timeout(ANSWERS_IN);
        let mut exporter = builder.build().map_err(|error| {
            Error::new(
                ErrorKind::Configuration,
                format!("collector of traces {collector}: {error}"),
            )
        })?;
        let resource = Resource::builder_empty().with_service_name("lockgate");
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        exporter.set_resource(&resource.with_attribute(version).build());
        Ok(Self { exporter })
    }

    /// Sends the trace of each job that ends. Ends when it is dropped. A collector that is not there disturbs nobody.
    pub async fn run(self, jobs: Jobs) {
        let mut changes = jobs.changes();
        loop {
            match changes.recv().await {
                Ok(job) if job.state.is_ended() => {
                    if let Err(error) = self.send(&jobs, &job).await {
                        tracing::warn!(job = %job.id, "trace: {error}");
                    }
                }
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!("traces: {missed} changes of jobs were missed")
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    async fn send(&self, jobs: &Jobs, job: &Job) -> Result<()> {
        let events = jobs.store().events(job.id, 0, EVENTS_MAX).await?;
        let sent = self.exporter.export(spans(job, &events)).await;
        sent.map_err(|error| Error::new(ErrorKind::Unreachable, error.to_string()))
    }
}

/// The spans of one job: itself, its stages, and the restores of its sources.
fn spans(job: &Job, events: &[Event]) -> Vec<SpanData> {
    let (started, ended) = (job.started.unwrap_or(job.created), job.ended.unwrap_or(job.created));
    let mut trace = Trace { id: job.id.to_bytes(), spans: Vec::new() };
    trace.add(Cow::from(job.kind.as_str()), (started, ended), attributes(job), status(job));
    let mut stage: Option<(&str, Timestamp)> = None;
    let mut restoring: Vec<(&str, Timestamp)> = Vec::new();
    for event in events {
        match &event.happening {
            Happening::Stage { stage: name } => {
                if let Some((name, begun)) = stage.replace((name, event.time)) {
                    trace.add(
                        Cow::from(name.to_owned()),
                        (begun, event.time),
                        Vec::new(),
                        Status::Unset,
                    );
                }
            }
            Happening::Component { source, status }
                if status.state == ComponentState::Restoring =>
            {
                restoring.push((source.as_str(), event.time));
            }
            Happening::Component { source, status } => {
                let at = restoring.iter().position(|(name, _)| *name == source.as_str());
                if let Some((name, begun)) = at.map(|at| restoring.remove(at)) {
                    let result = match status.state {
                        ComponentState::Error => Status::error(status.message.clone()),
                        _ => Status::Ok,
                    };
                    let bytes = KeyValue::new(
                        "lockgate.bytes",
                        i64::try_from(status.bytes).unwrap_or(i64::MAX),
                    );
                    trace.add(
                        Cow::from(format!("restore {name}")),
                        (begun, event.time),
                        vec![bytes],
                        result,
                    );
                }
            }
            _ => {}
        }
    }
    if let Some((name, begun)) = stage {
        trace.add(Cow::from(name.to_owned()), (begun, ended), Vec::new(), Status::Unset);
    }
    trace.spans
}

fn attributes(job: &Job) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("lockgate.job", job.id.to_string()),
        KeyValue::new("lockgate.requested_by", job.requested_by.clone()),
        KeyValue::new("lockgate.bytes", i64::try_from(job.progress.bytes).unwrap_or(i64::MAX)),
    ];
    attributes
        .extend(job.backup.as_ref().map(|id| KeyValue::new("lockgate.backup", id.to_string())));
    attributes
}

fn status(job: &Job) -> Status {
    match (job.state, &job.error) {
        (JobState::Done, _) => Status::Ok,
        (_, Some(error)) => Status::error(error.detail.clone()),
        _ => Status::Unset,
    }
}

struct Trace {
    id: [u8; 16],
    /// The first is the job's own.
    spans: Vec<SpanData>,
}

impl Trace {
    fn add(
        &mut self,
        name: Cow<'static, str>,
        (begun, ended): (Timestamp, Timestamp),
        attributes: Vec<KeyValue>,
        status: Status,
    ) {
        let number = u64::try_from(self.spans.len()).unwrap_or(u64::MAX) + 1;
        let parent =
            self.spans.first().map_or(SpanId::INVALID, |first| first.span_context.span_id());
        let id = SpanId::from_bytes(number.to_be_bytes());
        let trace = TraceId::from_bytes(self.id);
        self.spans.push(SpanData {
            span_context: SpanContext::new(
                trace,
                id,
                TraceFlags::SAMPLED,
                false,
                TraceState::default(),
            ),
            parent_span_id: parent,
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name,
            start_time: SystemTime::from(begun),
            end_time: SystemTime::from(ended),
            attributes,
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status,
            instrumentation_scope: InstrumentationScope::builder("lockgate").build(),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpListener;

    use lockgate_api::{JobId, Progress, Request};
    use serde_json::Value;

    use super::*;

    /// Takes one request and gives its body.
    fn collector() -> (String, std::thread::JoinHandle<Value>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        let url = format!("http://{}", listener.local_addr().expect("address"));
        let taking = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("connection");
            let mut reader = BufReader::new(&stream);
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("line");
                if line.trim().is_empty() {
                    break;
                }
                let value = line.to_ascii_lowercase();
                if let Some(value) = value.strip_prefix("content-length:") {
                    length = value.trim().parse().expect("length");
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("body");
            (&stream)
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
                .expect("answer");
            serde_json::from_slice(&body).expect("JSON")
        });
        (url, taking)
    }

    fn job(at: impl Fn(i64) -> Timestamp) -> Job {
        let request = serde_json::json!({ "kind": "health", "sources": ["shop"] });
        let request: Request = serde_json::from_value(request).expect("request");
        Job {
            id: JobId::new(),
            kind: request.kind(),
            state: JobState::Done,
            requested_by: "anna".to_owned(),
            request,
            backup: None,
            created: at(0),
            started: Some(at(1)),
            ended: Some(at(9)),
            progress: Progress::default(),
            error: None,
            result: Value::Null,
        }
    }

    #[tokio::test]
    async fn a_collector_gets_the_job_and_its_stages() {
        let at = |second| Timestamp::from_second(1_700_000_000 + second).expect("time");
        let event = |number, second, stage: &str| Event {
            number,
            time: at(second),
            happening: Happening::Stage { stage: stage.to_owned() },
        };
        let job = job(at);
        let (url, taking) = collector();
        let traces = Traces::to(&url).expect("exporter");
        traces
            .exporter
            .export(spans(&job, &[event(1, 2, "begin"), event(2, 5, "export")]))
            .await
            .expect("sent");
        let got = taking.join().expect("collector");
        let spans =
            got["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().expect("spans").clone();
        let told: Vec<_> = spans
            .iter()
            .map(|span| {
                (
                    span["name"].as_str(),
                    span["startTimeUnixNano"].as_str(),
                    span["endTimeUnixNano"].as_str(),
                )
            })
            .collect();
        let (one, two, five) =
            ("1700000001000000000", "1700000002000000000", "1700000005000000000");
        let nine = "1700000009000000000";
        assert_eq!(
            told,
            [
                (Some("health"), Some(one), Some(nine)),
                (Some("begin"), Some(two), Some(five)),
                (Some("export"), Some(five), Some(nine)),
            ]
        );
        let hexadecimal = job.id.to_string().replace('-', "");
        assert_eq!(spans[1]["traceId"], hexadecimal.as_str());
        assert_eq!(spans[1]["parentSpanId"], spans[0]["spanId"]);
    }
}
