//! The messages, as they stand in the lines.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use crate::datastore::{Content, Disguise};

/// A question: the verb, and what belongs to it.
#[derive(Debug, Serialize)]
pub(super) struct Question {
    pub(super) verb: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) writer: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Filling>,
}

impl Question {
    pub(super) fn new(verb: &'static str) -> Self {
        Self { verb, server: None, writer: None, role: None, content: None }
    }
}

/// An answer: one of the two.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Answer {
    Ok(serde_json::Value),
    Error(String),
}

/// A [`Content`] for a line.
#[derive(Debug, Serialize)]
pub(super) struct Filling {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

impl From<Content> for Filling {
    fn from(content: Content) -> Self {
        let (kind, bytes, count) = match content {
            Content::Usual => ("usual", None, None),
            Content::Huge { bytes } => ("huge", Some(bytes), None),
            Content::Many { count } => ("many", None, Some(count)),
            Content::Bulk { bytes } => ("bulk", Some(bytes), None),
            Content::Odd => ("odd", None, None),
        };
        Self { kind, bytes, count }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Description {
    pub(super) plugin: String,
    pub(super) server_version: String,
    #[serde(default)]
    pub(super) skips: Vec<Skip>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Skip {
    pub(super) case: String,
    pub(super) reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Started {
    pub(super) server: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Writing {
    pub(super) writer: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stopped {
    pub(super) changes: u64,
}

/// A [`Disguise`]: `{"replies": [[OLD, NEW], ...]}` in hexadecimal, or `{"stored": true}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Replies {
    #[serde(default)]
    replies: Vec<(String, String)>,
    #[serde(default)]
    stored: bool,
}

impl TryFrom<Replies> for Disguise {
    type Error = anyhow::Error;

    fn try_from(said: Replies) -> Result<Self> {
        match (said.replies.is_empty(), said.stored) {
            (true, true) => Ok(Self::Stored),
            (false, false) => {
                let pair = |(old, new): &(String, String)| Ok((bytes(old)?, bytes(new)?));
                Ok(Self::Replies(said.replies.iter().map(pair).collect::<Result<_>>()?))
            }
            _ => bail!("the driver's answer to disguise has neither replies nor stored, or both"),
        }
    }
}

/// Reads hexadecimal digits.
fn bytes(text: &str) -> Result<Vec<u8>> {
    let digits = text.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    let read: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    match read {
        Some(bytes) => Ok(bytes),
        None => bail!("the driver's reply to replace is not hexadecimal: {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_is_read_strictly() {
        assert_eq!(bytes("00ffA1").unwrap(), [0, 255, 0xa1]);
        for wrong in ["0", "0g", "0x", "é0", " 0"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }
}
