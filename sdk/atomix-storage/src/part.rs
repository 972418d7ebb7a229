//! Parts that are a partition of one member: their attributes, and what a restore of them wants.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_plugin::path::escape;
use lockgate_plugin::{Error, Part, RestoreRequest, Result};

use crate::partition::Partition;
use crate::save::TERM;

/// Kind of such a part.
pub const PARTITION: &str = "partition";
/// The granted folder.
pub const FOLDER: &str = "folder";
/// The member's name, when it is known.
pub const MEMBER: &str = "member";
/// All folders that hold the same partition.
pub const FOLDERS: &str = "folders";

const GROUP: &str = "group";
const NUMBER: &str = "partition";
const DIRECTORY: &str = "directory";

/// The part of a partition; `prefix` is what its id begins with.
///
/// # Errors
/// When it is in a folder whose name is no text.
pub fn of_partition(prefix: &str, folder: &str, member: &str, found: &Partition) -> Result<Part> {
    let directory = String::from_utf8(found.directory.clone()).map_err(|_| {
        Error::unsupported(format!(
            "{folder}: partition {} is in a folder whose name is no UTF-8",
            found.prefix()
        ))
    })?;
    let id = format!("{prefix}/{folder}/{}/{}", escape(&found.group), found.number);
    Ok(Part::new(id, PARTITION)
        .with_attribute(FOLDER, folder)
        .with_attribute(MEMBER, member)
        .with_attribute(GROUP, &found.group)
        .with_attribute(NUMBER, found.number.to_string())
        .with_attribute(DIRECTORY, directory))
}

/// The folder that a part is of.
///
/// # Errors
/// When its attributes do not say.
pub fn folder(part: &Part) -> Result<&str> {
    part.attribute(FOLDER).filter(|it| !it.is_empty()).ok_or_else(|| missing(part, FOLDER))
}

/// The member that a part is of; empty when it was not known.
#[must_use]
pub fn member(part: &Part) -> &str {
    part.attribute(MEMBER).unwrap_or_default()
}

/// The partition that a part is of.
///
/// # Errors
/// When its attributes do not say, or lead elsewhere.
pub fn of_part(part: &Part) -> Result<Partition> {
    let text = |key| part.attribute(key).ok_or_else(|| missing(part, key));
    let directory = text(DIRECTORY)?;
    let leads_elsewhere = |name: &str| matches!(name, "" | "." | "..") || name.contains('\0');
    if !directory.is_empty() && directory.split('/').any(leads_elsewhere) {
        return Err(missing(part, DIRECTORY));
    }
    let group = text(GROUP)?;
    if group.is_empty() || group.contains(['/', '\0']) {
        return Err(missing(part, GROUP));
    }
    let number = text(NUMBER)?.parse().map_err(|_| missing(part, NUMBER))?;
    Ok(Partition { group: group.to_owned(), number, directory: directory.as_bytes().to_vec() })
}

fn missing(part: &Part, key: &str) -> Error {
    Error::corrupt(format!("part {}: its attribute {key} says nothing that can be", part.id))
}

/// Notes at each partition in which folders it is: a restore wants all of them.
pub fn note_folders(parts: &mut [Part]) {
    let key = |part: &Part| of_part(part).ok().map(|it| (it.group, it.number));
    let mut folders: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for part in parts.iter() {
        if let (Some(key), Ok(folder)) = (key(part), folder(part)) {
            folders.entry(key).or_default().push(folder.to_owned());
        }
    }
    for part in parts {
        if let Some(all) = key(part).and_then(|key| folders.get(&key)) {
            *part = part.clone().with_attribute(FOLDERS, all.join(" "));
        }
    }
}

/// The term in which all members of a partition begin: above all that any of them had.
#[must_use]
pub fn term(request: &RestoreRequest, partition: &Partition) -> u64 {
    let is_same = |part: &&Part| {
        of_part(part).is_ok_and(|it| it.group == partition.group && it.number == partition.number)
    };
    let terms = request.parts.iter().filter(is_same).filter_map(|part| part.attribute(TERM));
    terms.filter_map(|term| term.parse::<u64>().ok()).max().unwrap_or(0).saturating_add(1)
}

/// Refuses a restore that gives a partition to some of its members only.
///
/// # Errors
/// With the members that are left out, and what to do.
pub fn complete(request: &RestoreRequest) -> Result<()> {
    let mut chosen: BTreeMap<(String, u32), (BTreeSet<&str>, &str)> = BTreeMap::new();
    for part in request.parts.iter().filter(|part| part.kind == PARTITION) {
        let all = part.attribute(FOLDERS).unwrap_or_default();
        let partition = of_part(part)?;
        let key = (partition.group, partition.number);
        chosen.entry(key).or_insert((BTreeSet::new(), all)).0.insert(folder(part)?);
    }
    for ((group, number), (chosen, all)) in chosen {
        let missing: Vec<&str> = all.split(' ').filter(|it| !chosen.contains(it)).collect();
        if let [one, ..] = missing.as_slice() {
            return Err(Error::conflict(format!(
                "partition {number} of group {group} would be restored to some members only, and not to {}; members with different \
                 histories lose changes. Restore the parts of all members; or start a single member that was lost with an empty folder, \
                 it learns everything from the others (here: without {one})",
                missing.join(", ")
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_tells_its_partition_and_leads_nowhere_else() {
        let found = Partition {
            group: "raft/1".replace('/', "."),
            number: 3,
            directory: b"data/partitions/3".to_vec(),
        };
        let part = of_partition("member", "m1", "one", &found).unwrap();
        assert_eq!(part.id, "member/m1/raft.1/3");
        assert_eq!(of_part(&part).unwrap(), found);
        assert_eq!((folder(&part).unwrap(), member(&part)), ("m1", "one"));
        for directory in ["../x", "/etc", "a//b", "a/./b"] {
            let mut part = part.clone();
            part.attributes.retain(|it| it.key != DIRECTORY);
            assert!(of_part(&part.with_attribute(DIRECTORY, directory)).is_err(), "{directory}");
        }
    }

    fn part(folder: &str, term: &str) -> Part {
        let found = Partition { group: "raft".to_owned(), number: 1, directory: b"d".to_vec() };
        of_partition("member", folder, folder, &found).unwrap().with_attribute(TERM, term)
    }

    #[test]
    fn a_partition_is_restored_to_all_members_or_to_none() {
        let mut parts: Vec<Part> = ["m1", "m2", "m3"].map(|it| part(it, "4")).to_vec();
        note_folders(&mut parts);
        assert_eq!(parts[1].attribute(FOLDERS), Some("m1 m2 m3"));
        let mut request = RestoreRequest { parts, ..RestoreRequest::default() };
        assert_eq!(complete(&request), Ok(()));
        request.parts.truncate(2);
        let refused = complete(&request).unwrap_err();
        assert!(refused.message().contains("not to m3;"), "{refused}");
    }

    #[test]
    fn all_begin_in_a_term_above_those_that_were_saved() {
        let parts = vec![part("m1", "4"), part("m2", "7"), part("m3", "x")];
        let of = of_part(&parts[0]).unwrap();
        assert_eq!(term(&RestoreRequest { parts, ..RestoreRequest::default() }, &of), 8);
        assert_eq!(term(&RestoreRequest::default(), &of), 1);
    }
}
