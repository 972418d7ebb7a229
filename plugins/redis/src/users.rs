//! Users of the access control list: <https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/>. They
//! are archived in the form of `users.acl`, the server's own file, with the hashes of their passwords.

use std::collections::BTreeMap;
use std::io::{BufRead, Read, Write};

use lockgate_plugin::host::Host;
use lockgate_plugin::{Entry, Error, Fingerprint, Part, Result};

use crate::client::Client;
use crate::error::protocol;
use crate::limits::USERS_BYTES_MAX;

/// The entry.
const ENTRY: &str = "users.acl";
/// Attribute of the part: for each user the digest of its rules, as JSON.
pub const DIGESTS: &str = "users";
/// What begins each line.
const PREFIX: &str = "user ";
/// The user that every server has.
pub const DEFAULT: &str = "default";

/// Rules by name of the user.
pub type Users = BTreeMap<String, String>;

/// Asks the server.
///
/// # Errors
/// When it does not tell.
pub fn read<H: Host>(client: &mut Client<H::Stream>) -> Result<Users> {
    let lines = client.call(&[b"ACL", b"LIST"])?.array()?;
    lines.into_iter().map(|line| parse(&line.text()?)).collect()
}

fn parse(line: &str) -> Result<(String, String)> {
    let pair = line.strip_prefix(PREFIX).and_then(|rest| rest.split_once(' '));
    let (name, rules) = pair.ok_or_else(|| protocol("a user has no name or no rules"))?;
    Ok((name.to_owned(), canonical(rules)))
}

/// The same rules in a form that does not depend on the server: Redis 7.0 lists single commands in the order of a table that it
/// shuffles at each start. A command stands before its parts (`config`, `config|get`), as it must.
fn canonical(rules: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut commands: Vec<&str> = Vec::new();
    let mut is_selector = false;
    // Unless the opposite is said, payloads are sanitised; a server says it of users that were reset, and only of these.
    for word in rules.split(' ').filter(|rule| !["", "sanitize-payload"].contains(rule)) {
        is_selector |= word.starts_with('(');
        let inner = if is_selector { word.strip_suffix(')') } else { None };
        let body = inner.unwrap_or(word);
        if body.starts_with(['+', '-']) && !body.contains('@') {
            commands.push(body);
        } else {
            settle(&mut words, &mut commands);
            words.push(body.to_owned());
        }
        if inner.is_some() {
            settle(&mut words, &mut commands);
            words.iter_mut().last().into_iter().for_each(|last| last.push(')'));
            is_selector = false;
        }
    }
    settle(&mut words, &mut commands);
    words.join(" ")
}

fn settle(words: &mut Vec<String>, commands: &mut Vec<&str>) {
    commands.sort_by_key(|command| command.get(1..));
    words.extend(commands.drain(..).map(str::to_owned));
}

/// Archives users.
///
/// # Errors
/// When the host cannot store them.
pub fn export<H: Host>(host: &H, users: &Users) -> Result<()> {
    let mut output = host.create(&Entry::new(ENTRY).with_media_type("text/plain"))?;
    for (name, rules) in users {
        writeln!(output, "{PREFIX}{name} {rules}")?;
    }
    output.finish()
}

/// Reads archived users.
///
/// # Errors
/// When the archive is not as it should be.
pub fn archived<H: Host>(host: &H) -> Result<Users> {
    let lines = host.open(ENTRY)?.take(USERS_BYTES_MAX).lines();
    lines.map(|line| parse(&line?)).collect()
}

/// The value of [`DIGESTS`].
///
/// # Errors
/// Never, in fact.
pub fn digests(users: &Users) -> Result<String> {
    let digests: BTreeMap<&str, String> =
        users.iter().map(|(name, rules)| (name.as_str(), digest(rules))).collect();
    Ok(serde_json::to_string(&digests)?)
}

/// The digests of an archived part.
///
/// # Errors
/// When it has none.
pub fn digests_of(part: &Part) -> Result<BTreeMap<String, String>> {
    let json = part
        .attribute(DIGESTS)
        .ok_or_else(|| Error::corrupt("the part of the users does not name them"))?;
    Ok(serde_json::from_str(json)?)
}

fn digest(rules: &str) -> String {
    let mut fingerprint = Fingerprint::new();
    fingerprint.add(rules);
    fingerprint.finish()
}

/// Over users by name.
#[must_use]
pub fn fingerprint(users: &Users) -> String {
    of_digests(users.iter().map(|(name, rules)| (name.as_str(), digest(rules))))
}

/// That of the live users, of those that the archived part has. A user that is `kept` counts as it was archived: it was not restored
/// on purpose.
///
/// # Errors
/// When the part does not say what it has.
pub fn live_fingerprint(part: &Part, live: &Users, kept: &str) -> Result<String> {
    let archived = digests_of(part)?;
    let all = archived.iter().map(|(name, then)| {
        let now = live.get(name).map_or_else(String::new, |rules| digest(rules));
        (name.as_str(), if name == kept { then.clone() } else { now })
    });
    Ok(of_digests(all))
}

fn of_digests<'a>(digests: impl Iterator<Item = (&'a str, String)>) -> String {
    let mut fingerprint = Fingerprint::new();
    for (name, digest) in digests {
        fingerprint.add(name);
        fingerprint.add(digest);
    }
    fingerprint.finish()
}

/// The user that this connection is.
///
/// # Errors
/// When the server does not tell.
pub fn own<H: Host>(client: &mut Client<H::Stream>) -> Result<String> {
    client.call(&[b"ACL", b"WHOAMI"])?.text()
}

/// Whether a user is as every new server has it.
#[must_use]
pub fn is_pristine(name: &str, rules: &str) -> bool {
    let words: Vec<&str> = rules.split(' ').collect();
    name == DEFAULT
        && words.starts_with(&["on", "nopass"])
        && words.ends_with(&["+@all"])
        && words.contains(&"~*")
}

/// Makes users or gives them the rules that they had; `kept` stays as it is.
///
/// # Errors
/// When the server refuses.
pub fn import<H: Host>(client: &mut Client<H::Stream>, users: &Users, kept: &str) -> Result<()> {
    let live = read::<H>(client)?;
    for (name, rules) in users.iter().filter(|(name, _)| *name != kept) {
        let mut words: Vec<&[u8]> = vec![b"ACL", b"SETUSER", name.as_bytes()];
        match live.get(name) {
            Some(now) if now == rules => continue,
            Some(_) => words.push(b"reset"),
            None => {}
        }
        words.extend(rules.split(' ').map(str::as_bytes));
        client.call(&words).map_err(|error| error.context(format!("user {name:?}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_user_counts_as_it_was_archived() {
        let users = |pairs: &[(&str, &str)]| -> Users {
            pairs.iter().map(|(name, rules)| ((*name).into(), (*rules).into())).collect()
        };
        let archived = users(&[("a", "on +@all"), ("default", "off")]);
        let part = Part::new("acl", "users").with_attribute(DIGESTS, digests(&archived).unwrap());
        let live = users(&[("a", "on +@all"), ("b", "on"), ("default", "on nopass")]);
        assert_eq!(live_fingerprint(&part, &live, "default").unwrap(), fingerprint(&archived));
        assert_ne!(live_fingerprint(&part, &live, "").unwrap(), fingerprint(&archived));
    }

    #[test]
    fn lines_have_a_name_and_rules() {
        assert_eq!(parse("user a on ~x").unwrap(), ("a".into(), "on ~x".into()));
        assert_eq!(parse("user a on sanitize-payload ~x").unwrap(), ("a".into(), "on ~x".into()));
        let one = "on ~x resetchannels -@all +@read -get +client|id +client (~y +set +del) (%R~(z &c -@all +b +a|c +a)";
        let other = "on ~x resetchannels -@all +@read +client +client|id -get (~y +del +set) (%R~(z &c -@all +a +a|c +b)";
        assert_eq!((canonical(one), canonical(other)), (other.to_owned(), other.to_owned()));
        assert!(parse("user a").is_err() && parse("role a b").is_err());
        assert!(is_pristine("default", "on nopass ~* &* +@all"));
        assert!(!is_pristine("default", "on #abc ~* &* +@all"));
    }
}
