use std::error::Error as StdError;
use std::fmt;
use std::io;

use lockgate_types::Retry;

use crate::limits;

/// What went wrong, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No object of that name; or nothing at all at the location: no folder, no bucket.
    NotFound,
    /// An object of that name is there.
    AlreadyExists,
    /// Credentials or permissions do not suffice.
    PermissionDenied,
    /// The storage must not let go of the object yet, whoever asks: it is under retention (S3 Object Lock).
    Retention,
    /// The server does not answer, or not in a way that makes sense.
    Unreachable,
    /// The time for an operation ran out.
    Timeout,
    /// The medium is full or a quota is used up.
    NoSpace,
    /// An object is shorter or longer than it must be.
    Corrupt,
    /// The location or its options are wrong.
    InvalidUrl,
    /// The service, the file system or this build cannot do it.
    Unsupported,
    /// Anything else.
    Other,
}

/// Why an operation failed: what it was, on which object, where, and the cause. Never holds a secret.
pub struct Error {
    // In a box, so that results stay small.
    details: Box<Details>,
}

struct Details {
    kind: ErrorKind,
    action: &'static str,
    name: Option<String>,
    location: String,
    cause: String,
    hint: Option<String>,
    source: Option<opendal::Error>,
}

impl Error {
    /// An error that no service reported.
    pub(crate) fn new(
        kind: ErrorKind,
        action: &'static str,
        location: &str,
        cause: impl Into<String>,
    ) -> Self {
        let (location, cause) = (location.to_owned(), cause.into());
        let details =
            Details { kind, action, name: None, location, cause, hint: None, source: None };
        Self { details: Box::new(details) }
    }

    /// An error that a service reported.
    pub(crate) fn of_operation(
        action: &'static str,
        location: &str,
        name: Option<&str>,
        error: opendal::Error,
    ) -> Self {
        let reason = Reason::of(&error);
        let details = Details {
            kind: reason.kind,
            action,
            name: name.map(str::to_owned),
            location: location.to_owned(),
            cause: reason.cause,
            hint: reason.hint.map(str::to_owned),
            source: Some(error),
        };
        Self { details: Box::new(details) }
    }

    pub(crate) fn with_name(mut self, name: &str) -> Self {
        self.details.name = Some(name.chars().take(limits::NAME_BYTES_MAX).collect());
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.details.hint = Some(hint.into());
        self
    }

    /// What went wrong, by kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.details.kind
    }

    /// The object, when it was about one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.details.name.as_deref()
    }

    /// Where it was.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.details.location
    }

    /// Whether the same call can succeed when it is made again.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self.details.kind {
            ErrorKind::Unreachable | ErrorKind::Timeout => Retry::Later,
            ErrorKind::PermissionDenied
            | ErrorKind::Retention
            | ErrorKind::NoSpace
            | ErrorKind::InvalidUrl => Retry::AfterFix,
            ErrorKind::Unsupported if self.details.hint.is_some() => Retry::AfterFix,
            ErrorKind::NotFound if self.details.hint.is_some() => Retry::AfterFix,
            _ => Retry::Never,
        }
    }

    /// What the operator can do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        if self.details.hint.is_some() {
            return self.details.hint.clone();
        }
        let hint = match self.details.kind {
            ErrorKind::PermissionDenied => "check the permissions and credentials of this location",
            ErrorKind::Retention => "wait until the retention of the object has ended",
            ErrorKind::Unreachable => "check the address, the network and that the server runs",
            ErrorKind::Timeout => {
                "check the network, or raise the options timeout, io-timeout or write-timeout"
            }
            ErrorKind::NoSpace => "free space there, or choose another repository",
            ErrorKind::Corrupt => "run a check of the repository",
            ErrorKind::InvalidUrl => "correct the location or its options",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// Without the source, whose own text holds the headers of an answer and a trace.
impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Error")
            .field("kind", &self.details.kind)
            .field("text", &self.to_string())
            .field("hint", &self.hint())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "could not {} ", self.details.action)?;
        match &self.details.name {
            Some(name) => {
                write!(formatter, "{} in {}", name.escape_debug(), self.details.location)?
            }
            None => formatter.write_str(&self.details.location)?,
        }
        write!(formatter, ": {}", self.details.cause)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.details.source.as_ref().map(|error| error as &(dyn StdError + 'static))
    }
}

/// The cause of an error of a service, on one line and without addresses and headers.
pub(crate) fn cause(error: &opendal::Error) -> String {
    Reason::of(error).cause
}

/// What an error of a service means.
struct Reason {
    kind: ErrorKind,
    cause: String,
    hint: Option<&'static str>,
}

impl Reason {
    fn of(error: &opendal::Error) -> Self {
        if let Some(reason) = Self::of_s3_code(error) {
            return reason;
        }
        if let Some(reason) = Self::of_sources(error) {
            return reason;
        }
        let kind = match error.kind() {
            opendal::ErrorKind::NotFound => ErrorKind::NotFound,
            opendal::ErrorKind::AlreadyExists | opendal::ErrorKind::ConditionNotMatch => {
                ErrorKind::AlreadyExists
            }
            opendal::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
            opendal::ErrorKind::RangeNotSatisfied => ErrorKind::Corrupt,
            opendal::ErrorKind::ConfigInvalid => ErrorKind::InvalidUrl,
            opendal::ErrorKind::Unsupported => ErrorKind::Unsupported,
            opendal::ErrorKind::RateLimited => ErrorKind::Unreachable,
            _ if error.message().contains("timeout reached") => ErrorKind::Timeout,
            // After the retries OpenDAL calls every error persistent; what is left here came over the network.
            _ if !error.is_permanent() => ErrorKind::Unreachable,
            _ => ErrorKind::Other,
        };
        let cause = match kind {
            ErrorKind::NotFound => "it is not there".to_owned(),
            ErrorKind::AlreadyExists => "it is there already".to_owned(),
            ErrorKind::Timeout => "the time for the operation ran out".to_owned(),
            _ => bare_status(error).unwrap_or_else(|| with_source(error)),
        };
        Self { kind, cause, hint: None }
    }

    /// The codes are those of the S3 API reference, "Error responses"; OpenDAL gives them in the text of the error.
    fn of_s3_code(error: &opendal::Error) -> Option<Self> {
        let message = error.message();
        let code = quoted(message, "S3Error { code: \"").filter(|code| !code.is_empty())?;
        let text = quoted(message, "message: \"").unwrap_or_default();
        if tells_of_retention(text) {
            let cause = one_line(&format!("{code}: {text}"));
            return Some(Self { kind: ErrorKind::Retention, cause, hint: None });
        }
        let (kind, hint) = match code {
            "NoSuchBucket" => (ErrorKind::NotFound, "create the bucket, or correct its name"),
            // The last one is versitygw's.
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "InvalidToken"
            | "ExpiredToken"
            | "XAdminUserNotFound" => {
                (ErrorKind::PermissionDenied, "check the access key, the secret key and the region")
            }
            "NotImplemented" => (
                ErrorKind::Unsupported,
                "if the server has no conditional writes, set the option conditional-writes to false",
            ),
            "InternalError" | "ServiceUnavailable" | "SlowDown" | "TooManyRequests"
            | "OperationAborted" => (
                ErrorKind::Unreachable,
                "try again later; lower the option concurrency if it stays so",
            ),
            "RequestTimeout" => (ErrorKind::Timeout, "check the network"),
            "AuthorizationHeaderMalformed" | "PermanentRedirect" => {
                (ErrorKind::PermissionDenied, "set the option region to the region of the bucket")
            }
            "RequestTimeTooSkewed" => {
                (ErrorKind::PermissionDenied, "set the clock of this machine")
            }
            "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => (
                ErrorKind::PermissionDenied,
                "allow this access key to list, read, write and delete in the bucket",
            ),
            "QuotaExceeded" | "XMinioStorageFull" | "EntityTooLarge" | "InsufficientCapacity" => {
                (ErrorKind::NoSpace, "free space there, or choose another repository")
            }
            "NoSuchKey"
            | "NotFound"
            | "PreconditionFailed"
            | "ConditionalRequestConflict"
            | "InvalidRange" => return None,
            // That of a missing object is above: nobody may conclude from any other that the object is missing.
            _ => (ErrorKind::Other, "check the server and the bucket"),
        };
        Some(Self { kind, cause: one_line(&format!("{code}: {text}")), hint: Some(hint) })
    }

    /// What the system or the connection said.
    fn of_sources(error: &opendal::Error) -> Option<Self> {
        let mut source = StdError::source(error);
        for _ in 0..limits::CAUSES_MAX {
            let current = source?;
            if let Some(error) = current.downcast_ref::<io::Error>() {
                let kind = of_io(error);
                return Some(Self { kind, cause: one_line(&error.to_string()), hint: None });
            }
            if let Some(http) = current.downcast_ref::<reqwest::Error>()
                && let Some(reason) = Self::of_http(http)
            {
                return Some(reason);
            }
            source = current.source();
        }
        None
    }

    fn of_http(error: &reqwest::Error) -> Option<Self> {
        let kind = match error {
            error if error.is_timeout() => ErrorKind::Timeout,
            error if error.is_builder() => return None,
            _ => ErrorKind::Unreachable,
        };
        let cause = one_line(&deepest(error));
        let hint = (cause.contains("certificate") || cause.contains("UnknownIssuer")).then_some(
            "check the address, or trust its certificate with the option ca-certificate",
        );
        Some(Self { kind, cause, hint })
    }
}

/// Whether a refusal is because of a retention. The code is the one of any refusal: AWS, versitygw and Ceph say "object lock"
/// in the text, MinIO "WORM protected", others "retention".
fn tells_of_retention(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["object lock", "worm protected", "retention"].iter().any(|words| text.contains(words))
}

fn of_io(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            ErrorKind::PermissionDenied
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::NoSpace
        }
        io::ErrorKind::TimedOut => ErrorKind::Timeout,
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::StaleNetworkFileHandle => ErrorKind::Unreachable,
        io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
        io::ErrorKind::Unsupported => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    }
}

/// The message and the deepest cause.
/// The status of an answer that said nothing else, as those to HEAD do (RFC 9110, section 9.3.2). OpenDAL keeps it in the text only.
fn bare_status(error: &opendal::Error) -> Option<String> {
    let message = error.message();
    let says_something = quoted(message, "message: \"").unwrap_or(message);
    if !says_something.is_empty() {
        return None;
    }
    let text = error.to_string();
    let (_, after) = text.split_once("status: ")?;
    let status = after.get(..3).filter(|digits| digits.bytes().all(|it| it.is_ascii_digit()))?;
    Some(format!("the server answered with status {status} and no reason"))
}

fn with_source(error: &opendal::Error) -> String {
    match StdError::source(error) {
        Some(source) => one_line(&format!("{}: {}", error.message(), deepest(source))),
        None => one_line(error.message()),
    }
}

fn deepest(error: &dyn StdError) -> String {
    let mut error = error;
    for _ in 0..limits::CAUSES_MAX {
        let Some(source) = error.source() else { break };
        error = source;
    }
    error.to_string()
}

/// What stands between `start` and the next quote.
fn quoted<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(start)?;
    after.split_once('"').map(|(inside, _)| inside)
}

/// Bounded, and safe on a terminal: the text may come from a server.
fn one_line(text: &str) -> String {
    let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut line: String = text.chars().map(printable).take(limits::CAUSE_CHARACTERS_MAX).collect();
    if text.chars().nth(limits::CAUSE_CHARACTERS_MAX).is_some() {
        line.push('…');
    }
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(error: opendal::Error) -> Error {
        Error::of_operation("read", "s3:https://h/b", Some("data/ab/c"), error)
    }

    #[test]
    fn codes_of_s3_name_the_next_step() {
        let message = r#"S3Error { code: "NoSuchBucket", message: "The specified bucket does not exist", resource: "", request_id: "1" }"#;
        let error = of(opendal::Error::new(opendal::ErrorKind::ConfigInvalid, message));
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.retry(), Retry::AfterFix);
        assert_eq!(error.hint().as_deref(), Some("create the bucket, or correct its name"));
        assert_eq!(
            error.to_string(),
            "could not read data/ab/c in s3:https://h/b: NoSuchBucket: The specified bucket does not exist"
        );
    }

    #[test]
    fn a_retention_is_not_taken_for_a_lack_of_rights() {
        let told = |code: &str, text: &str| {
            let message =
                format!(r#"S3Error {{ code: "{code}", message: "{text}", resource: "" }}"#);
            of(opendal::Error::new(opendal::ErrorKind::PermissionDenied, message)).kind()
        };
        let aws = "Access Denied because object protected by object lock.";
        assert_eq!(told("AccessDenied", aws), ErrorKind::Retention);
        let minio = "Object is WORM protected and cannot be overwritten";
        assert_eq!(told("InvalidRequest", minio), ErrorKind::Retention);
        assert_eq!(told("AccessDenied", "Access Denied"), ErrorKind::PermissionDenied);
    }

    #[test]
    fn a_full_disk_is_no_space() {
        let source = io::Error::from_raw_os_error(28);
        let error =
            of(opendal::Error::new(opendal::ErrorKind::Unexpected, "write").set_source(source));
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert_eq!(error.retry(), Retry::AfterFix);
    }

    #[test]
    fn text_of_a_server_is_one_bounded_line() {
        let message = format!("a\n\u{1b}[31mb{}", "x".repeat(1000));
        let error = of(opendal::Error::new(opendal::ErrorKind::Unexpected, message));
        let text = error.to_string();
        assert!(!text.contains(char::is_control) && text.chars().count() < 400, "{text}");
        assert_eq!(error.retry(), Retry::Never);
    }

    #[test]
    fn what_passes_may_be_tried_later() {
        let error =
            of(opendal::Error::new(opendal::ErrorKind::Unexpected, "io operation timeout reached")
                .set_temporary());
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Timeout, Retry::Later));
        let error =
            of(opendal::Error::new(opendal::ErrorKind::RateLimited, "slow down").set_temporary());
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unreachable, Retry::Later));
    }

    #[test]
    fn an_answer_without_a_body_is_told_by_its_status() {
        let bare = r#"S3Error { code: "", message: "", resource: "", request_id: "" }"#;
        for message in ["", bare] {
            let error = opendal::Error::new(opendal::ErrorKind::PermissionDenied, message)
                .with_context("response", "Parts { status: 403, version: HTTP/1.1 }");
            let error = of(error);
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            let expected = "the server answered with status 403 and no reason";
            assert!(error.to_string().ends_with(expected), "{error}");
        }
    }
}
