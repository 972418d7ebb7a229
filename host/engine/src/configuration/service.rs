//! `[service]`: what `lockgate serve` listens on, who may use it, and how much of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use lockgate_types::{Digest, Name};
use serde::{Deserialize, Serialize};

use super::Secret;

/// The HTTP service.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Service {
    /// Address and port.
    pub listen: SocketAddr,
    /// Encrypts what goes over the network; needed for an address that others can reach.
    pub tls: Option<Tls>,
    /// Listen on an address that others can reach without TLS: something in front of it encrypts.
    pub insecure: bool,
    /// Let everybody read the metrics, not only users.
    pub open_metrics: bool,
    /// Where jobs and backups are remembered: `sqlite:/path` or `postgresql://...`; SQLite in the user's folder for state otherwise.
    pub state: Option<String>,
    /// Where traces of jobs are sent, in OpenTelemetry's protocol over HTTP, for example `http://127.0.0.1:4318`; nowhere otherwise.
    pub traces: Option<String>,
    /// Jobs that run at once.
    pub jobs: u32,
    /// Jobs that wait for their turn or run; more are refused.
    pub queue: u32,
    /// Requests of one user in a minute, on average and at once; more are refused.
    pub requests_per_minute: u32,
    /// Time that jobs get to end when the service is stopped, in seconds.
    pub grace_seconds: u32,
    /// Who may use it, by name.
    pub users: BTreeMap<Name, User>,
}

/// A certificate and its key.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tls {
    /// PEM file with the certificate, and those of authorities between it and the root.
    pub cert_file: PathBuf,
    /// PEM file with the key.
    pub key_file: PathBuf,
}

/// Someone who may use the service, known by a token.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct User {
    /// What the user may do.
    pub roles: Vec<Role>,
    /// A file whose first line is the token.
    pub token_file: Option<PathBuf>,
    /// An environment variable that holds the token.
    pub token_variable: Option<String>,
    /// A command whose first line of output is the token; no shell.
    pub token_command: Option<Vec<String>>,
    /// SHA-256 of the token, in hexadecimal digits. Only for random tokens: the hash of a word that people think of tells it.
    pub token_sha256: Option<Digest>,
}

/// What a user of the service may do. Each may read what a viewer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// See backups, jobs, sources and schedules.
    Viewer,
    /// Make and delete backups, look at datastores, take them out of service, run repairs.
    Operator,
    /// Read what is in backups, and restore them.
    Restorer,
    /// Read the audit log.
    Auditor,
}

/// How a user's token is known.
#[derive(Clone, Debug)]
pub enum Token {
    /// The token itself is found there.
    Secret(Secret),
    /// Its SHA-256 only.
    Hash(Digest),
}

impl Default for Service {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8420)),
            tls: None,
            insecure: false,
            open_metrics: false,
            state: None,
            traces: None,
            jobs: 2,
            queue: 200,
            requests_per_minute: 600,
            grace_seconds: 60,
            users: BTreeMap::new(),
        }
    }
}

impl User {
    /// How the user's token is known; none unless there is exactly one way.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        let mut ways = [
            self.token_file.clone().map(|file| Token::Secret(Secret::File(file))),
            self.token_variable.clone().map(|name| Token::Secret(Secret::Variable(name))),
            self.token_command.clone().map(|words| Token::Secret(Secret::Command(words))),
            self.token_sha256.map(Token::Hash),
        ]
        .into_iter()
        .flatten();
        let token = ways.next();
        token.filter(|_| ways.next().is_none())
    }
}

/// Mistakes in the section, without those of its users.
pub(super) fn review(service: &Service) -> Vec<String> {
    let mut found = Vec::new();
    let is_reachable = !service.listen.ip().is_loopback();
    if is_reachable && service.tls.is_none() && !service.insecure {
        found.push(format!(
            "listen: others can reach {}, and would send tokens and data readable: give tls = {{ cert-file, key-file }}, or \
             insecure = true when something in front of it encrypts",
            service.listen
        ));
    }
    for (name, value, most) in [
        ("jobs", service.jobs, 64),
        ("queue", service.queue, 10_000),
        ("requests-per-minute", service.requests_per_minute, 1_000_000),
    ] {
        if !(1..=most).contains(&value) {
            found.push(format!("{name}: {value} is not between 1 and {most}"));
        }
    }
    if service.grace_seconds > 86_400 {
        found.push(format!("grace-seconds: {} is more than a day", service.grace_seconds));
    }
    if service.queue < service.jobs {
        found.push(
            "queue: it counts the jobs that run too, so it cannot be less than jobs".to_owned(),
        );
    }
    if let Some(state) = &service.state {
        found.extend(review_state(state).map(|message| format!("state: {message}")));
    }
    found
}

fn review_state(state: &str) -> Option<String> {
    let (scheme, rest) = state.split_once(':')?;
    match scheme {
        "sqlite" => None,
        "postgres" | "postgresql" => {
            let authority = rest.trim_start_matches('/').split(['/', '?']).next()?;
            let has_password =
                authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
                    || rest.contains("password=");
            has_password
                .then(|| "leave the password out: PGPASSWORD or ~/.pgpass holds it".to_owned())
        }
        _ => Some(format!("{scheme}: is not sqlite: or postgresql:")),
    }
}

/// Mistakes in one user.
pub(super) fn review_user(user: &User) -> Vec<String> {
    let mut found = Vec::new();
    if user.roles.is_empty() {
        found.push("roles: name one or more of viewer, operator, restorer, auditor".to_owned());
    }
    if user.token().is_none() {
        found.push(
            "give one of token-file, token-variable, token-command and token-sha256".to_owned(),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[test]
    fn a_service_is_on_this_machine_only_unless_it_encrypts() {
        let listen = |more: &str| parse(&format!("[service]\nlisten = \"0.0.0.0:8420\"\n{more}\n"));
        let mistakes = listen("").unwrap_err();
        assert!(mistakes[0].to_string().starts_with("line 1: service: listen"), "{}", mistakes[0]);
        assert!(listen("insecure = true").is_ok());
        assert!(listen("tls = { cert-file = \"a\", key-file = \"b\" }").is_ok());
        assert!(parse("[service]\nlisten = \"[::1]:1\"\n").is_ok());
        assert_eq!(parse("").unwrap().service.listen.to_string(), "127.0.0.1:8420");
    }

    #[test]
    fn users_have_roles_and_one_token() {
        let user = |text: &str| parse(&format!("[service]\n\n[service.users.ann]\n{text}\n"));
        let good = user("roles = [\"viewer\", \"auditor\"]\ntoken-file = \"/t\"").unwrap();
        assert!(
            good.service.users.values().all(|user| matches!(user.token(), Some(Token::Secret(_))))
        );
        for (text, expected) in [
            ("roles = []\ntoken-file = \"/t\"", "roles: name"),
            ("roles = [\"viewer\"]", "give one of token-file"),
            ("roles = [\"viewer\"]\ntoken-file = \"/t\"\ntoken-variable = \"T\"", "give one of"),
        ] {
            let mistakes = user(text).unwrap_err();
            assert_eq!(mistakes[0].line, 3, "{}", mistakes[0]);
            assert!(mistakes[0].message.contains(expected), "{}", mistakes[0]);
        }
        for (text, line) in [
            ("roles = [\"admin\"]\ntoken-file = \"/t\"", 4),
            ("roles = [\"viewer\"]\ntoken = \"x\"", 5),
            ("roles = [\"viewer\"]\ntoken-sha256 = \"12\"", 5),
        ] {
            assert_eq!(user(text).unwrap_err()[0].line, line);
        }
    }

    #[test]
    fn limits_are_limits_and_the_state_holds_no_password() {
        let with = |text: &str| parse(&format!("[service]\n{text}\n"));
        for good in
            ["jobs = 1\nqueue = 1", "state = \"sqlite:/a\"", "state = \"postgresql://me@h/db\""]
        {
            assert!(with(good).is_ok(), "{good}");
        }
        for (text, expected) in [
            ("jobs = 0", "jobs: 0 is not between"),
            ("jobs = 4\nqueue = 3", "queue: it counts"),
            ("requests-per-minute = 0", "requests-per-minute: 0"),
            ("grace-seconds = 90000", "more than a day"),
            ("state = \"mysql://h\"", "state: mysql: is not"),
            ("state = \"postgresql://me:secret@h/db\"", "leave the password out"),
            ("state = \"postgresql://h/db?password=secret\"", "leave the password out"),
        ] {
            let mistakes = with(text).unwrap_err();
            assert!(mistakes[0].message.contains(expected), "{}", mistakes[0]);
        }
    }
}
