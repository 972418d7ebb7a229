use std::collections::VecDeque;

use lockgate_plugin::archive::{self, LOOKUPS_MAX, Lookup};
use lockgate_plugin::files::File;
use lockgate_plugin::path::shown;
use lockgate_plugin::{Entry, Error, Failure, Fingerprint, Kind, Metadata, Result, Summary, files};

use crate::config::Config;
use crate::entry::{self, Content, entry};
use crate::links::HardLinks;
use crate::trouble::Troubles;
use crate::walk::{Found, Step, Walk};

/// Files from this size on are looked at again after they were read, to see whether they changed meanwhile.
const WATCHED_BYTES: u64 = 1 << 20;

/// Writes all of `folder` into the archive.
pub fn export(folder: &str, config: &Config) -> Result<Summary> {
    let mut walk = Walk::new(folder, config)?;
    let mut export = Export {
        folder,
        items: 0,
        troubles: Troubles::new(folder, config),
        fingerprint: config.fingerprint.then(LiveFingerprint::default),
        asked: VecDeque::new(),
        questions: 0,
        watched: VecDeque::new(),
    };
    while let Some(step) = walk.next()? {
        match step {
            Step::Names(found) => export.ask(found)?,
            Step::Unlisted(path, failure) => export.troubles.unread(&path, failure)?,
        }
    }
    while export.answered()? {}
    export.settle()?;
    let mut summary = Summary::of_items(export.items);
    summary.fingerprint = export.fingerprint.map(LiveFingerprint::finish);
    Ok(export.troubles.report(summary).with_attribute("excluded", walk.excluded.to_string()))
}

/// The fingerprint of what `folder` holds now.
pub fn fingerprint(folder: &str, config: &Config) -> Result<String> {
    let mut walk = Walk::new(folder, config)?;
    let mut fingerprint = LiveFingerprint::default();
    while let Some(step) = walk.next()? {
        match step {
            Step::Names(found) => {
                for Found { path, metadata } in found {
                    fingerprint.add(folder, &path, &metadata, None)?;
                }
            }
            Step::Unlisted(path, failure) => {
                return Err(Error::from(failure).context(format!("{folder}/{}", shown(&path))));
            }
        }
    }
    Ok(fingerprint.finish())
}

struct Export<'a> {
    folder: &'a str,
    items: u64,
    troubles: Troubles<'a>,
    fingerprint: Option<LiveFingerprint>,
    /// Entries that the host looks up while the next names are listed, those of the first question first.
    asked: VecDeque<Asked>,
    /// How many questions the host was asked.
    questions: u64,
    /// Large files that the host may still be reading.
    watched: VecDeque<Watched>,
}

/// A question to the host.
struct Asked {
    entries: Vec<Entry>,
    /// With its number; none where there is nothing to look up.
    lookup: Option<(u64, Lookup)>,
}

struct Watched {
    path: Vec<u8>,
    /// As it was before.
    before: Metadata,
    /// The host has read it when it answers what it was asked after this question.
    asked: u64,
}

impl Export<'_> {
    /// Asks which of `found` the last snapshot has, and saves those of the first question where many are under way.
    fn ask(&mut self, found: Vec<Found>) -> Result<()> {
        let entries: Vec<Entry> =
            found.into_iter().map(|Found { path, metadata }| entry(path, metadata)).collect();
        if self.asked.len() == LOOKUPS_MAX {
            self.answered()?;
        }
        let lookup = match entries.iter().any(is_file) {
            true => {
                self.questions += 1;
                Some((self.questions, archive::start_reuse(&entries)?))
            }
            false => None,
        };
        self.asked.push_back(Asked { entries, lookup });
        Ok(())
    }

    /// Saves the entries of the first question; false when there is none.
    fn answered(&mut self) -> Result<bool> {
        let Some(Asked { entries, lookup }) = self.asked.pop_front() else { return Ok(false) };
        let reused = match lookup {
            Some((question, lookup)) => {
                let reused = lookup.finish()?;
                self.look_again(question);
                reused
            }
            None => vec![false; entries.len()],
        };
        for (entry, is_reused) in entries.iter().zip(reused) {
            let mut saved = None;
            if !is_file(entry) {
                archive::create_empty(entry)?;
            } else if !is_reused {
                match self.read(entry)? {
                    Ok(file) => saved = Some(file),
                    Err(failure) => {
                        self.troubles.unread(&entry.path, failure)?;
                        continue;
                    }
                }
            }
            self.saved(entry, saved.as_ref())?;
        }
        Ok(true)
    }

    /// Saves the content of a file, and gives the file that was read. The inner failure is about this file alone.
    fn read(&mut self, entry: &Entry) -> Result<Result<File, Failure>> {
        let file = match files::open(self.folder, &entry.path) {
            Ok(file) => file,
            Err(failure) => return Ok(Err(failure)),
        };
        let mut writer = archive::create(entry)?;
        if let Err(error) = writer.write_file(&file, 0, None) {
            return Ok(Err(error.into()));
        }
        writer.finish()?;
        if let Some(metadata) = entry.metadata.as_ref().filter(|now| now.size >= WATCHED_BYTES) {
            let (path, before, asked) = (entry.path.clone(), metadata.clone(), self.questions);
            self.watched.push_back(Watched { path, before, asked });
        }
        Ok(Ok(file))
    }

    /// `file` is the one that was read: another one may have its name by now.
    fn saved(&mut self, entry: &Entry, file: Option<&File>) -> Result<()> {
        self.items += 1;
        match (&mut self.fingerprint, &entry.metadata) {
            (Some(fingerprint), Some(metadata)) => {
                fingerprint.add(self.folder, &entry.path, metadata, file)
            }
            _ => Ok(()),
        }
    }

    /// Waits until the host has read everything, and looks at the last files again.
    fn settle(&mut self) -> Result<()> {
        if !self.watched.is_empty() {
            archive::settle()?;
            self.look_again(u64::MAX);
        }
        Ok(())
    }

    /// At the files that the host has read when it answers the question with this number.
    fn look_again(&mut self, question: u64) {
        while let Some(file) = self.watched.pop_front_if(|file| file.asked < question) {
            let Watched { path, before, .. } = file;
            // One that is gone by now was still saved whole.
            let now = files::status(self.folder, &path);
            if now.is_ok_and(|now| !is_same_content(&before, &now)) {
                self.troubles.changed(&path);
            }
        }
    }
}

fn is_file(entry: &Entry) -> bool {
    entry.metadata.as_ref().is_some_and(|metadata| metadata.kind == Kind::Regular)
}

fn is_same_content(before: &Metadata, now: &Metadata) -> bool {
    (before.size, before.modified, before.inode) == (now.size, now.modified, now.inode)
}

/// A fingerprint of files that are there to be read. The order of what is added counts, and is that of the walk.
#[derive(Default)]
struct LiveFingerprint {
    fingerprint: Fingerprint,
    links: HardLinks,
}

impl LiveFingerprint {
    /// `file` is its content; without it that is looked up by the name.
    fn add(
        &mut self,
        folder: &str,
        path: &[u8],
        metadata: &Metadata,
        file: Option<&File>,
    ) -> Result<()> {
        let first = self.links.first(path, metadata);
        let digest;
        let content = match (&first, metadata.kind) {
            (Some(first), _) => Content::SameAs(first),
            (None, Kind::Regular) => match digest_of(folder, path, file) {
                Ok(found) => {
                    digest = found;
                    Content::Digest(&digest)
                }
                Err(Failure::Cancelled) => return Err(Failure::Cancelled.into()),
                Err(_) => Content::Unreadable,
            },
            (None, _) => Content::None,
        };
        entry::add(&mut self.fingerprint, path, metadata, &content);
        Ok(())
    }

    fn finish(self) -> String {
        self.fingerprint.finish()
    }
}

fn digest_of(folder: &str, path: &[u8], file: Option<&File>) -> Result<Vec<u8>, Failure> {
    match file {
        Some(file) => file.digest(),
        None => files::open(folder, path)?.digest(),
    }
}
