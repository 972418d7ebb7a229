use std::io::Write as _;

use lockgate_plugin::files::{self, File};
use lockgate_plugin::glob::matches;
use lockgate_plugin::path::shown;
use lockgate_plugin::{
    Context, Entry, Error, Fingerprint, Kind, Metadata, Result, Summary, archive, job,
};
use log::warn;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::config::Config;
use crate::fingerprint;
use crate::inspect::{INSPECTED_BYTES_MAX, Inspection, What, inspect};
use crate::names::archived;
use crate::notes::Notes;
use crate::place::Place;
use crate::quiet::{Look, identity, look, while_quiet};
use crate::seal::{ENDING, Recipients};
use crate::walk::{Found, walk};

/// A part with more names is not read at one quiet moment, but name by name.
const STAGED_NAMES_MAX: u64 = 10_000;
/// The same for its bytes, which are held in memory.
const STAGED_BYTES_MAX: u64 = 16 << 20;
/// Bytes that are read at a time.
const PIECE_BYTES: u32 = 1 << 20;

/// A file's content, wiped from memory when it is no longer needed.
type Content = Zeroizing<Vec<u8>>;

/// Writes a part into the archive.
///
/// # Errors
/// When anything cannot be read: a key that is missing in a backup is missed too late.
pub fn export(place: &Place, config: &Config, recipients: &Recipients) -> Result<Summary> {
    let (staged, before) = while_quiet(place, config, |look| {
        let staged = if fits(look) { Some(stage(place, config)?) } else { None };
        Ok((staged, look.clone()))
    })?;
    let mut export = Export {
        place,
        config,
        recipients,
        fingerprint: Fingerprint::new(),
        notes: Notes::default(),
        items: 0,
        sealed: 0,
        left_out: 0,
    };
    let mut changed = false;
    match staged {
        Some(files) => {
            for (found, content) in files {
                export.add(&found, content)?;
            }
        }
        None => {
            walk(place, config, |found| export.add(&found, None))?;
            changed = look(place, config)? != before;
        }
    }
    export.finish(changed)
}

fn fits(look: &Look) -> bool {
    look.names <= STAGED_NAMES_MAX && look.bytes <= STAGED_BYTES_MAX
}

/// Reads all of a part.
fn stage(place: &Place, config: &Config) -> Result<Vec<(Found, Option<Content>)>> {
    let (mut staged, mut room) = (Vec::new(), STAGED_BYTES_MAX);
    walk(place, config, |found| {
        let content = match found.metadata.kind {
            Kind::Regular => Some(read(&place.folder, &found.path, room)?),
            _ => None,
        };
        room -= content.as_ref().map_or(0, |content| content.len() as u64);
        staged.push((found, content));
        Ok(())
    })?;
    Ok(staged)
}

/// A whole file of at most `max` bytes.
fn read(folder: &str, path: &[u8], max: u64) -> Result<Content> {
    let place = || format!("{folder}/{}", shown(path));
    let file = files::open(folder, path).with_context(place)?;
    let mut content = Zeroizing::new(Vec::new());
    loop {
        let piece = Zeroizing::new(piece(&file, content.len() as u64).with_context(place)?);
        if piece.is_empty() {
            return Ok(content);
        }
        if content.len() as u64 + piece.len() as u64 > max {
            return Err(Error::other("it grows while it is read")).with_context(place);
        }
        content.extend_from_slice(&piece);
    }
}

fn piece(file: &File, offset: u64) -> Result<Vec<u8>> {
    Ok(file.read_at(offset, PIECE_BYTES)?)
}

/// What is known of a part's files without saving them.
///
/// # Errors
/// When anything cannot be read.
pub fn noted(place: &Place, config: &Config) -> Result<Notes> {
    let mut notes = Notes::default();
    walk(place, config, |found| {
        let Found { path, metadata } = &found;
        if metadata.kind == Kind::Regular && metadata.size <= INSPECTED_BYTES_MAX {
            job::go_on()?;
            let content = read(&place.folder, path, 2 * INSPECTED_BYTES_MAX)?;
            let inspection = inspect(&content);
            let what = verdict(config, path, &inspection).0;
            notes.add(&place.folder, path, metadata, what, inspection);
        }
        Ok(())
    })?;
    Ok(notes)
}

/// What a file is, and whether it is sealed. Only what is known to be public, or what the operator says is, is not.
fn verdict(config: &Config, path: &[u8], inspection: &Inspection) -> (What, bool) {
    let what = inspection.what;
    if matches(&config.secret, path, false) {
        return (
            if what.is_public() || what == What::Unknown { What::Passwords } else { what },
            true,
        );
    }
    // A name that ends as the names of sealed files do belongs to them.
    let is_plain = !path.ends_with(ENDING)
        && (what.is_public() || (!what.is_secret() && matches(&config.public, path, false)));
    (what, !is_plain)
}

struct Export<'a> {
    place: &'a Place,
    config: &'a Config,
    recipients: &'a Recipients,
    fingerprint: Fingerprint,
    notes: Notes,
    items: u64,
    sealed: u64,
    left_out: u64,
}

impl Export<'_> {
    fn add(&mut self, found: &Found, staged: Option<Content>) -> Result<()> {
        let Found { path, metadata } = found;
        let digest = match metadata.kind {
            Kind::Directory | Kind::Symlink => {
                archive::create_empty(&self.entry(found, false))?;
                Vec::new()
            }
            Kind::Regular => match staged {
                Some(content) => self.add_content(found, &content)?,
                None if metadata.size > INSPECTED_BYTES_MAX => self.add_stream(found)?,
                None => {
                    let content = read(&self.place.folder, path, 2 * INSPECTED_BYTES_MAX)?;
                    self.add_content(found, &content)?
                }
            },
            _ => {
                self.left_out += 1;
                return Ok(());
            }
        };
        self.items += 1;
        fingerprint::add(&mut self.fingerprint, self.place, found, &digest);
        Ok(())
    }

    fn add_content(&mut self, found: &Found, content: &[u8]) -> Result<Vec<u8>> {
        let inspection = inspect(content);
        let (what, is_sealed) = verdict(self.config, &found.path, &inspection);
        self.notes.add(&self.place.folder, &found.path, &found.metadata, what, inspection);
        self.sealed += u64::from(is_sealed);
        let entry = self.entry(found, is_sealed);
        if archive::reuse(std::slice::from_ref(&entry))? != [true] {
            let mut writer = archive::create(&entry)?;
            if is_sealed {
                let mut sealing = self.recipients.seal(&mut writer)?;
                sealing.write_all(content)?;
                sealing.finish()?;
            } else {
                writer.write_all(content)?;
            }
            writer.finish()?;
        }
        Ok(Sha256::digest(content).to_vec())
    }

    /// A file that is too large to be looked into, piece by piece.
    fn add_stream(&mut self, found: &Found) -> Result<Vec<u8>> {
        let (folder, path) = (&self.place.folder, &found.path);
        let place = || format!("{folder}/{}", shown(path));
        let nothing = inspect(&[]);
        self.notes.add(folder, path, &found.metadata, What::Unknown, nothing);
        self.sealed += 1;
        let entry = self.entry(found, true);
        if archive::reuse(std::slice::from_ref(&entry))? == [true] {
            return fingerprint::digest(folder, path);
        }
        let file = files::open(folder, path).with_context(place)?;
        let mut writer = archive::create(&entry)?;
        let mut sealing = self.recipients.seal(&mut writer)?;
        let (mut digest, mut offset) = (Sha256::new(), 0);
        loop {
            job::go_on()?;
            let piece = Zeroizing::new(piece(&file, offset).with_context(place)?);
            if piece.is_empty() {
                break;
            }
            digest.update(&*piece);
            sealing.write_all(&piece)?;
            offset += piece.len() as u64;
        }
        sealing.finish()?;
        writer.finish()?;
        Ok(digest.finalize().to_vec())
    }

    fn entry(&self, found: &Found, is_sealed: bool) -> Entry {
        // Hard links are saved as files of their own, so that no program that restores them links what is sealed. A look at
        // a file is no change of it, so that a folder that was read costs nothing.
        let metadata =
            Metadata { links: 1, accessed: found.metadata.modified, ..found.metadata.clone() };
        let entry = Entry::new(archived(&found.path, is_sealed)).with_metadata(metadata);
        if !is_sealed {
            return entry;
        }
        entry.with_attribute("etag", etag(self.recipients, found))
    }

    fn finish(self, changed: bool) -> Result<Summary> {
        let id = self.place.id();
        if changed {
            warn!("{id} is too large to be read at once, and something in it changed meanwhile");
        }
        let summary = self
            .notes
            .tell(Summary::of_items(self.items))
            .with_attribute("sealed", self.sealed.to_string())
            .with_attribute("left-out", self.left_out.to_string())
            .with_attribute("changed", u64::from(changed).to_string());
        let recipients = (self.sealed > 0).then_some(self.recipients);
        fingerprint::tell(self.fingerprint, recipients, summary)
    }
}

/// Equal while a file is what it was and is sealed for the same recipients. It is made of what the archive shows of the file
/// anyway, and of nothing that is in it: sealing gives other bytes each time, and a digest of the content would let people
/// guess.
fn etag(recipients: &Recipients, found: &Found) -> String {
    let mut tag = Fingerprint::new();
    tag.add("lockgate certificates etag 1");
    tag.add(recipients.id());
    for number in identity(&found.metadata) {
        tag.add(number.to_le_bytes());
    }
    tag.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(path: &str, content: &str) -> bool {
        let config: Config = serde_json::from_str(
            r#"{"secret": ["*.htpasswd", "vault/"], "public": ["*.conf", "*.age", "*.key"]}"#,
        )
        .unwrap();
        verdict(&config, path.as_bytes(), &inspect(content.as_bytes())).1
    }

    #[test]
    fn what_is_not_known_to_be_public_is_sealed() {
        const KEY: &str = "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n";
        assert!(sealed("a.txt", "anything") && sealed("a.key", KEY) && sealed("a.htpasswd", ""));
        assert!(!sealed("a.conf", "anything") && !sealed("empty", ""));
        // The settings cannot make a key public, nor give a file the name of a sealed one.
        assert!(sealed("a.conf", KEY) && sealed("a.age", ""));
    }
}
