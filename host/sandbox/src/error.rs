//! Why a session or a call failed.

use std::io;

use lockgate_types::{Failure, Retry};

use crate::protocol::{ProtocolError, Stop};
use crate::session::shown::{into_shown, shown};

/// Text of a plugin or a server in an error, in bytes.
const TEXT_BYTES_MAX: usize = 2_048;
/// Name of a part or an instance in an error, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// Why a session or a call failed. Names the plugin, the part or the instance, and the cause, on one line.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {}", self.0.plugin, self.0.place, self.0.detail)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    /// `plugin NAME`, or empty before it is known.
    plugin: String,
    /// `, part ID` or `, instance LABEL`, or empty.
    place: String,
    detail: String,
    hint: Option<String>,
    cause: Option<io::Error>,
}

/// What kind of trouble it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The plugin returned a failure; [`Failure::Denied`] and [`Failure::Cancelled`] have kinds of their own.
    Failure(Failure),
    /// The plugin asked for something that is not granted, and gave up.
    Denied,
    /// The plugin trapped or panicked.
    Trap,
    /// The plugin computed for too long without calling the host.
    Busy,
    /// A call took longer than its limit.
    Deadline,
    /// The plugin asked for more memory than its limit.
    Memory,
    /// The operator stopped the run.
    Cancelled,
    /// The worker process ended, or was stopped because of another call.
    WorkerLost,
    /// The worker broke the protocol and was killed.
    Protocol,
    /// The component is not a plugin of this version of the contract, or its answers break the contract.
    Unfit,
    /// The component cannot be compiled.
    Compile,
    /// The machine lacks a layer of the jail that the run requires.
    Isolation,
    /// A grant cannot be used as it stands: a folder is missing, an address is wrong.
    Grant,
    /// The instance was used after it had ended.
    Ended,
    /// The system refused something to the host.
    Io,
}

/// What a call was about, for messages.
#[derive(Clone, Debug, Default)]
pub(crate) enum Place {
    #[default]
    None,
    Instance(String),
    Part(String),
}

impl Place {
    fn text(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Instance(label) => format!(", instance {}", shown(label, NAME_BYTES_MAX)),
            Self::Part(id) => format!(", part {}", shown(id, NAME_BYTES_MAX)),
        }
    }
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        let hint = hint_of(&kind);
        Self(Box::new(Inner {
            kind,
            plugin: "sandbox".to_owned(),
            place: String::new(),
            detail: into_shown(detail.into(), TEXT_BYTES_MAX),
            hint,
            cause: None,
        }))
    }

    pub(crate) fn io(action: &str, cause: io::Error) -> Self {
        let mut error = Self::new(ErrorKind::Io, format!("could not {action}: {cause}"));
        error.0.cause = Some(cause);
        error
    }

    pub(crate) fn protocol(error: &ProtocolError) -> Self {
        Self::new(ErrorKind::Protocol, format!("the worker broke the protocol: {error}"))
    }

    /// What the worker says of a call that gave no value. `busy_ms` is the limit that `Busy` ran into.
    pub(crate) fn stop(stop: Stop, busy_ms: u64) -> Self {
        match stop {
            Stop::Failure(failure) => Self::failure(failure),
            Stop::Trap(message) => Self::new(ErrorKind::Trap, format!("crashed: {message}")),
            Stop::Busy => {
                let detail = format!(
                    "computed for {} without calling the host (limit busy-ms)",
                    duration(busy_ms)
                );
                Self::new(ErrorKind::Busy, detail)
            }
            Stop::Memory(bytes) => {
                let detail =
                    format!("needs more than {bytes} bytes of memory (limit memory-bytes)");
                Self::new(ErrorKind::Memory, detail)
            }
            Stop::Unfit(reason) => Self::new(ErrorKind::Unfit, reason),
        }
    }

    pub(crate) fn failure(failure: Failure) -> Self {
        let detail = failure.to_string();
        let kind = match failure {
            Failure::Cancelled => ErrorKind::Cancelled,
            Failure::Denied(_) => ErrorKind::Denied,
            failure => ErrorKind::Failure(readable(failure)),
        };
        Self::new(kind, detail)
    }

    pub(crate) fn deadline(limit: &str, milliseconds: u64) -> Self {
        let detail = format!("did not return within {} (limit {limit})", duration(milliseconds));
        Self::new(ErrorKind::Deadline, detail)
    }

    /// Names the plugin and what it was doing.
    pub(crate) fn at(mut self, plugin: &str, place: &Place) -> Self {
        self.0.plugin = format!("plugin {}", shown(plugin, NAME_BYTES_MAX));
        self.0.place = place.text();
        self
    }

    /// Names the source that a component was compiled for, which the cache does not know.
    #[must_use]
    pub fn of_source(self, name: &str) -> Self {
        self.at(name, &Place::None)
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.0.hint = hint_of(&kind);
        self.0.kind = kind;
        self
    }

    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// The text without the names of plugin and part.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What the system said, when it was the system.
    #[must_use]
    pub fn cause(&self) -> Option<&io::Error> {
        self.0.cause.as_ref()
    }

    /// Whether the same call, in a new instance or session, can succeed.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self.kind() {
            ErrorKind::Failure(Failure::Unreachable(_)) | ErrorKind::WorkerLost => Retry::Later,
            ErrorKind::Failure(Failure::Config(_) | Failure::Auth(_) | Failure::Conflict(_))
            | ErrorKind::Denied
            | ErrorKind::Busy
            | ErrorKind::Deadline
            | ErrorKind::Memory
            | ErrorKind::Grant
            | ErrorKind::Isolation
            | ErrorKind::Io => Retry::AfterFix,
            _ => Retry::Never,
        }
    }

    /// The next step, when there is one.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.0.hint.clone()
    }
}

/// The failure with its text fit for a terminal.
fn readable(failure: Failure) -> Failure {
    let fit = |text: String| into_shown(text, TEXT_BYTES_MAX);
    match failure {
        Failure::Config(text) => Failure::Config(fit(text)),
        Failure::Auth(text) => Failure::Auth(fit(text)),
        Failure::Denied(text) => Failure::Denied(fit(text)),
        Failure::Unreachable(text) => Failure::Unreachable(fit(text)),
        Failure::Unsupported(text) => Failure::Unsupported(fit(text)),
        Failure::Conflict(text) => Failure::Conflict(fit(text)),
        Failure::Corrupt(text) => Failure::Corrupt(fit(text)),
        Failure::Cancelled => Failure::Cancelled,
        Failure::Other(text) => Failure::Other(fit(text)),
    }
}

fn hint_of(kind: &ErrorKind) -> Option<String> {
    let hint = match kind {
        ErrorKind::Denied => "add the capability to the grants of this source",
        ErrorKind::Busy => "raise `limits.busy-ms` of this source if the plugin is sound",
        ErrorKind::Deadline => "raise the limit of this source, or look why the server is slow",
        ErrorKind::Memory => "raise `limits.memory-bytes` of this source",
        ErrorKind::Failure(Failure::Config(_)) => "correct the source's `config`",
        ErrorKind::Failure(Failure::Auth(_)) => "check the source's credential and certificates",
        ErrorKind::Failure(Failure::Unreachable(_)) => {
            "check that the server runs and the endpoint's address is right"
        }
        ErrorKind::Trap => "report this to the plugin's author",
        ErrorKind::Protocol => {
            "the worker may be compromised: report this with the plugin's digest"
        }
        ErrorKind::Isolation => {
            "`lockgate sandbox status` shows what this machine offers; `--isolation=reduced` runs without it"
        }
        ErrorKind::Unfit | ErrorKind::Compile => "check that the plugin was built for this version",
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Milliseconds in the largest unit of which there are at least two, exactly: `30 s`, `1500 ms`, `24 h`.
fn duration(milliseconds: u64) -> String {
    let units = [(3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let fits = |unit: u64| milliseconds >= 2 * unit && milliseconds.is_multiple_of(unit);
    match units.into_iter().find(|(unit, _)| fits(*unit)) {
        Some((unit, name)) => format!("{} {name}", milliseconds / unit),
        None => format!("{milliseconds} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_plugin_part_and_limit() {
        let error =
            Error::stop(Stop::Busy, 30_000).at("mariadb", &Place::Part("shop/accounts".to_owned()));
        assert_eq!(
            error.to_string(),
            "plugin mariadb, part shop/accounts: computed for 30 s without calling the host (limit busy-ms)"
        );
        assert_eq!(error.kind(), &ErrorKind::Busy);
        assert_eq!(error.retry(), Retry::AfterFix);
        let error =
            Error::deadline("call-ms", 86_400_000).at("files", &Place::Instance("begin".into()));
        assert_eq!(
            error.to_string(),
            "plugin files, instance begin: did not return within 24 h (limit call-ms)"
        );
    }

    #[test]
    fn text_of_a_plugin_cannot_reach_the_terminal_unescaped() {
        let failure = Failure::Other("\x1b]0;owned\x07\nsecond line".to_owned());
        let error = Error::failure(failure).at("a\nb", &Place::Part("\u{202e}x".to_owned()));
        assert_eq!(
            error.to_string(),
            "plugin a\\nb, part \\u{202e}x: \\u{1b}]0;owned\\u{7}\\nsecond line"
        );
        let ErrorKind::Failure(Failure::Other(text)) = error.kind() else { panic!("{error:?}") };
        assert!(!text.contains('\x1b'));
        let long = Error::failure(Failure::Other("x".repeat(1 << 20)));
        assert!(long.to_string().len() < TEXT_BYTES_MAX + 100);
    }

    #[test]
    fn durations_are_exact() {
        for (milliseconds, text) in [
            (0, "0 ms"),
            (200, "200 ms"),
            (1_500, "1500 ms"),
            (1_000, "1000 ms"),
            (30_000, "30 s"),
            (60_000, "60 s"),
            (120_000, "2 min"),
            (3_600_000, "60 min"),
            (86_400_000, "24 h"),
        ] {
            assert_eq!(duration(milliseconds), text);
        }
    }
}
