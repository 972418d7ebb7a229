//! Requests to receivers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lockgate_engine::configuration::Secret;
use reqwest::{Client, RequestBuilder};

use super::deliver::fetch;
use crate::{Error, ErrorKind, Result};

const CONNECT_MAX: Duration = Duration::from_secs(10);
/// From the connection to the head of the answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Largest file of certificates.
const CERTIFICATES_BYTES_MAX: u64 = 1 << 20;

/// What sends one request. It follows no redirect, so that nothing goes where the operator did not say.
pub(super) async fn client(ca_file: Option<&PathBuf>) -> Result<Client> {
    lockgate_engine::install_tls_provider();
    let mut builder = Client::builder()
        .connect_timeout(CONNECT_MAX)
        .timeout(ANSWER_MAX)
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .user_agent(concat!("lockgate/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = ca_file {
        let wrong = |cause: String| {
            Error::new(ErrorKind::Configuration, format!("ca-file {}: {cause}", path.display()))
        };
        let pem = certificates(path).await.map_err(|error| wrong(error.to_string()))?;
        let parsed = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|error| wrong(error.to_string()))?;
        builder = builder.tls_certs_merge(parsed);
    }
    builder.build().map_err(|error| Error::new(ErrorKind::Failed, error.to_string()))
}

pub(super) async fn certificates(path: &Path) -> std::io::Result<Vec<u8>> {
    use tokio::io::AsyncReadExt as _;
    let mut pem = Vec::new();
    let file = tokio::fs::File::open(path).await?;
    file.take(CERTIFICATES_BYTES_MAX).read_to_end(&mut pem).await?;
    Ok(pem)
}

/// The URL that the configuration gives, or names the file of.
pub(super) async fn url(url: Option<&String>, file: Option<&PathBuf>) -> Result<String> {
    match (url, file) {
        (Some(url), _) => Ok(url.clone()),
        (None, Some(file)) => fetch(Secret::File(file.clone())).await,
        (None, None) => Err(Error::new(ErrorKind::Configuration, "there is no URL")),
    }
}

/// Sends a request and looks at the status alone. Errors do not show the URL, which may be a secret.
pub(super) async fn send(request: RequestBuilder) -> Result<()> {
    let answer = request
        .send()
        .await
        .map_err(|error| Error::new(ErrorKind::Unreachable, chain(&error.without_url())))?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let cause = if status.is_redirection() { ": redirects are not followed" } else { "" };
    Err(Error::new(ErrorKind::Failed, format!("the receiver answered {status}{cause}")))
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
