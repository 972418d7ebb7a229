//! A client of the REST API.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use futures::{Stream, StreamExt as _};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

/// Time that a job of the tests may take.
const JOB_MAX: Duration = Duration::from_secs(120);

#[derive(Clone)]
pub struct Client {
    pub http: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// One server-sent event.
#[derive(Clone, Debug, Default)]
pub struct Told {
    pub id: Option<u64>,
    pub event: String,
    pub data: String,
}

impl Told {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_default()
    }
}

impl Client {
    pub fn new(url: &str, token: Option<String>) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap_or_default();
        Self { http, url: url.to_owned(), token }
    }

    /// A request that can be changed before it is sent. `path` without `/api/v1` in front.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.top(method, &format!("/api/v1{path}"))
    }

    /// The same for any path.
    pub fn top(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// GET, and JSON with status 200.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.request(Method::GET, path).send().await?;
        expect(answer, StatusCode::OK).await
    }

    /// POST of JSON, and the job of the answer.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.request(Method::POST, path).json(body).send().await?;
        expect(answer, StatusCode::ACCEPTED).await
    }

    /// The same, and waits until the job has ended.
    pub async fn done(&self, path: &str, body: &Value) -> Result<Value> {
        let job = self.ended(&id(&self.post(path, body).await?)?).await?;
        ensure!(job["state"] == "DONE", "{job}");
        Ok(job)
    }

    /// A job once it has ended.
    pub async fn ended(&self, id: &str) -> Result<Value> {
        let begun = Instant::now();
        while begun.elapsed() < JOB_MAX {
            let job = self.get(&format!("/jobs/{id}")).await?;
            if matches!(job["state"].as_str(), Some("DONE" | "ERROR" | "CANCELLED")) {
                return Ok(job);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("job {id} did not end")
    }

    /// A stream of events, from the one behind `after`.
    pub async fn events(
        &self,
        path: &str,
        after: Option<u64>,
    ) -> Result<impl Stream<Item = Result<Told>> + use<>> {
        let mut request = self.request(Method::GET, path);
        if let Some(after) = after {
            request = request.header("Last-Event-ID", after.to_string());
        }
        let answer = request.send().await?;
        ensure!(answer.status() == StatusCode::OK, "{}", answer.text().await?);
        ensure!(answer.headers()["content-type"] == "text/event-stream");
        let bytes = Box::pin(answer.bytes_stream());
        Ok(futures::stream::unfold((bytes, Vec::new()), |(mut bytes, mut buffer)| async move {
            loop {
                if let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
                    let block: Vec<u8> = buffer.drain(..end + 2).collect();
                    match parse(&block) {
                        Some(told) => return Some((Ok(told), (bytes, buffer))),
                        None => continue,
                    }
                }
                match bytes.next().await? {
                    Ok(piece) => buffer.extend_from_slice(&piece),
                    Err(error) => return Some((Err(error.into()), (bytes, buffer))),
                }
            }
        }))
    }
}

/// None for a comment.
fn parse(block: &[u8]) -> Option<Told> {
    let mut told = Told::default();
    for line in String::from_utf8_lossy(block).lines() {
        match line.split_once(": ") {
            Some(("id", id)) => told.id = id.parse().ok(),
            Some(("event", event)) => told.event = event.to_owned(),
            Some(("data", data)) => told.data = data.to_owned(),
            _ => {}
        }
    }
    (!told.event.is_empty()).then_some(told)
}

/// JSON with that status.
pub async fn expect(answer: Response, status: StatusCode) -> Result<Value> {
    let (got, url) = (answer.status(), answer.url().clone());
    let text = answer.text().await?;
    ensure!(got == status, "{url}: {got} {text}");
    serde_json::from_str(&text).with_context(|| format!("{url}: {text}"))
}

/// Demands a problem with that status, and gives it.
pub async fn problem(answer: Response, status: u16) -> Result<Value> {
    let (got, url) = (answer.status().as_u16(), answer.url().clone());
    let media_type = answer.headers().get("content-type").cloned();
    let text = answer.text().await?;
    ensure!(got == status, "{url}: {got} {text}");
    ensure!(
        media_type.as_ref().is_some_and(|it| it == "application/problem+json"),
        "{media_type:?}"
    );
    let problem: Value = serde_json::from_str(&text)?;
    ensure!(problem["status"] == status && problem["detail"].is_string(), "{problem}");
    ensure!(problem["type"].as_str().is_some_and(|kind| !kind.is_empty()), "{problem}");
    Ok(problem)
}

/// The id of a job or a backup.
pub fn id(body: &Value) -> Result<String> {
    body["id"].as_str().map(str::to_owned).with_context(|| format!("no id: {body}"))
}
