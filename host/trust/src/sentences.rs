//! What a plugin may do and why, for a person who has to decide.

use crate::permission::Wanted;
use crate::text::listed;
use crate::{Access, Declaration};

impl Declaration {
    /// One sentence for each thing that it asks for, with the author's reason, and one for each kind of thing that it can not
    /// do.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.endpoint_sentences(&mut lines);
        for (name, folder) in &self.folders {
            let does = match folder.access {
                Access::Read => "It reads",
                Access::ReadWrite => "It reads, and changes during a restore or maintenance,",
            };
            let folder_words = name.words("folder");
            lines.push(format!(
                "{does} {folder_words}{}: {}.",
                unless(folder.optional),
                end(&folder.reason)
            ));
            if let Some(why) = &folder.locks {
                lines.push(format!(
                    "It locks parts of files in {folder_words}, which other programs then wait for: {}. You allow that with `locks = true`.",
                    end(why)
                ));
            }
        }
        if self.folders.is_empty() {
            lines.push("It sees no folder.".to_owned());
        }
        self.credential_sentences(&mut lines);
        for (does, request) in
            [("reads the clock", &self.clock), ("gets random bytes", &self.random)]
        {
            if let Some(request) = request {
                lines.push(format!(
                    "It {does}{}: {}.",
                    unless(request.optional),
                    end(&request.reason)
                ));
            }
        }
        if let Some(limits) = &self.limits {
            let named = listed(limits.named().map(|(limit, value)| limit.words(value)));
            lines.push(format!("It uses up to {named}: {}.", end(&limits.reason)));
        }
        lines
    }

    fn endpoint_sentences(&self, lines: &mut Vec<String>) {
        for (name, endpoint) in &self.endpoints {
            let ways: Vec<_> =
                endpoint.encryption.iter().map(|way| way.words().to_owned()).collect();
            lines.push(format!(
                "It connects to {} by {}, {}{}: {}.",
                name.words("endpoint"),
                endpoint.protocol,
                ways.join(" or "),
                unless(endpoint.optional),
                end(&endpoint.reason)
            ));
            if !endpoint.member_ports.is_empty() {
                lines.push(format!(
                    "It follows the cluster of {} to other members on port {}, inside the address ranges that you give.",
                    name.words("endpoint"),
                    listed(endpoint.member_ports.iter().map(ToString::to_string))
                ));
            }
        }
        if self.endpoints.is_empty() {
            lines.push("It reaches no server.".to_owned());
        }
    }

    fn credential_sentences(&self, lines: &mut Vec<String>) {
        for (name, credential) in &self.credentials {
            let work = match credential.schemes.is_empty() {
                true => "uses".to_owned(),
                false => format!(
                    "has the host answer {} challenges with",
                    listed(credential.schemes.iter().cloned())
                ),
            };
            lines.push(format!(
                "It {work} {}{}: {}.",
                name.words("credential"),
                unless(credential.optional),
                end(&credential.reason)
            ));
            lines.push(match &credential.reveal {
                Some(why) => format!(
                    "It asks to see the secret of {} itself: {}. You allow that with `reveal = true`.",
                    name.words("credential"),
                    end(why)
                ),
                None => format!("It never sees the secret of {}.", name.words("credential")),
            });
        }
        if self.credentials.is_empty() {
            lines.push("It uses no credential.".to_owned());
        }
    }

    /// The names under which the configuration gives what it asks for, as TOML keys.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let key = |kind: &str, wanted: &Wanted| match wanted {
            Wanted::Any => format!("{kind}.NAME"),
            Wanted::Named(name) => format!("{kind}.{name}"),
        };
        let endpoints = self.endpoints.keys().map(|name| key("endpoints", name));
        let folders = self.folders.keys().map(|name| key("folders", name));
        let credentials = self.credentials.keys().map(|name| key("credentials", name));
        endpoints.chain(folders).chain(credentials).collect()
    }
}

fn unless(is_optional: bool) -> &'static str {
    if is_optional { " (if you give it)" } else { "" }
}

/// The author's sentence without its full stop, as the end of one of ours.
fn end(reason: &str) -> &str {
    reason.trim().trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_can_read_what_a_plugin_may_do() {
        let text = include_str!("../tests/everything.toml");
        let declaration = Declaration::parse(text.as_bytes()).unwrap();
        let expected = [
            "It connects to the endpoint \"server\" by cql, without TLS or with TLS when the protocol asks for it: speaks to the cluster.",
            "It follows the cluster of the endpoint \"server\" to other members on port 7000-7001 and 9042, inside the address ranges that you give.",
            "It reads, and changes during a restore or maintenance, any folder that you name: reads what is saved and writes what is restored.",
            "It locks parts of files in any folder that you name, which other programs then wait for: programs that write meanwhile must not change what is being read. You allow that with `locks = true`.",
            "It reads the folder \"logs\" (if you give it): looks for the newest log.",
            "It has the host answer SCRAM-SHA-256 and md5 challenges with the credential \"account\": logs in.",
            "It asks to see the secret of the credential \"account\" itself: old servers want the password itself. You allow that with `reveal = true`.",
            "It reads the clock (if you give it): waits for the cluster to settle.",
            "It gets random bytes: makes nonces.",
            "It uses up to 128 MiB of memory and 64 handles at once: holds one page of rows for each connection.",
        ];
        assert_eq!(declaration.sentences(), expected);
    }

    #[test]
    fn what_it_cannot_do_is_said_too() {
        let text = b"name = 'x'\nversion = '1.0.0'\nsummary = 'Does nothing'\n";
        let lines = Declaration::parse(text).unwrap().sentences();
        assert_eq!(
            lines,
            ["It reaches no server.", "It sees no folder.", "It uses no credential."]
        );
    }
}
