//! The job that the plugin runs for: its configuration, its log, and whether it goes on.

use std::fmt;
use std::sync::Once;

use serde::de::DeserializeOwned;

use crate::bindings::lockgate::datastore::job as host;
use crate::bindings::lockgate::datastore::types::Attribute;
use crate::{Error, Result};

pub use host::{is_cancelled, progress};

/// The source's configuration. No configuration at all reads as an empty object.
///
/// # Errors
/// [`Error::config`] that names the key, when the configuration does not fit `C`.
pub fn config<C: DeserializeOwned>() -> Result<C> {
    parse(&host::config())
}

/// Fails when the operator has stopped the run; to be asked in long loops that call nothing else of the host.
///
/// # Errors
/// [`Error::cancelled`].
pub fn go_on() -> Result<()> {
    if is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
}

fn parse<C: DeserializeOwned>(text: &str) -> Result<C> {
    let text = if text.trim().is_empty() { "{}" } else { text };
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner();
        match path.as_str() {
            // The reason then names the key itself: it is missing or unknown.
            "." => Error::config(reason.to_string()),
            _ => Error::config(format!("{path}: {reason}")),
        }
    })
}

/// Makes the `log` facade write to the job's log and a panic leave its message there. Done once for an instance.
pub(crate) fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if log::set_logger(&JobLog).is_ok() {
            log::set_max_level(log::LevelFilter::Debug);
        }
        std::panic::set_hook(Box::new(|panic| {
            let what = panic.payload_as_str().unwrap_or("a value that is no text");
            let message = match panic.location() {
                Some(place) => format!("{what} ({}:{})", place.file(), place.line()),
                None => what.to_owned(),
            };
            host::log(host::Level::Error, &message, &[Attribute::new("panic", "true")]);
        }));
    });
}

struct JobLog;

impl log::Log for JobLog {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let level = match record.level() {
            log::Level::Error => host::Level::Error,
            log::Level::Warn => host::Level::Warn,
            log::Level::Info => host::Level::Info,
            log::Level::Debug => host::Level::Debug,
            log::Level::Trace => host::Level::Trace,
        };
        let message = fmt::format(*record.args());
        host::log(level, &message, &[]);
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[serde(default)]
        retries: u32,
        server: Option<Server>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Server {
        port: u16,
    }

    #[test]
    fn no_configuration_is_an_empty_one() {
        assert_eq!(parse(" "), Ok(Config { retries: 0, server: None }));
    }

    #[test]
    fn a_failure_names_the_key() {
        for (text, key) in [
            (r#"{"server":{"port":"x"}}"#, "server.port"),
            (r#"{"server":{}}"#, "`port`"),
            (r#"{"retrys":1}"#, "`retrys`"),
        ] {
            let error = parse::<Config>(text).unwrap_err();
            assert!(error.message().contains(key), "{error}");
            assert!(matches!(error.failure(), crate::Failure::Config(_)));
        }
    }
}
