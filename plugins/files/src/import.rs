use lockgate_plugin::archive::{self, TRANSFER_ENTRIES_MAX, Transfer};
use lockgate_plugin::files::{self, File};
use lockgate_plugin::path::is_inside;
use lockgate_plugin::{Entry, Extraction, Failure, Kind, Metadata, Result};

use crate::fault::Faults;
use crate::links::HardLinks;
use crate::obstacle;

/// Bytes that are filled at a time, unless one file has more: so that a cancelled run stops soon.
const BATCH_BYTES: u64 = 256 << 20;
/// Folders that wait for their metadata.
const LEFT_FOLDERS_MAX: usize = 1000;
/// Mode of a folder while names are still made in it.
const UNFINISHED_MODE: u32 = 0o700;

/// Restores the part's entries into `folder`.
///
/// # Errors
/// When something is in the way (then nothing was changed), when anything could not be restored (after all the rest was),
/// and when the run is cancelled.
pub fn import(folder: &str, overwrite: bool) -> Result<()> {
    if !overwrite {
        obstacle::refuse(folder)?;
    }
    let mut import = Import {
        folder,
        overwrite,
        links: HardLinks::default(),
        batch: Vec::new(),
        batch_bytes: 0,
        filling: None,
        inside: Vec::new(),
        left: Vec::new(),
        faults: Faults::new(folder),
    };
    for entry in archive::entries("") {
        import.entry(entry?)?;
    }
    import.leave(|_| true);
    import.flush()?;
    import.wait()?;
    import.faults.result()
}

struct Import<'a> {
    folder: &'a str,
    overwrite: bool,
    links: HardLinks,
    /// Files that exist and are still empty.
    batch: Vec<Unfilled>,
    batch_bytes: u64,
    /// Files that the host fills while the next are made.
    filling: Option<(Transfer, Vec<Unfilled>)>,
    /// The folders that hold the present entry, the outermost first.
    inside: Vec<(Vec<u8>, Option<Metadata>)>,
    /// Folders in which nothing more will be made, the inner before the outer.
    left: Vec<(Vec<u8>, Option<Metadata>)>,
    faults: Faults<'a>,
}

struct Unfilled {
    path: Vec<u8>,
    file: File,
    metadata: Option<Metadata>,
}

impl Import<'_> {
    fn entry(&mut self, entry: Entry) -> Result<()> {
        self.leave(|folder| !is_inside(&entry.path, folder));
        let made = self.make(&entry);
        if let Err(failure) = made {
            self.faults.failed(&entry.path, failure)?;
        }
        if self.batch.len() >= TRANSFER_ENTRIES_MAX
            || self.batch_bytes >= BATCH_BYTES
            || self.left.len() >= LEFT_FOLDERS_MAX
        {
            self.flush()?;
        }
        Ok(())
    }

    fn make(&mut self, entry: &Entry) -> Result<(), Failure> {
        let Some(metadata) = &entry.metadata else { return self.make_file(entry) };
        if let Some(first) = self.links.first(&entry.path, metadata) {
            return files::link(self.folder, &entry.path, &first, self.overwrite);
        }
        match metadata.kind {
            Kind::Regular => self.make_file(entry),
            Kind::Directory => {
                let unfinished = Metadata { mode: UNFINISHED_MODE, ..metadata.clone() };
                files::make(self.folder, &entry.path, &unfinished, self.overwrite)?;
                self.inside.push((entry.path.clone(), entry.metadata.clone()));
                Ok(())
            }
            _ => {
                files::make(self.folder, &entry.path, metadata, self.overwrite)?;
                let unset = files::apply(self.folder, &entry.path, metadata)?;
                self.faults.unset(&entry.path, &unset);
                Ok(())
            }
        }
    }

    fn make_file(&mut self, entry: &Entry) -> Result<(), Failure> {
        let file = files::create(self.folder, &entry.path, self.overwrite)?;
        let size = entry.metadata.as_ref().map(|metadata| metadata.size).or(entry.size_hint);
        self.batch_bytes = self.batch_bytes.saturating_add(size.unwrap_or(0));
        let (path, metadata) = (entry.path.clone(), entry.metadata.clone());
        self.batch.push(Unfilled { path, file, metadata });
        Ok(())
    }

    /// Moves the innermost folders that are done to those that wait for their metadata.
    fn leave(&mut self, is_done: impl Fn(&[u8]) -> bool) {
        while let Some(folder) = self.inside.pop_if(|(path, _)| is_done(path)) {
            self.left.push(folder);
        }
    }

    /// Has the files of the batch filled while others are made, and sets the metadata of those that were filled before and of the
    /// folders that were left: what is made in a folder changes its times, and its mode may forbid to make anything.
    fn flush(&mut self) -> Result<()> {
        let filled = self.filled()?;
        self.batch_bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if !batch.is_empty() {
            let all: Vec<Extraction<'_>> = batch.iter().map(extraction).collect();
            let transfer = archive::start_extract(&all)?;
            self.filling = Some((transfer, batch));
        }
        self.finish(filled)?;
        for (path, metadata) in std::mem::take(&mut self.left) {
            let Some(metadata) = metadata else { continue };
            self.faults.applied(&path, files::apply(self.folder, &path, &metadata))?;
        }
        Ok(())
    }

    /// Waits for the files that are still being filled.
    fn wait(&mut self) -> Result<()> {
        let filled = self.filled()?;
        self.finish(filled)
    }

    /// Those that were being filled, once they are.
    fn filled(&mut self) -> Result<Vec<Unfilled>> {
        let Some((transfer, batch)) = self.filling.take() else { return Ok(Vec::new()) };
        match transfer.finish() {
            Ok(_) => return Ok(batch),
            Err(failure @ Failure::Cancelled) => return Err(failure.into()),
            Err(_) => {}
        }
        // One of them cannot be filled; the others can.
        for unfilled in &batch {
            if let Err(error) = archive::extract(&[extraction(unfilled)]) {
                self.faults.failed(&unfilled.path, error.into())?;
            }
        }
        Ok(batch)
    }

    fn finish(&mut self, filled: Vec<Unfilled>) -> Result<()> {
        for Unfilled { path, file, metadata } in filled {
            let Some(metadata) = metadata else { continue };
            self.faults.applied(&path, file.apply(&metadata))?;
        }
        Ok(())
    }
}

fn extraction(unfilled: &Unfilled) -> Extraction<'_> {
    Extraction { path: unfilled.path.clone(), target: &unfilled.file, offset: 0 }
}
