//! What went wrong between host and server, in words that say what to look at.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use lockgate_types::Failure;
use rustls::AlertDescription;

use crate::limits::{HEADERS_BYTES_MAX, HEADERS_MAX};
use crate::session::dial::{Endpoint, text_of};
use crate::session::shown::shown;

/// What the plugin is told when hyper fails.
pub fn failure_of(endpoint: &Endpoint, error: &hyper::Error) -> Failure {
    let name = format!("endpoint {} ({})", endpoint.name, endpoint.address());
    if error.is_parse() {
        let cause = shown(&error.to_string(), 256).into_owned();
        let limits = format!("at most {HEADERS_MAX} headers and {HEADERS_BYTES_MAX} bytes");
        let text = "the head of the response cannot be read";
        return Failure::Corrupt(format!("{name}: {text}: {cause} ({limits})"));
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            return io_failure(&name, cause);
        }
        source = cause.source();
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        let text = "the server closed the connection before its response was complete";
        return Failure::Unreachable(format!("{name}: {text}"));
    }
    let cause = shown(&error.to_string(), 256).into_owned();
    Failure::Unreachable(format!("{name}: {cause}"))
}

/// With TLS 1.3 a server refuses a client after the handshake has ended, so that the refusal is read with the response.
fn io_failure(name: &str, error: &io::Error) -> Failure {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)) => {
            let text = "the server asks for a certificate: `cert-file` and `key-file` in the grant";
            Failure::Auth(format!("{name}: {text}"))
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            Failure::Auth(format!("{name}: the server refused the connection: {alert:?}"))
        }
        _ if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => {
            let cause = text_of(error);
            Failure::Corrupt(format!("{name}: the response's body is damaged: {cause}"))
        }
        _ => Failure::Unreachable(format!("{name}: {}", text_of(error))),
    }
}

/// The server neither gave nor took a byte for too long.
pub fn silent(endpoint: &Endpoint, limit: Duration) -> Failure {
    Failure::Unreachable(format!(
        "{}: the server was silent for {} s, the limit `silence-ms` of the source",
        endpoint.name,
        limit.as_secs_f64()
    ))
}
