//! Trouble as RFC 9457 tells it: every answer with a status from 400 on is one of these, whoever found the trouble.

use std::time::Duration;

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use lockgate_api::Problem;
use lockgate_operations::{Error, ErrorKind, problem};

/// What handlers return.
pub(crate) type Answer<T> = Result<T, Trouble>;

/// The media type of all trouble.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";
/// Bytes of a text that is made a problem; ours are shorter.
const TEXT_BYTES_MAX: usize = 4096;

/// Trouble on its way to the client.
#[derive(Debug)]
pub(crate) struct Trouble {
    status: StatusCode,
    problem: Box<Problem>,
    retry_after: Option<Duration>,
}

impl Trouble {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let problem = Box::new(Problem::new(word(status), detail));
        Self { status, problem, retry_after: None }
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hint = Some(hint.into());
        self
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub fn unauthenticated(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, detail).with_hint(
            "send `Authorization: Bearer TOKEN` with the token of a user in [service.users]",
        )
    }

    pub fn too_many_requests(wait: Duration) -> Self {
        let mut trouble = Self::new(StatusCode::TOO_MANY_REQUESTS, "too many requests in a minute")
            .with_hint("wait, or have `requests-per-minute` in [service] raised");
        trouble.retry_after = Some(wait);
        trouble
    }

    pub fn busy(detail: &str) -> Self {
        let mut trouble = Self::new(StatusCode::TOO_MANY_REQUESTS, detail);
        trouble.retry_after = Some(Duration::from_secs(5));
        trouble
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let status = status(error.kind());
        if status.is_server_error() {
            tracing::error!("{error}");
        }
        let retry_after = (status == StatusCode::TOO_MANY_REQUESTS).then(|| Duration::from_secs(5));
        Self { status, problem: Box::new(problem(&error)), retry_after }
    }
}

impl From<lockgate_repository::Error> for Trouble {
    fn from(error: lockgate_repository::Error) -> Self {
        Error::from(error).into()
    }
}

fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        // Whoever locked a repository may be anybody; nothing of this service's is full.
        ErrorKind::Conflict | ErrorKind::Locked => StatusCode::CONFLICT,
        ErrorKind::Configuration | ErrorKind::Unsupported => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Busy => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Unreachable => StatusCode::BAD_GATEWAY,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A status in one word.
fn word(status: StatusCode) -> String {
    match status {
        StatusCode::UNAUTHORIZED => "unauthenticated".to_owned(),
        StatusCode::FORBIDDEN => "denied".to_owned(),
        other => {
            let reason = other.canonical_reason().unwrap_or("failed");
            reason.to_ascii_lowercase().replace(' ', "-")
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let mut problem = *self.problem;
        problem.status = self.status.as_u16();
        let mut response = (self.status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs_f64().ceil().max(1.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "seconds to wait"
            )]
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds as u64));
        }
        response
    }
}

/// Makes problems of errors that were not told as such.
pub(crate) async fn everywhere(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let media_type = response.headers().get(header::CONTENT_TYPE);
    if !is_error || media_type.is_some_and(|value| value == PROBLEM_JSON) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = axum::body::to_bytes(body, TEXT_BYTES_MAX).await.unwrap_or_default();
    let detail = match String::from_utf8_lossy(&text).trim() {
        "" => status.canonical_reason().unwrap_or("failed").to_owned(),
        text => text.to_owned(),
    };
    let mut response = Trouble::new(status, detail).into_response();
    for name in [header::ALLOW, header::RETRY_AFTER] {
        if let Some(value) = parts.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// For paths that lead nowhere.
pub(crate) async fn nothing_here() -> Trouble {
    Trouble::not_found("there is nothing at this path")
        .with_hint("/api/openapi.json tells all calls")
}

/// For methods that a path does not have.
pub(crate) async fn no_such_method() -> Trouble {
    Trouble::new(StatusCode::METHOD_NOT_ALLOWED, "this path has no such method")
        .with_hint("the header `Allow` tells those that it has")
}
