//! Small messages of the gateway, as far as they are of use.

use std::fmt;

use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize, Serialize};

/// A number that the gateway writes as a string when it has 64 bits, and leaves out when it is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(pub i128);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Number;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number, or a string that holds one")
            }
            fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                Ok(Number(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                Ok(Number(value.into()))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(|_| E::custom("a string holds no number"))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Number {
    /// As a size; 0 when it is none.
    #[must_use]
    pub fn size(self) -> u64 {
        u64::try_from(self.0).unwrap_or_default()
    }

    /// As a revision, a lease or seconds.
    ///
    /// # Errors
    /// When it has more than 64 bits.
    pub fn signed(self) -> Result<i64, serde_json::Error> {
        i64::try_from(self.0)
            .map_err(|_| serde_json::Error::custom("a number has more than 64 bits"))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Stands in every answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Header {
    /// The cluster's number.
    pub cluster_id: Number,
    /// The number of the member that answers.
    pub member_id: Number,
    /// Of the store, when the answer was given.
    pub revision: Number,
}

/// An answer of which only the header matters.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Done {
    /// Who answers, and when.
    pub header: Header,
    /// Whether the comparisons of a transaction held.
    pub succeeded: bool,
    /// Keys in a range.
    pub count: Number,
}

/// `/v3/maintenance/status`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// Who answers, and when.
    pub header: Header,
    /// Of the member.
    pub version: String,
    /// Bytes of the database's file.
    pub db_size: Number,
    /// Bytes of it that are in use.
    pub db_size_in_use: Number,
    /// Bytes that it may have; 3.6 tells.
    pub db_size_quota: Number,
    /// The leader's number; 0 for none.
    pub leader: Number,
    /// What the member complains of.
    pub errors: Vec<String>,
    /// Whether the member has no vote.
    pub is_learner: bool,
}

/// `/v3/cluster/member/list`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Members {
    /// All members.
    pub members: Vec<Member>,
}

/// A member of the cluster.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Member {
    /// Its number.
    #[serde(rename = "ID")]
    pub id: Number,
    /// Empty until it has started.
    pub name: String,
    /// Where other members reach it.
    #[serde(rename = "peerURLs")]
    pub peer_urls: Vec<String>,
    /// Where clients reach it.
    #[serde(rename = "clientURLs")]
    pub client_urls: Vec<String>,
    /// Whether it has no vote.
    #[serde(rename = "isLearner")]
    pub is_learner: bool,
}

/// `/v3/maintenance/alarm`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Alarms {
    /// Those that are raised.
    pub alarms: Vec<Alarm>,
}

/// An alarm of a member.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Alarm {
    /// Which member.
    #[serde(rename = "memberID")]
    pub member: Number,
    /// `NOSPACE`, `CORRUPT`.
    pub alarm: String,
}

/// `/v3/lease/leases`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Leases {
    /// All leases.
    pub leases: Vec<LeaseName>,
}

/// A lease's number.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LeaseName {
    /// The number.
    #[serde(rename = "ID")]
    pub id: Number,
}

/// `/v3/lease/timetolive`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LeaseState {
    /// Seconds that are left; -1 when there is no such lease.
    #[serde(rename = "TTL")]
    pub left: Number,
    /// Seconds that it was granted.
    #[serde(rename = "grantedTTL")]
    pub granted: Number,
}

/// `/v3/auth/user/list`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Users {
    /// Names.
    pub users: Vec<String>,
}

/// `/v3/auth/role/list` and `/v3/auth/user/get`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Roles {
    /// Names.
    pub roles: Vec<String>,
}

/// `/v3/auth/role/get`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Permissions {
    /// What the role may do.
    pub perm: Vec<Permission>,
}

/// What a role may do with some keys. Archived as it is here.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Permission {
    /// The first key, in base64.
    pub key: String,
    /// The first key that is not covered, in base64; empty for one key.
    pub range_end: String,
    /// `READ`, `WRITE` or `READWRITE`; the gateway leaves the first one out.
    #[serde(
        rename = "permType",
        deserialize_with = "read_or",
        skip_serializing_if = "String::is_empty"
    )]
    pub kind: String,
}

fn read_or<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let kind = String::deserialize(deserializer)?;
    Ok(if kind == "READ" { String::new() } else { kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_strings_or_missing() {
        let text =
            r#"{"header":{"cluster_id":"18446744073709551615"},"dbSize":"20480","leader":7}"#;
        let status: Status = serde_json::from_str(text).unwrap();
        assert_eq!(status.header.cluster_id, Number(u64::MAX.into()));
        assert_eq!((status.db_size.size(), status.leader.size()), (20480, 7));
        assert_eq!(status.header.revision.signed().unwrap(), 0);
        assert!(status.header.cluster_id.signed().is_err());
        assert!(serde_json::from_str::<Status>(r#"{"leader":"x"}"#).is_err());
    }

    #[test]
    fn reading_is_what_is_not_said() {
        let said: Permission = serde_json::from_str(r#"{"permType":"READ","key":"YQ=="}"#).unwrap();
        let unsaid: Permission = serde_json::from_str(r#"{"key":"YQ=="}"#).unwrap();
        assert_eq!(said, unsaid);
    }
}
