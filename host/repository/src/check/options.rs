use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::Serialize;

use super::finding::Finding;
use crate::error::{Error, ErrorKind, Result};

/// Which packs are read whole.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ReadData {
    /// None: only what names and places them is checked.
    #[default]
    None,
    /// All.
    All,
    /// One of several parts, so that a check of every part in turn reads all; the parts are those of restic.
    Part {
        /// From 1 on.
        index: u8,
        /// How many parts there are.
        of: u8,
    },
    /// A random choice of this many percent, above 0 and at most 100.
    Percent(f64),
    /// A random choice of about this many bytes: packs until they have as many, so that there is at least one.
    Bytes(u64),
}

/// What is checked.
#[derive(Clone)]
#[non_exhaustive]
pub struct CheckOptions {
    /// Which packs are read whole.
    pub read_data: ReadData,
    /// Whether a lock keeps others from deleting packs meanwhile. Without it a check needs no right to write, and may
    /// report what somebody just deletes.
    pub lock: bool,
    /// Is told how far the check is, from the thread that runs it.
    pub observer: Option<Arc<dyn Fn(CheckProgress) + Send + Sync>>,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { read_data: ReadData::None, lock: true, observer: None }
    }
}

/// What a check is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckStage {
    /// Reads keys, snapshots and indexes, and lists packs.
    Structure,
    /// Reads trees; counted in trees.
    Trees,
    /// Reads packs; counted in bytes.
    Data,
    /// Looks for the files that a damage reaches.
    Locate,
}

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CheckProgress {
    /// Of what.
    pub stage: CheckStage,
    /// Trees or bytes so far.
    pub done: u64,
    /// Trees or bytes in all; 0 when that is not known yet.
    pub total: u64,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// The gravest first.
    pub findings: Vec<Finding>,
    /// Findings that there was no room for.
    pub findings_more: u64,
    /// Findings that mean damage, listed or not.
    pub critical: u64,
    /// Snapshots that can be read.
    pub snapshots: u64,
    /// Index files.
    pub indexes: u64,
    /// Packs in use.
    pub packs: u64,
    /// Bytes of all packs that are there.
    pub bytes_stored: u64,
    /// Blobs in packs in use.
    pub blobs: u64,
    /// Blobs that are stored more than once, which is no damage.
    pub blobs_duplicate: u64,
    /// Packs that a prune marked for deletion.
    pub packs_marked: u64,
    /// Packs that no index names.
    pub packs_unreferenced: u64,
    /// Bytes of those.
    pub bytes_unreferenced: u64,
    /// Different trees.
    pub trees: u64,
    /// Files in those.
    pub files: u64,
    /// Packs that were read whole.
    pub packs_read: u64,
    /// Bytes of those.
    pub bytes_read: u64,
}

impl CheckReport {
    /// Whether nothing is damaged.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.critical == 0
    }
}

impl FromStr for ReadData {
    type Err = Error;

    /// `all`, `none`, a part such as `3/10`, a percentage such as `2.5%`, or a size such as `10G`.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            let text = text.escape_debug();
            let text = format!("`{text}` is no part of the data: expected all, 3/10, 2.5% or 10G");
            Error::new(ErrorKind::Invalid, text)
        };
        if let Some((index, of)) = text.split_once('/') {
            let index: u8 = index.trim().parse().map_err(|_| refuse())?;
            let of: u8 = of.trim().parse().map_err(|_| refuse())?;
            return if index >= 1 && index <= of {
                Ok(Self::Part { index, of })
            } else {
                Err(refuse())
            };
        }
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f64 = percent.trim().parse().map_err(|_| refuse())?;
            let fits = percent > 0.0 && percent <= 100.0;
            return if fits { Ok(Self::Percent(percent)) } else { Err(refuse()) };
        }
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            _ => match crate::find::parse_bytes(text) {
                Some(bytes) if bytes > 0 => Ok(Self::Bytes(bytes)),
                _ => Err(refuse()),
            },
        }
    }
}

impl fmt::Debug for CheckOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { read_data, lock, observer: _ } = self;
        write!(formatter, "CheckOptions({read_data:?}, lock: {lock})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_data_parse() {
        let parse = |text: &str| text.parse::<ReadData>().ok();
        assert_eq!(parse("3/10"), Some(ReadData::Part { index: 3, of: 10 }));
        assert_eq!(parse("2.5%"), Some(ReadData::Percent(2.5)));
        assert_eq!(parse("all"), Some(ReadData::All));
        assert_eq!(parse("10M"), Some(ReadData::Bytes(10 << 20)));
        for text in [
            "", "0/3", "4/3", "1/0", "300/400", "0%", "101%", "NaN%", "x%", "half", "0", "-1G",
            "1.5G",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
