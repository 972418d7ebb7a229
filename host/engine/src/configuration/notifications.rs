use std::path::PathBuf;

use lockgate_types::Name;
use serde::{Deserialize, Serialize};

use super::{Configuration, Secret};

/// Who is told of what, and how: exactly one of `webhook`, `smtp` and `ping`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Notification {
    /// Of what; of all that is trouble otherwise. Not with `ping`.
    pub on: Option<Vec<Occasion>>,
    /// Only of what these schedules do; of everything when there are none.
    #[serde(default)]
    pub schedules: Vec<Name>,
    /// By a request with a body in JSON.
    pub webhook: Option<Webhook>,
    /// By mail.
    pub smtp: Option<Smtp>,
    /// By calls of a URL, as <https://healthchecks.io/docs/http_api/> describes them: the URL when a job is done, `/start` behind
    /// it when one is begun, `/fail` when one failed.
    pub ping: Option<Ping>,
}

/// Of what somebody can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    /// A job failed.
    Failure,
    /// A job is done.
    Success,
    /// Somebody stopped a job.
    Cancelled,
    /// A schedule left a run out.
    Skipped,
    /// What a schedule keeps could not be applied.
    Retention,
    /// A set or source has no backup that is fresh enough.
    Overdue,
    /// A repository cannot be opened.
    Unreachable,
}

/// A request with a body in JSON.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Webhook {
    /// Where to.
    pub url: Option<String>,
    /// A file whose first line is the URL, where that is a secret.
    pub url_file: Option<PathBuf>,
    /// A file whose first line is the key of signatures.
    pub secret_file: Option<PathBuf>,
    /// An environment variable that holds it.
    pub secret_variable: Option<String>,
    /// A command that prints it; no shell.
    pub secret_command: Option<Vec<String>>,
    /// Certificate authorities beside the system's, in PEM.
    pub ca_file: Option<PathBuf>,
}

/// Mail.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Smtp {
    /// The server that takes the mail.
    pub host: String,
    /// Its port: 465 with `immediate` encryption, 587 with `start`, 25 otherwise.
    pub port: Option<u16>,
    /// When encryption begins.
    #[serde(default)]
    pub encryption: MailEncryption,
    /// Certificate authorities beside the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// The sender's address.
    pub from: String,
    /// The receivers' addresses.
    pub to: Vec<String>,
    /// Who logs in; nobody without it.
    pub user: Option<String>,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// An environment variable that holds it.
    pub password_variable: Option<String>,
    /// A command that prints it; no shell.
    pub password_command: Option<Vec<String>>,
}

/// When encryption begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailEncryption {
    /// When the server was asked (STARTTLS); without it, no mail.
    #[default]
    Start,
    /// With the connection.
    Immediate,
    /// Never.
    Off,
}

/// Calls of a URL.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ping {
    /// Which.
    pub url: Option<String>,
    /// A file whose first line is the URL.
    pub url_file: Option<PathBuf>,
    /// Certificate authorities beside the system's, in PEM.
    pub ca_file: Option<PathBuf>,
}

impl Notification {
    /// Whether somebody is told of this.
    #[must_use]
    pub fn is_on(&self, occasion: Occasion) -> bool {
        let is_trouble = !matches!(occasion, Occasion::Success | Occasion::Cancelled);
        match &self.on {
            _ if self.ping.is_some() => {
                matches!(occasion, Occasion::Success | Occasion::Failure | Occasion::Cancelled)
            }
            Some(on) => on.contains(&occasion),
            None => is_trouble,
        }
    }
}

impl Webhook {
    /// The key of signatures.
    #[must_use]
    pub fn secret(&self) -> Option<Secret> {
        one(&self.secret_file, &self.secret_variable, &self.secret_command)
    }
}

impl Smtp {
    /// The password.
    #[must_use]
    pub fn password(&self) -> Option<Secret> {
        one(&self.password_file, &self.password_variable, &self.password_command)
    }
}

fn one(
    file: &Option<PathBuf>,
    variable: &Option<String>,
    command: &Option<Vec<String>>,
) -> Option<Secret> {
    let file = file.clone().map(Secret::File);
    let variable = variable.clone().map(Secret::Variable);
    file.or(variable).or_else(|| command.clone().map(Secret::Command))
}

pub(super) fn review(configuration: &Configuration, notification: &Notification) -> Vec<String> {
    let mut found = Vec::new();
    let ways =
        [notification.webhook.is_some(), notification.smtp.is_some(), notification.ping.is_some()];
    if count(&ways) != 1 {
        found.push("give exactly one of webhook, smtp and ping".to_owned());
    }
    if notification.on.as_ref().is_some_and(Vec::is_empty) {
        found.push("on: name what to tell of, or leave it out for all that is trouble".to_owned());
    }
    if notification.ping.is_some() && notification.on.is_some() {
        found.push(
            "on: a ping tells of the beginning and the end of jobs, and of nothing else".to_owned(),
        );
    }
    for name in notification.schedules.iter() {
        if !configuration.schedules.contains_key(name) {
            found.push(format!("schedules: there is no [schedules.{name}]"));
        }
    }
    if let Some(webhook) = &notification.webhook {
        found.extend(review_url("webhook", &webhook.url, &webhook.url_file));
        let ways = [
            webhook.secret_file.is_some(),
            webhook.secret_variable.is_some(),
            webhook.secret_command.is_some(),
        ];
        if count(&ways) > 1 {
            found.push(
                "webhook: give only one of secret-file, secret-variable and secret-command"
                    .to_owned(),
            );
        }
    }
    if let Some(ping) = &notification.ping {
        found.extend(review_url("ping", &ping.url, &ping.url_file));
    }
    found.extend(notification.smtp.iter().flat_map(review_smtp));
    found
}

fn count(given: &[bool]) -> usize {
    given.iter().filter(|given| **given).count()
}

fn review_url(way: &str, url: &Option<String>, file: &Option<PathBuf>) -> Option<String> {
    match (url, file) {
        (Some(url), None) if !is_url(url) => {
            Some(format!("{way}.url: expected http://... or https://... without a user name in it"))
        }
        (Some(_), None) | (None, Some(_)) => None,
        _ => Some(format!("{way}: give one of url and url-file")),
    }
}

fn is_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain && authority.is_some_and(|authority| !authority.is_empty() && !authority.contains('@'))
}

fn review_smtp(smtp: &Smtp) -> Vec<String> {
    let mut found = Vec::new();
    if smtp.host.is_empty() || !smtp.host.bytes().all(|byte| byte.is_ascii_graphic()) {
        found.push(format!("smtp.host: {:?} is no name of a server", smtp.host));
    }
    if smtp.to.is_empty() {
        found.push("smtp.to: name a receiver".to_owned());
    }
    for address in smtp.to.iter().chain([&smtp.from]) {
        let parts = address.rsplit_once('@');
        let is_plain = !address.chars().any(|letter| letter.is_control() || letter.is_whitespace());
        if !is_plain || parts.is_none_or(|(user, host)| user.is_empty() || host.is_empty()) {
            found.push(format!("smtp: {address:?} is no address such as backup@example.com"));
        }
    }
    let ways = [
        smtp.password_file.is_some(),
        smtp.password_variable.is_some(),
        smtp.password_command.is_some(),
    ];
    if count(&ways) != usize::from(smtp.user.is_some()) {
        found.push(
            "smtp: give user and one of password-file, password-variable and password-command, or none of them".to_owned(),
        );
    }
    let is_here = ["localhost", "127.0.0.1", "::1"].contains(&smtp.host.as_str());
    if smtp.user.is_some() && smtp.encryption == MailEncryption::Off && !is_here {
        found.push("smtp.encryption: a password is not sent readable over a network".to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::parse;

    #[test]
    fn all_ways_are_understood() {
        let text = r#"
[notifications.chat]
on = ["failure", "overdue"]
webhook = { url = "https://chat.example.com/hook", secret-variable = "HOOK" }
[notifications.mail]
smtp = { host = "mail.example.com", from = "backup@example.com", to = ["ops@example.com"], user = "backup", password-file = "/p" }
[notifications.check]
ping = { url-file = "/etc/lockgate/ping" }
"#;
        let configuration = parse(text).unwrap();
        let get = |name: &str| &configuration.notifications[&name.parse::<Name>().unwrap()];
        assert!(get("chat").is_on(Occasion::Failure) && !get("chat").is_on(Occasion::Unreachable));
        assert!(get("mail").is_on(Occasion::Unreachable) && !get("mail").is_on(Occasion::Success));
        assert!(get("check").is_on(Occasion::Success) && !get("check").is_on(Occasion::Overdue));
    }

    #[test]
    fn mistakes_name_their_line() {
        let mail =
            |more: &str| format!("smtp = {{ host = \"m\", from = \"a@b\", to = [\"c@d\"]{more} }}");
        for (lines, expected) in [
            ("", "exactly one of webhook, smtp and ping"),
            ("webhook = { url = \"ftp://x\" }", "expected http"),
            ("webhook = { url = \"https://user@x/\" }", "without a user name"),
            ("webhook = { url = \"https://x/\\r\\nHost: y\" }", "expected http"),
            ("webhook = {}", "one of url and url-file"),
            ("ping = { url = \"https://x\" }\non = [\"failure\"]", "a ping tells"),
            ("ping = { url = \"https://x\" }\nschedules = [\"no\"]", "no [schedules.no]"),
            (&mail(", user = \"a\""), "give user and one of"),
            (&mail(", user = \"a\", password-file = \"/p\", encryption = \"off\""), "readable"),
            ("smtp = { host = \"m\", from = \"a@b\\nBcc: x@y\", to = [\"c@d\"] }", "is no address"),
            ("smtp = { host = \"m\", from = \"a@b\", to = [] }", "name a receiver"),
        ] {
            let mistakes = parse(&format!("\n[notifications.n]\n{lines}\n")).unwrap_err();
            assert_eq!(mistakes[0].line, 2, "{}", mistakes[0]);
            assert!(mistakes[0].message.contains(expected), "{}", mistakes[0]);
        }
        let mistakes = parse("[notifications.n]\non = [\"fire\"]\n").unwrap_err();
        assert!(mistakes[0].line == 2 && mistakes[0].message.contains("fire"), "{}", mistakes[0]);
    }
}
