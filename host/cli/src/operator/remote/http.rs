use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use lockgate_api::Problem;
use lockgate_engine::configuration::Secret;
use lockgate_engine::install_tls_provider;
use lockgate_engine::{Error, ErrorKind, Result};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::arguments::Service;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Until an answer is complete. A snapshot is forgotten while the operator waits.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(300);
/// A stream of events that is silent for longer is asked for again, which costs nothing.
const SILENCE_MAX: Duration = Duration::from_secs(90);
/// Bytes of an answer; a service has no reason to send more.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Characters of an answer that is no problem document, in an error.
const SHOWN_MAX: usize = 200;
/// Where the token is when no file is named.
const TOKEN_VARIABLE: &str = "LOCKGATE_TOKEN";

/// Requests to one service, with the operator's token.
pub(super) struct Http {
    client: Client,
    base: Url,
}

impl Http {
    pub(super) fn new(server: &str, settings: &Service) -> Result<Self> {
        let base = base(server)?;
        install_tls_provider();
        let mut builder = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_MAX)
            // A token goes where the operator said, and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .default_headers(headers(settings)?);
        if base.scheme() == "http" {
            builder = builder.no_proxy();
        }
        if let Some(path) = &settings.ca_file {
            builder = builder.tls_certs_only(certificates(path)?);
        }
        let client = builder.build().map_err(|error| {
            Error::new(ErrorKind::Configuration, format!("service {server}: {}", cause(&error)))
        })?;
        Ok(Self { client, base })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.parsed(self.request(Method::GET, path)).await
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T> {
        self.parsed(self.request(Method::POST, path).json(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<()> {
        self.answer(self.request(Method::DELETE, path)).await.map(drop)
    }

    /// The stream of events behind number `last`.
    pub(super) async fn events(&self, path: &str, last: u64) -> Result<Response> {
        let request = self
            .client
            .get(self.url(path))
            .header(ACCEPT, "text/event-stream")
            .header("Last-Event-ID", last);
        self.accepted(request).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(path)).timeout(ANSWER_TIMEOUT)
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.base.as_str().trim_end_matches('/'))
    }

    async fn parsed<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T> {
        let bytes = self.answer(request).await?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("service {}: its answer is not understood: {error}", self.base);
            Error::new(ErrorKind::Unsupported, message)
                .with_hint("use a lockgate of the same version as the service")
        })
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Vec<u8>> {
        let response = self.accepted(request).await?;
        self.body(response).await
    }

    async fn accepted(&self, request: RequestBuilder) -> Result<Response> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = self.body(response).await?;
        Err(match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => refused(status, &problem),
            Err(_) => {
                let text: String = String::from_utf8_lossy(&body).chars().take(SHOWN_MAX).collect();
                let detail = format!("service {} answers {status}: {text}", self.base);
                refused(status, &Problem::new("", detail.trim_end_matches([':', ' '])))
            }
        })
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                let message = format!("service {}: its answer has no end", self.base);
                return Err(Error::new(ErrorKind::Failed, message));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        unreachable(self.base.as_str(), error)
    }
}

/// A connection that could not be made, or broke.
pub(super) fn unreachable(server: &str, error: &reqwest::Error) -> Error {
    Error::new(ErrorKind::Unreachable, format!("service {server}: {}", cause(error)))
        .with_hint("check --server and that the service runs; --ca-file names its authority")
}

/// What a service says, as the error that this process would have had; else by the status.
fn refused(status: StatusCode, problem: &Problem) -> Error {
    let error = lockgate_operations::error(problem);
    let kind = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Credentials,
        _ if error.kind() != ErrorKind::Failed => return error,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::CONFLICT => ErrorKind::Conflict,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::Busy,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            ErrorKind::Unreachable
        }
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => ErrorKind::Configuration,
        _ => ErrorKind::Failed,
    };
    let refused = Error::new(kind, error.to_string());
    match error.hint() {
        Some(hint) => refused.with_hint(hint),
        None if kind == ErrorKind::Credentials => refused.with_hint(
            "LOCKGATE_TOKEN_FILE or --token-file names the token; its user needs the role",
        ),
        None => refused,
    }
}

/// The address of a service; without TLS only on this machine, because a token goes there.
fn base(server: &str) -> Result<Url> {
    let wrong = |cause: &str| {
        Error::new(ErrorKind::Configuration, format!("service {server:?}: {cause}"))
            .with_hint("give an address such as https://backup.example.com:8443")
    };
    let url = Url::parse(server).map_err(|error| wrong(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::new(ErrorKind::Configuration, "service: a secret is never an argument")
            .with_hint("LOCKGATE_TOKEN_FILE or --token-file names the token"));
    }
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        "http" => {
            Err(wrong("without TLS others could read the token, so that is for this machine only"))
        }
        _ => Err(wrong("this is neither https nor http")),
    }
}

fn headers(settings: &Service) -> Result<HeaderMap> {
    let wrong = |cause: String| Error::new(ErrorKind::Configuration, format!("token: {cause}"));
    let secret = match &settings.token_file {
        Some(path) => Some(Secret::File(path.clone())),
        None => {
            std::env::var_os(TOKEN_VARIABLE).map(|_| Secret::Variable(TOKEN_VARIABLE.to_owned()))
        }
    };
    let mut headers = HeaderMap::new();
    if let Some(secret) = secret {
        let token = secret.fetch().map_err(|error| wrong(error.to_string()))?;
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.as_str()))
            .map_err(|_| wrong("it has characters that no token has".to_owned()))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

fn certificates(path: &PathBuf) -> Result<Vec<Certificate>> {
    let wrong = |cause: String| {
        Error::new(ErrorKind::Configuration, format!("--ca-file {}: {cause}", path.display()))
    };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(cause(&error)))?;
    match found.is_empty() {
        true => Err(wrong("it holds no certificates".to_owned())),
        false => Ok(found),
    }
}

/// The innermost cause: what is around it only says that something went wrong.
fn cause(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_crosses_the_network_encrypted_or_not_at_all() {
        for good in
            ["https://a.example", "http://127.0.0.1:80", "http://[::1]:1", "http://localhost"]
        {
            assert!(base(good).is_ok(), "{good}");
        }
        for bad in
            ["http://10.0.0.1", "http://a.example", "ftp://a", "a.example", "https://me:pw@a"]
        {
            let error = base(bad).expect_err(bad);
            assert!(
                error.kind() == ErrorKind::Configuration && !error.to_string().contains("pw"),
                "{error}"
            );
        }
    }

    #[test]
    fn refusals_have_the_exit_codes_of_this_process() {
        let kind =
            |status: StatusCode, word: &str| refused(status, &Problem::new(word, "x")).kind();
        assert_eq!(kind(StatusCode::CONFLICT, "locked"), ErrorKind::Locked);
        assert_eq!(kind(StatusCode::CONFLICT, "of tomorrow"), ErrorKind::Conflict);
        assert_eq!(kind(StatusCode::UNAUTHORIZED, "denied"), ErrorKind::Credentials);
        assert_eq!(kind(StatusCode::NOT_FOUND, ""), ErrorKind::NotFound);
        assert_eq!(kind(StatusCode::INTERNAL_SERVER_ERROR, ""), ErrorKind::Failed);
    }
}
