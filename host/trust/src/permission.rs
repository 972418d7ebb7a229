//! What a plugin asks for, as a set of single permissions. Each has one line of text; the sorted lines are the canonical form
//! that the lock file holds and whose digest is the grant hash.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use lockgate_types::{Digest, Name};
use serde::{Deserialize, Serialize};

use crate::limits::Limit;
use crate::{Access, Encryption, sha256};

/// Most permissions of one plugin.
pub const PERMISSIONS_COUNT_MAX: usize = 4_000;

/// The first line of what the grant hash is computed over.
const HASH_DOMAIN: &str = "lockgate-permissions v1\n";

/// Which endpoints, folders or credentials of the operator's: one by name, or any.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Wanted {
    /// As many as the operator names, `*`.
    Any,
    /// The one of this name.
    Named(Name),
}

impl Wanted {
    /// Whether `name` is meant.
    #[must_use]
    pub fn covers(&self, name: &Name) -> bool {
        match self {
            Self::Any => true,
            Self::Named(named) => named == name,
        }
    }

    /// `the endpoint "server"` or `any endpoint that you name`.
    pub(crate) fn words(&self, noun: &str) -> String {
        match self {
            Self::Any => format!("any {noun} that you name"),
            Self::Named(name) => format!("the {noun} \"{name}\""),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => formatter.write_str("*"),
            Self::Named(name) => name.fmt(formatter),
        }
    }
}

impl FromStr for Wanted {
    type Err = lockgate_types::NameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "*" { Ok(Self::Any) } else { text.parse().map(Self::Named) }
    }
}

impl TryFrom<String> for Wanted {
    type Error = lockgate_types::NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Wanted> for String {
    fn from(wanted: Wanted) -> Self {
        wanted.to_string()
    }
}

/// TCP ports from the first to the last, `9042` or `7000-7001`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// Whether `port` is in the range.
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    fn covers(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return self.first.fmt(formatter);
        }
        write!(formatter, "{}-{}", self.first, self.last)
    }
}

impl FromStr for PortRange {
    type Err = PermissionError;

    fn from_str(text: &str) -> Result<Self, PermissionError> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last))
                if first > 0
                    && first <= last
                    && is_number(&text.replacen('-', "", 1))
                    && Self { first, last }.to_string() == text =>
            {
                Ok(Self { first, last })
            }
            _ => Err(PermissionError(text.chars().take(40).collect())),
        }
    }
}

impl TryFrom<String> for PortRange {
    type Error = PermissionError;

    fn try_from(text: String) -> Result<Self, PermissionError> {
        text.parse()
    }
}

impl From<PortRange> for String {
    fn from(range: PortRange) -> Self {
        range.to_string()
    }
}

/// One thing that a plugin asks to be allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// Read the clock, sleep.
    Clock,
    /// Get random bytes.
    Random,
    /// Connect, encrypted in this way.
    Endpoint(Wanted, Encryption),
    /// Connect to other members of the endpoint's cluster on these ports.
    Members(Wanted, PortRange),
    /// Look into a folder; with [`Access::ReadWrite`], also change it during a restore.
    Folder(Wanted, Access),
    /// Lock ranges of a folder's files, which other programs then wait for.
    Locks(Wanted),
    /// Have challenges of this scheme answered.
    Respond(Wanted, String),
    /// See the secret itself.
    Reveal(Wanted),
    /// Use up to this much.
    Limit(Limit, u64),
}

/// A text that is no permission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither a permission nor a range of ports from 1 to 65535")]
pub struct PermissionError(String);

impl Permission {
    /// What it allows, as the rest of a sentence that begins with "it may".
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Clock => "read the clock".to_owned(),
            Self::Random => "get random bytes".to_owned(),
            Self::Endpoint(wanted, encryption) => {
                format!("connect to {}, {}", wanted.words("endpoint"), encryption.words())
            }
            Self::Members(wanted, ports) => format!(
                "connect to other members of the cluster of {} on port {ports}, inside the address ranges that you give",
                wanted.words("endpoint")
            ),
            Self::Folder(wanted, Access::Read) => format!("read {}", wanted.words("folder")),
            Self::Folder(wanted, Access::ReadWrite) => {
                format!("read {}, and change it during a restore", wanted.words("folder"))
            }
            Self::Locks(wanted) => format!(
                "lock parts of files in {}, which other programs then wait for",
                wanted.words("folder")
            ),
            Self::Respond(wanted, scheme) => format!(
                "have the host answer {scheme} challenges with {}",
                wanted.words("credential")
            ),
            Self::Reveal(wanted) => format!("see the secret of {}", wanted.words("credential")),
            Self::Limit(limit, value) => format!("use {}", limit.words(*value)),
        }
    }

    /// Whether whoever has this permission has `other` too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let named = |mine: &Wanted, theirs: &Wanted| mine == theirs || *mine == Wanted::Any;
        match (self, other) {
            (Self::Endpoint(a, x), Self::Endpoint(b, y)) => named(a, b) && x == y,
            (Self::Members(a, x), Self::Members(b, y)) => named(a, b) && x.covers(*y),
            (Self::Folder(a, x), Self::Folder(b, y)) => {
                named(a, b) && (x == y || *x == Access::ReadWrite)
            }
            (Self::Respond(a, x), Self::Respond(b, y)) => named(a, b) && x == y,
            (Self::Locks(a), Self::Locks(b)) | (Self::Reveal(a), Self::Reveal(b)) => named(a, b),
            (Self::Limit(a, x), Self::Limit(b, y)) => a == b && x >= y,
            (mine, other) => mine == other,
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock => formatter.write_str("clock"),
            Self::Random => formatter.write_str("random"),
            Self::Endpoint(wanted, encryption) => {
                write!(formatter, "endpoint {wanted} encryption {}", encryption.key())
            }
            Self::Members(wanted, ports) => {
                write!(formatter, "endpoint {wanted} members {ports}")
            }
            Self::Folder(wanted, Access::Read) => write!(formatter, "folder {wanted} read"),
            Self::Folder(wanted, Access::ReadWrite) => write!(formatter, "folder {wanted} write"),
            Self::Locks(wanted) => write!(formatter, "folder {wanted} locks"),
            Self::Respond(wanted, scheme) => {
                write!(formatter, "credential {wanted} respond {scheme}")
            }
            Self::Reveal(wanted) => write!(formatter, "credential {wanted} reveal"),
            Self::Limit(limit, value) => write!(formatter, "limit {} {value}", limit.key()),
        }
    }
}

impl FromStr for Permission {
    type Err = PermissionError;

    fn from_str(text: &str) -> Result<Self, PermissionError> {
        let wrong = || PermissionError(text.chars().take(120).collect());
        let wanted = |text: &str| text.parse::<Wanted>().map_err(|_| wrong());
        let words: Vec<&str> = text.split(' ').collect();
        let permission = match words.as_slice() {
            ["clock"] => Self::Clock,
            ["random"] => Self::Random,
            ["endpoint", name, "encryption", key] => {
                let found = Encryption::ALL.into_iter().find(|it| it.key() == *key);
                Self::Endpoint(wanted(name)?, found.ok_or_else(wrong)?)
            }
            ["endpoint", name, "members", ports] => Self::Members(wanted(name)?, ports.parse()?),
            ["folder", name, "read"] => Self::Folder(wanted(name)?, Access::Read),
            ["folder", name, "write"] => Self::Folder(wanted(name)?, Access::ReadWrite),
            ["folder", name, "locks"] => Self::Locks(wanted(name)?),
            ["credential", name, "respond", scheme] if is_scheme(scheme) => {
                Self::Respond(wanted(name)?, (*scheme).to_owned())
            }
            ["credential", name, "reveal"] => Self::Reveal(wanted(name)?),
            ["limit", key, value] => {
                let limit = Limit::ALL.into_iter().find(|limit| limit.key() == *key);
                let value: u64 = value.parse().map_err(|_| wrong())?;
                Self::Limit(limit.ok_or_else(wrong)?, value)
            }
            _ => return Err(wrong()),
        };
        // One spelling each: what the hash covers is what was read.
        if permission.to_string() == text { Ok(permission) } else { Err(wrong()) }
    }
}

/// Whether the text can name an authentication scheme.
pub(crate) fn is_scheme(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

/// A set of permissions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions(pub BTreeSet<Permission>);

impl Permissions {
    /// SHA-256 over a line that names the form, and the lines of all permissions sorted by their bytes.
    #[must_use]
    pub fn hash(&self) -> Digest {
        let mut text = HASH_DOMAIN.to_owned();
        for line in self.lines() {
            text.push_str(&line);
            text.push('\n');
        }
        sha256(text.as_bytes())
    }

    /// The lines, sorted by their bytes.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        lines.sort();
        lines
    }

    /// Those of `self` that nothing in `other` covers.
    #[must_use]
    pub fn beyond(&self, other: &Self) -> Vec<&Permission> {
        let is_new = |mine: &&Permission| !other.0.iter().any(|theirs| theirs.covers(mine));
        self.0.iter().filter(is_new).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(lines: &[&str]) -> Permissions {
        Permissions(lines.iter().map(|line| line.parse().unwrap()).collect())
    }

    #[test]
    fn each_permission_has_one_line_that_parses_back() {
        for line in [
            "clock",
            "random",
            "endpoint server encryption start",
            "endpoint * encryption off",
            "endpoint server members 9042",
            "endpoint server members 7000-7001",
            "folder * read",
            "folder data write",
            "folder data locks",
            "credential account respond SCRAM-SHA-256",
            "credential account reveal",
            "limit memory-bytes 1048576",
        ] {
            let permission: Permission = line.parse().unwrap();
            assert_eq!(permission.to_string(), line);
            assert!(!permission.sentence().is_empty());
        }
        for line in [
            "",
            "clock ",
            " clock",
            "Clock",
            "endpoint a",
            "endpoint ../x encryption off",
            "endpoint a members 0",
            "endpoint a members 07",
            "endpoint a members 9-8",
            "endpoint a members 9-9",
            "endpoint a members +9",
            "endpoint a members 65536",
            "folder a append",
            "folder a locks write",
            "credential a respond a/b",
            "credential a respond ",
            "limit x 1",
            "limit handles 01",
            "limit handles -1",
            "folder a\nb read",
        ] {
            assert!(line.parse::<Permission>().is_err(), "{line:?}");
        }
    }

    #[test]
    fn what_is_wider_is_seen_and_what_is_narrower_is_not() {
        let old = set(&[
            "folder * write",
            "endpoint a members 7000-7010",
            "limit handles 10",
            "credential a respond x",
            "endpoint a encryption start",
        ]);
        let narrower = set(&["folder data read", "endpoint a members 7001", "limit handles 9"]);
        assert!(narrower.beyond(&old).is_empty());
        for line in [
            "endpoint a members 7000-7011",
            "endpoint b members 7000",
            "limit handles 11",
            "limit busy-ms 1",
            "credential a reveal",
            "credential a respond y",
            "credential b respond x",
            "folder * locks",
            "folder data locks",
            "endpoint a encryption off",
            "clock",
            "random",
        ] {
            assert_eq!(set(&[line]).beyond(&old).len(), 1, "{line}");
        }
        assert_eq!(set(&["folder * read"]).beyond(&set(&["folder data write"])).len(), 1);
        assert_eq!(set(&["folder * locks"]).beyond(&set(&["folder data locks"])).len(), 1);
        assert!(set(&["folder data locks"]).beyond(&set(&["folder * locks"])).is_empty());
    }

    #[test]
    fn the_hash_depends_on_the_set_alone() {
        let (one, two) = (set(&["clock", "random"]), set(&["random", "clock"]));
        assert_eq!(one.hash(), two.hash());
        assert_ne!(one.hash(), set(&["clock"]).hash());
        assert_eq!(
            Permissions::default().hash(),
            sha256(b"lockgate-permissions v1\n"),
            "the documented form"
        );
    }
}
