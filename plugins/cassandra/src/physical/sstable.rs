//! The files of a snapshot.
//! <https://cassandra.apache.org/doc/5.0/cassandra/architecture/storage-engine.html#sstables>

use std::collections::BTreeMap;

use lockgate_plugin::path::shown;
use lockgate_plugin::{Context, Entry, Error, Kind, Metadata, Result, files, job};

use crate::limits::{DIGEST_BYTES_MAX, PAGE_NAMES};

/// Names in a snapshot that are no file of an SSTable: lists of what is there, and definitions that are saved from the server itself.
const OTHERS: [&[u8]; 2] = [b"manifest.json", b"schema.cql"];
/// End of the name of the file with the checksum of an SSTable's rows.
const DIGEST: &[u8] = b"-Digest.crc32";

/// A name in a folder.
#[derive(Clone, Debug)]
pub struct Found {
    pub name: Vec<u8>,
    pub metadata: Metadata,
}

/// All names of a folder, in the order of their bytes.
///
/// # Errors
/// When it cannot be listed.
pub fn list(folder: &str, path: &[u8]) -> Result<Vec<Found>> {
    let doing = || format!("folder {folder}: {}", shown(path));
    let listing = files::list_folder(folder, path).with_context(doing)?;
    let mut all = Vec::new();
    loop {
        job::go_on()?;
        let page = listing.next(PAGE_NAMES).with_context(doing)?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page.into_iter().map(|one| Found { name: one.name, metadata: one.metadata }));
    }
}

/// The folder below `path` with that name, if there is one.
///
/// # Errors
/// When `path` cannot be listed.
pub fn folder_in(folder: &str, path: &[u8], name: &[u8]) -> Result<Option<Vec<u8>>> {
    let is_it = |found: &Found| found.name == name && found.metadata.kind == Kind::Directory;
    Ok(list(folder, path)?.iter().any(is_it).then(|| join(path, name)))
}

/// A path of two.
pub fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() }
}

/// The entries for the files of a table's snapshot at `path` of the granted `folder`, each with the attribute `etag`: what has an
/// equal one is equal.
///
/// # Errors
/// When they cannot be looked at.
pub fn entries(folder: &str, path: &[u8], table_id: &str) -> Result<Vec<Entry>> {
    let mut digests = BTreeMap::new();
    let mut found = list(folder, path)?;
    found.retain(|one| one.metadata.kind == Kind::Regular && !OTHERS.contains(&&*one.name));
    for one in &found {
        if let Some(table) = one.name.strip_suffix(DIGEST) {
            let file = files::open(folder, &join(path, &one.name))?;
            let digest = file.read_at(0, DIGEST_BYTES_MAX)?;
            digests.insert(table.to_vec(), digits(&digest)?);
        }
    }
    found.iter().map(|one| entry(one, table_id, &digests)).collect()
}

fn entry(one: &Found, table_id: &str, digests: &BTreeMap<Vec<u8>, String>) -> Result<Entry> {
    let name = std::str::from_utf8(&one.name)
        .map_err(|_| Error::corrupt(format!("{}: not a file of Cassandra's", shown(&one.name))))?;
    let table = name.rsplit_once('-').map_or(name, |(table, _)| table);
    let digest = digests.get(table.as_bytes()).map(String::as_str).unwrap_or_default();
    let Metadata { size, modified, .. } = &one.metadata;
    // Rows never change under their name; what a node notes beside them (repairs, samples of keys) is written anew and has another time.
    let time = format!("{}.{:09}", modified.seconds, modified.nanoseconds);
    let etag = format!("{table_id}/{name}/{size}/{time}/{digest}");
    Ok(Entry::new(one.name.clone()).with_size_hint(*size).with_attribute("etag", etag))
}

/// A checksum, as the file has it.
fn digits(text: &[u8]) -> Result<String> {
    let text = text.trim_ascii();
    if text.is_empty() || text.len() > 10 || !text.iter().all(u8::is_ascii_digit) {
        return Err(Error::corrupt(
            "a checksum of an SSTable (Digest.crc32) is no number: run nodetool verify on the node",
        ));
    }
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// How many SSTables the entries are.
pub fn count(entries: &[Entry]) -> u64 {
    entries.iter().filter(|entry| entry.path.ends_with(b"-Data.db")).count() as u64
}

#[cfg(test)]
mod tests {
    use lockgate_plugin::Timestamp;

    use super::*;

    fn found(name: &str, nanoseconds: u32) -> Found {
        let modified = Timestamp { seconds: 7, nanoseconds };
        let metadata = Metadata { size: 5, modified, ..Metadata::new(Kind::Regular, 0o644) };
        Found { name: name.into(), metadata }
    }

    #[test]
    fn an_etag_tells_tables_sstables_rows_and_notes_apart() {
        let digests = BTreeMap::from([(b"nb-1-big".to_vec(), "77".to_owned())]);
        let tag = |name: &str, time: u32, id: &str, digests: &BTreeMap<_, _>| {
            entry(&found(name, time), id, digests).unwrap().attribute("etag").unwrap().to_owned()
        };
        let base = tag("nb-1-big-Data.db", 1, "id", &digests);
        assert_eq!(base, "id/nb-1-big-Data.db/5/7.000000001/77");
        assert_ne!(base, tag("nb-1-big-Data.db", 1, "other", &digests));
        assert_ne!(base, tag("nb-1-big-Data.db", 2, "id", &digests));
        assert_ne!(base, tag("nb-2-big-Data.db", 1, "id", &digests));
        let other = BTreeMap::from([(b"nb-1-big".to_vec(), "78".to_owned())]);
        assert_ne!(base, tag("nb-1-big-Data.db", 1, "id", &other));
        let hostile = Found { name: vec![0xff], ..found("", 0) };
        assert!(entry(&hostile, "id", &digests).is_err());
    }

    #[test]
    fn checksums_are_numbers() {
        assert_eq!(digits(b"3734208243\n").unwrap(), "3734208243");
        for wrong in ["", "\n", "abc", "12345678901", "-1"] {
            assert!(digits(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
