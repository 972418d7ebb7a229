//! The way out: reads a partition while its agent may write to it, verifies it, and archives what is whole.
//!
//! A journal only grows at its end. Three things can happen meanwhile: segments that a snapshot has made needless go, and a new one
//! comes; then the look is repeated before anything is archived, and the files that were opened stay readable afterwards. And a new
//! leader may have a member take back entries that were never committed: so the last segment is read once more, and all of them when
//! a new term began, and must be as before.

use std::collections::BTreeMap;

use lockgate_plugin::files::{self as host, File};
use lockgate_plugin::{
    Context, Entry, Error, Fingerprint, Hasher, Metadata, Result, Summary, archive, job,
};

use crate::files::{Bytes, name, unless_missing, whole};
use crate::limits::{LOOKS_MAX, READ_BYTES};
use crate::member;
use crate::partition::{Partition, What};
use crate::segment::{Header, Scan, scan};
use crate::snapshot;

/// Attribute of an entry that is a segment: bytes of its file as it is laid out.
pub const SIZE: &str = "laid-out-bytes";
/// Attribute of a part's summary: the member's term.
pub const TERM: &str = "term";

/// A partition at one moment: its files, opened.
struct Look {
    files: BTreeMap<What, File>,
    metadata: Vec<u8>,
}

/// Segments in their order, with what was found in each.
type Journal<'a> = Vec<(u64, &'a File, Scan, u128)>;

impl Look {
    /// Opens everything between two listings that name the same files.
    fn take(folder: &str, partition: &Partition) -> Result<Self> {
        for _ in 0..LOOKS_MAX {
            job::go_on()?;
            let before = partition.files(folder)?;
            let mut files = BTreeMap::new();
            for what in before.keys().filter(|what| **what != What::Lock) {
                if let Some(file) = unless_missing(host::open(folder, &partition.path(*what)))? {
                    files.insert(*what, file);
                }
            }
            let names = |files: &BTreeMap<What, u64>| files.keys().copied().collect::<Vec<_>>();
            let is_whole = files.len() == before.keys().filter(|it| **it != What::Lock).count();
            if is_whole && names(&partition.files(folder)?) == names(&before) {
                let metadata = files.get(&What::Metadata).map(whole).transpose()?;
                return Ok(Self { files, metadata: metadata.unwrap_or_default() });
            }
        }
        Err(Error::conflict(format!(
            "its segments changed during each of {LOOKS_MAX} looks; run the backup again when less is written"
        )))
    }

    /// Snapshots that were finished.
    fn snapshots(&self) -> Result<Vec<(u64, &File)>> {
        let mut found = Vec::new();
        for (what, file) in &self.files {
            if let What::Snapshot(index) = what {
                let bytes = file.read_at(0, snapshot::HEADER_BYTES as u32)?;
                if snapshot::Header::parse(&bytes).is_some_and(|header| header.is_complete) {
                    found.push((*index, file));
                }
            }
        }
        Ok(found)
    }

    /// Reads and verifies all segments. `visit` gets each entry with its length and checksum, after the header of its segment.
    fn journal(&self, mut visit: impl FnMut(&Header, &[u8])) -> Result<Journal<'_>> {
        let mut journal: Journal<'_> = Vec::new();
        for (what, file) in &self.files {
            let What::Segment(id) = what else { continue };
            job::go_on()?;
            let mut digest = Hasher::default();
            let mut header = None;
            let scanned = scan(file, |bytes| {
                digest.update(bytes);
                match &header {
                    Some(header) => visit(header, bytes),
                    None => header = Header::parse(bytes)?,
                }
                Ok(())
            });
            let Some(found) = scanned.with_context(|| format!("segment {id}"))? else { continue };
            if let Some((last, _, before, _)) = journal.last()
                && before.next_index() != found.header.index
            {
                return Err(Error::corrupt(format!(
                    "segment {last} ends before entry {} and segment {id} begins with entry {}; the agent would drop all that follows: \
                     restore this member from its peers",
                    before.next_index(),
                    found.header.index
                )));
            }
            journal.push((*id, file, found, digest.finish()));
        }
        Ok(journal)
    }
}

/// Archives `partition` of `folder`.
///
/// # Errors
/// When it cannot be read, is damaged, or did not hold still.
pub fn save(folder: &str, partition: &Partition) -> Result<Summary> {
    let look = Look::take(folder, partition)?;
    let mut print = Fingerprint::new();
    let snapshots = look.snapshots()?;
    let configuration = look.files.get(&What::Configuration);
    begin_print(&mut print, configuration, &snapshots)?;
    let journal = look.journal(|header, bytes| add_entry(&mut print, header, bytes))?;
    check(&snapshots, &journal)?;
    for what in [What::Configuration, What::Metadata] {
        if let Some(file) = look.files.get(&what) {
            put(partition, what, file, None)?;
        }
    }
    for (index, file) in &snapshots {
        put(partition, What::Snapshot(*index), file, None)?;
    }
    for (id, file, found, _) in &journal {
        put(partition, What::Segment(*id), file, Some(found))?;
    }
    // The host has read everything when it answers.
    archive::settle()?;
    confirm(folder, partition, &look, &journal)?;
    Ok(summary(&look, &snapshots, &journal).with_fingerprint(print.finish()))
}

/// That no entry was taken back while it was read.
fn confirm(folder: &str, partition: &Partition, look: &Look, journal: &Journal<'_>) -> Result<()> {
    let now = crate::files::read(folder, &partition.path(What::Metadata))?.unwrap_or_default();
    let is_new_term = member::term(&now) != member::term(&look.metadata);
    if is_new_term {
        log::info!("{}: a new term began while it was read; all is compared", partition.prefix());
    }
    let compared = if is_new_term { journal.len() } else { 1 };
    for (id, file, found, digest) in journal.iter().rev().take(compared) {
        let mut again = Hasher::default();
        let mut left = found.end;
        while left > 0 {
            let most = u32::try_from(left).unwrap_or(u32::MAX).min(READ_BYTES);
            let piece = Bytes::read_at(*file, found.end - left, most)?;
            if piece.is_empty() {
                break;
            }
            again.update(&piece);
            left -= piece.len() as u64;
        }
        if left > 0 || again.finish() != *digest {
            return Err(Error::conflict(format!(
                "a new leader was elected and took entries of segment {id} back while it was read; run the backup again"
            )));
        }
    }
    Ok(())
}

/// The fingerprint of what a folder holds of `partition` now. Files of one member alone do not count: term and vote are new after a
/// restore.
///
/// # Errors
/// When it cannot be read.
pub fn fingerprint(folder: &str, partition: &Partition) -> Result<String> {
    let look = Look::take(folder, partition)?;
    let mut print = Fingerprint::new();
    begin_print(&mut print, look.files.get(&What::Configuration), &look.snapshots()?)?;
    look.journal(|header, bytes| add_entry(&mut print, header, bytes))?;
    Ok(print.finish())
}

fn begin_print(
    print: &mut Fingerprint,
    configuration: Option<&File>,
    snapshots: &[(u64, &File)],
) -> Result<()> {
    print.add(configuration.map(whole).transpose()?.unwrap_or_default());
    print.add_number(snapshots.len() as u64);
    for (index, file) in snapshots {
        print.add_number(*index);
        print.add(file.digest()?);
    }
    Ok(())
}

fn add_entry(print: &mut Fingerprint, header: &Header, bytes: &[u8]) {
    print.add_number(header.id);
    print.add_number(header.index);
    print.add(bytes);
}

/// That the journal goes on where the newest snapshot ends.
fn check(snapshots: &[(u64, &File)], journal: &Journal<'_>) -> Result<()> {
    let held = snapshots.last().map_or(0, |(index, _)| *index);
    match journal.first() {
        Some((id, _, first, _)) if first.header.index > held + 1 => Err(Error::corrupt(format!(
            "its journal begins with entry {} in segment {id}, and the newest snapshot ends with entry {held}",
            first.header.index
        ))),
        _ => Ok(()),
    }
}

/// Archives one file: of a segment the part up to its last whole entry, of any other all.
fn put(partition: &Partition, what: What, file: &File, found: Option<&Scan>) -> Result<()> {
    let metadata = file.metadata()?;
    let laid_out = metadata.size;
    let size = found.map_or(laid_out, |found| found.end);
    let metadata = Metadata { size, links: 1, ..metadata };
    let path = partition.path(what);
    let mut entry = Entry::new(name(&path)).with_metadata(metadata);
    if found.is_some() {
        entry = entry.with_attribute(SIZE, laid_out.to_string());
    }
    if archive::reuse(std::slice::from_ref(&entry))?.first() == Some(&true) {
        return Ok(());
    }
    let mut writer = archive::create(&entry)?;
    writer.write_file(file, 0, Some(size))?;
    writer.finish()
}

fn summary(look: &Look, snapshots: &[(u64, &File)], journal: &Journal<'_>) -> Summary {
    let entries = journal.iter().map(|(_, _, found, _)| found.entries).sum();
    let first = journal.first().map_or(0, |(_, _, found, _)| found.header.index);
    let next = journal.last().map_or(0, |(_, _, found, _)| found.next_index());
    let held = snapshots.last().map_or(0, |(index, _)| *index);
    let is_torn = journal.last().is_some_and(|(_, _, found, _)| found.is_torn);
    let torn = if is_torn { "true" } else { "" };
    Summary::of_items(entries)
        .with_attribute(TERM, member::term(&look.metadata).to_string())
        .with_attribute("first-entry", first.to_string())
        .with_attribute("last-entry", next.saturating_sub(1).to_string())
        .with_attribute("segments", journal.len().to_string())
        .with_attribute("snapshot-entry", held.to_string())
        .with_attribute("last-entry-was-being-written", torn)
}
