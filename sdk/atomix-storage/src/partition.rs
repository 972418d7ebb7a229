//! Partitions in a granted folder. Atomix keeps each in a folder `partitions/NUMBER` of its group's folder, in files that begin with
//! `GROUP-partition-NUMBER`.

use std::collections::BTreeMap;

use lockgate_plugin::path::{join, shown};
use lockgate_plugin::{Error, Kind, Result};

use crate::files::list;
use crate::limits::{DEPTH_MAX, NAMES_MAX};

/// Between the group's name and the number.
const MIDDLE: &str = "-partition-";
/// Every partition has a file with this ending, also one that is kept in memory.
const METADATA: &str = ".meta";

/// One partition in one member's folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Partition {
    /// Name of the partition group.
    pub group: String,
    /// From 1.
    pub number: u32,
    /// Where its files are, in the granted folder.
    pub directory: Vec<u8>,
}

/// What a file of a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The members of the group (`.conf`).
    Configuration,
    /// Term and vote (`.meta`).
    Metadata,
    /// State up to an entry of the journal.
    Snapshot(u64),
    /// A segment of the journal, by its number.
    Segment(u64),
    /// Whose folder it is.
    Lock,
}

impl Partition {
    /// The partition whose `.meta` file has this name.
    fn of_metadata(name: &[u8], directory: &[u8]) -> Option<Self> {
        let stem = std::str::from_utf8(name).ok()?.strip_suffix(METADATA)?;
        let (group, number) = stem.rsplit_once(MIDDLE)?;
        let number = digits(number)?;
        let number = u32::try_from(number).ok().filter(|it| *it > 0)?;
        let group = group.to_owned();
        (!group.is_empty()).then_some(Self { group, number, directory: directory.to_vec() })
    }

    /// What all its files begin with.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("{}{MIDDLE}{}", self.group, self.number)
    }

    /// What a file in [`Partition::directory`] is; none when it is no file of this partition.
    #[must_use]
    pub fn what(&self, name: &[u8]) -> Option<What> {
        let name = std::str::from_utf8(name).ok()?;
        let prefix = self.prefix();
        if name.strip_prefix('.').and_then(|rest| rest.strip_prefix(&prefix)) == Some(".lock") {
            return Some(What::Lock);
        }
        match name.strip_prefix(&prefix)? {
            ".conf" => Some(What::Configuration),
            METADATA => Some(What::Metadata),
            rest => {
                let (number, ending) = rest.strip_prefix('-')?.split_once('.')?;
                let number = digits(number)?;
                match ending {
                    "log" => Some(What::Segment(number)),
                    "snapshot" => Some(What::Snapshot(number)),
                    _ => None,
                }
            }
        }
    }

    /// Path of the file of it that is `what`.
    #[must_use]
    pub fn path(&self, what: What) -> Vec<u8> {
        let prefix = self.prefix();
        let name = match what {
            What::Configuration => format!("{prefix}.conf"),
            What::Metadata => format!("{prefix}{METADATA}"),
            What::Snapshot(index) => format!("{prefix}-{index}.snapshot"),
            What::Segment(id) => format!("{prefix}-{id}.log"),
            What::Lock => format!(".{prefix}.lock"),
        };
        join(&self.directory, name.as_bytes())
    }

    /// The files of it that are there, with their size, in the order of [`What`].
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn files(&self, folder: &str) -> Result<BTreeMap<What, u64>> {
        let names = list(folder, &self.directory, crate::limits::FILES_MAX)?;
        let regular = names.into_iter().filter(|(_, metadata)| metadata.kind == Kind::Regular);
        Ok(regular
            .filter_map(|(name, metadata)| Some((self.what(&name)?, metadata.size)))
            .collect())
    }
}

fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    // `01` would be another file than the one that the number names.
    let is_plain = text == "0" || !text.starts_with('0');
    if is_number && is_plain { text.parse().ok() } else { None }
}

/// All partitions in a granted folder, by group and number.
///
/// # Errors
/// When a folder cannot be listed, or two folders hold the same partition.
pub fn find(folder: &str) -> Result<Vec<Partition>> {
    let mut found: BTreeMap<(String, u32), Partition> = BTreeMap::new();
    let mut pending = vec![(Vec::new(), 0)];
    let mut room = NAMES_MAX;
    while let Some((directory, depth)) = pending.pop() {
        let names = list(folder, &directory, room)?;
        room -= names.len();
        for (name, metadata) in names {
            if metadata.kind == Kind::Directory && depth < DEPTH_MAX {
                pending.push((join(&directory, &name), depth + 1));
                continue;
            }
            let Some(partition) = Partition::of_metadata(&name, &directory) else { continue };
            let key = (partition.group.clone(), partition.number);
            if let Some(other) = found.insert(key, partition) {
                return Err(Error::config(format!(
                    "folder {folder} holds partition {} twice, in {} and {}: grant each member's folder alone",
                    other.prefix(),
                    shown(&other.directory),
                    shown(&directory)
                )));
            }
        }
    }
    Ok(found.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_apart_by_their_names() {
        let of = |name: &str| Partition::of_metadata(name.as_bytes(), b"data/partitions/1");
        let found = of("raft-partition-1.meta").unwrap();
        assert_eq!((found.group.as_str(), found.number), ("raft", 1));
        assert_eq!(of("a-partition-2-partition-3.meta").unwrap().group, "a-partition-2");
        for name in
            ["raft-partition-x.meta", "-partition-1.meta", "raft-partition-0.meta", "a.meta"]
        {
            assert_eq!(of(name), None, "{name}");
        }
        for what in
            [What::Configuration, What::Metadata, What::Snapshot(0), What::Segment(12), What::Lock]
        {
            let path = found.path(what);
            assert_eq!(found.what(crate::files::name(&path)), Some(what));
            assert!(path.starts_with(b"data/partitions/1/"));
        }
        for name in [
            "raft-partition-1-.log",
            "raft-partition-1-01.log",
            "raft-partition-10-1.log",
            "raft-partition-1-1.log.bak",
            "raft-partition-1-1-1.log",
            "x.raft-partition-1.lock",
            "raft-partition-1",
        ] {
            assert_eq!(found.what(name.as_bytes()), None, "{name}");
        }
    }
}
