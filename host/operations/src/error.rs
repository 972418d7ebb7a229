use lockgate_api::Problem;

use crate::{Error, ErrorKind};

/// An error as the API tells it.
#[must_use]
pub fn problem(error: &Error) -> Problem {
    let problem = Problem::new(word(error.kind()), error.to_string());
    match error.hint() {
        Some(hint) => problem.with_hint(hint),
        None => problem,
    }
}

/// Trouble that the API tells, as an error.
#[must_use]
pub fn error(problem: &Problem) -> Error {
    let known = KINDS.into_iter().find(|kind| word(*kind) == problem.kind);
    let error = Error::new(known.unwrap_or(ErrorKind::Failed), problem.detail.clone());
    match &problem.hint {
        Some(hint) => error.with_hint(hint.clone()),
        None => error,
    }
}

/// All kinds that have a word of their own.
const KINDS: [ErrorKind; 17] = [
    ErrorKind::Configuration,
    ErrorKind::NoRepository,
    ErrorKind::Locked,
    ErrorKind::Busy,
    ErrorKind::WrongPassword,
    ErrorKind::Unreachable,
    ErrorKind::NoSpace,
    ErrorKind::Damaged,
    ErrorKind::NotFound,
    ErrorKind::Denied,
    ErrorKind::Credentials,
    ErrorKind::Unsupported,
    ErrorKind::Conflict,
    ErrorKind::PluginStopped,
    ErrorKind::Isolation,
    ErrorKind::Untrusted,
    ErrorKind::Interrupted,
];

/// The kind in one word.
fn word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Configuration => "configuration",
        ErrorKind::NoRepository => "no-repository",
        ErrorKind::Locked => "locked",
        ErrorKind::Busy => "busy",
        ErrorKind::WrongPassword => "wrong-password",
        ErrorKind::Unreachable => "unreachable",
        ErrorKind::NoSpace => "no-space",
        ErrorKind::Damaged => "damaged",
        ErrorKind::NotFound => "not-found",
        ErrorKind::Denied => "denied",
        ErrorKind::Credentials => "credentials",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::Conflict => "conflict",
        ErrorKind::PluginStopped => "plugin-stopped",
        ErrorKind::Isolation => "isolation",
        ErrorKind::Untrusted => "untrusted",
        ErrorKind::Interrupted => "interrupted",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_survive_the_way_through_the_api() {
        for kind in KINDS.into_iter().chain([ErrorKind::Failed]) {
            let sent = problem(&Error::new(kind, "what").with_hint("how"));
            let back = error(&sent);
            assert_eq!(
                (back.kind(), back.to_string(), back.hint()),
                (kind, "what".to_owned(), Some("how"))
            );
        }
        assert_eq!(error(&Problem::new("of tomorrow", "")).kind(), ErrorKind::Failed);
    }
}
