use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::find::parse_bytes;

/// A share of the repository, or a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PruneLimit {
    /// Of all bytes in packs; below 100.
    Percent(u8),
    /// Bytes.
    Bytes(u64),
    /// No limit.
    Unlimited,
}

impl FromStr for PruneLimit {
    type Err = Error;

    /// `5%`, a number of bytes with or without one of the units `K M G T` (powers of 1024), or `unlimited`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = || {
            let text = text.escape_debug();
            Error::new(
                ErrorKind::Invalid,
                format!("`{text}` is no limit: expected 5%, 10G or unlimited"),
            )
        };
        let text = text.trim();
        if text == "unlimited" {
            return Ok(Self::Unlimited);
        }
        if let Some(percent) = text.strip_suffix('%') {
            let percent: u8 = percent.parse().map_err(|_| refuse())?;
            return if percent < 100 { Ok(Self::Percent(percent)) } else { Err(refuse()) };
        }
        // A plus was always taken here.
        let bytes = parse_bytes(text.strip_prefix('+').unwrap_or(text));
        bytes.map(Self::Bytes).ok_or_else(refuse)
    }
}

impl fmt::Display for PruneLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(formatter, "{percent}%"),
            Self::Bytes(bytes) => write!(formatter, "{bytes}"),
            Self::Unlimited => formatter.write_str("unlimited"),
        }
    }
}

impl TryFrom<String> for PruneLimit {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<PruneLimit> for String {
    fn from(limit: PruneLimit) -> Self {
        limit.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_parse_and_print() {
        let cases = [
            ("5%", PruneLimit::Percent(5)),
            ("0", PruneLimit::Bytes(0)),
            ("10G", PruneLimit::Bytes(10 << 30)),
            ("512k", PruneLimit::Bytes(512 << 10)),
            ("+7", PruneLimit::Bytes(7)),
            ("unlimited", PruneLimit::Unlimited),
        ];
        for (text, limit) in cases {
            assert_eq!(text.parse::<PruneLimit>().unwrap(), limit);
            assert_eq!(limit.to_string().parse::<PruneLimit>().unwrap(), limit);
        }
        for text in ["", "%", "100%", "-1", "5 G", "5GB", "99999999999T", "G", "++7", "+-7", "+"] {
            assert!(text.parse::<PruneLimit>().is_err(), "{text}");
        }
    }
}
