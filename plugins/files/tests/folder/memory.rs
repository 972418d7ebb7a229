//! A repository in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use lockgate_sandbox::{EntryReader, EntrySink, EntrySource, EntryWriter, Extraction};
use lockgate_types::{Entry, EntryPath, Failure};

/// Entries with their content.
pub type Archive = BTreeMap<EntryPath, (Entry, Vec<u8>)>;

#[derive(Default)]
pub struct Sink {
    pub archive: Arc<Mutex<Archive>>,
    /// The snapshot before.
    pub parent: Archive,
    /// Called when entries are asked about, which is after they were listed and before they are read.
    pub on_reuse: Option<Box<dyn FnMut() + Send>>,
    /// Entries whose content was taken from the parent.
    pub reused: Arc<Mutex<Vec<EntryPath>>>,
}

struct Writer {
    archive: Arc<Mutex<Archive>>,
    entry: Entry,
    content: Vec<u8>,
}

impl EntrySink for Sink {
    fn create(&mut self, entry: Entry) -> Result<Box<dyn EntryWriter>, Failure> {
        let archive = Arc::clone(&self.archive);
        Ok(Box::new(Writer { archive, entry, content: Vec::new() }))
    }

    fn has_parent(&self) -> bool {
        !self.parent.is_empty() || self.on_reuse.is_some()
    }

    fn reuse(&mut self, entries: Vec<Entry>) -> Result<Vec<bool>, Failure> {
        if let Some(call) = &mut self.on_reuse {
            call();
        }
        let mut reused = Vec::new();
        for entry in entries {
            let then = self.parent.get(&entry.path).filter(|(then, _)| {
                let now = entry.metadata.as_ref().unwrap();
                then.metadata.as_ref().unwrap().is_unchanged(now)
                    && now.kind == lockgate_types::Kind::Regular
            });
            reused.push(then.is_some());
            if let Some((_, content)) = then {
                self.reused.lock().unwrap().push(entry.path.clone());
                self.archive.lock().unwrap().insert(entry.path.clone(), (entry, content.clone()));
            }
        }
        Ok(reused)
    }
}

impl EntryWriter for Writer {
    fn write(&mut self, source: &mut dyn Read, length: u64) -> Result<(), Failure> {
        let count = source.take(length).read_to_end(&mut self.content).unwrap();
        assert_eq!(count as u64, length);
        Ok(())
    }

    fn write_file(
        &mut self,
        file: &File,
        offset: u64,
        length: Option<u64>,
    ) -> Result<u64, Failure> {
        let mut offset = offset;
        let end = length.map_or(u64::MAX, |length| offset + length);
        let mut buffer = vec![0; 1 << 20];
        let start = offset;
        while offset < end {
            let room = (buffer.len() as u64).min(end - offset) as usize;
            let count = file.read_at(&mut buffer[..room], offset).unwrap();
            if count == 0 {
                break;
            }
            self.content.extend_from_slice(&buffer[..count]);
            offset += count as u64;
        }
        Ok(offset - start)
    }

    fn finish(self: Box<Self>) -> Result<u64, Failure> {
        let Self { archive, mut entry, content } = *self;
        let length = content.len() as u64;
        if let Some(metadata) = entry.metadata.as_mut().filter(|_| length > 0) {
            metadata.size = length;
        }
        let before = archive.lock().unwrap().insert(entry.path.clone(), (entry, content));
        assert!(before.is_none(), "an entry twice");
        Ok(length)
    }
}

#[derive(Default)]
pub struct Source {
    pub archive: Archive,
    /// The content of this entry is damaged.
    pub damaged: Option<EntryPath>,
    pub extractions: usize,
}

impl EntrySource for Source {
    fn entries(
        &mut self,
        prefix: &EntryPath,
        after: Option<&EntryPath>,
        limit: usize,
    ) -> Result<Vec<Entry>, Failure> {
        assert!(prefix.is_root());
        let is_after = |path: &&EntryPath| after.is_none_or(|after| *path > after);
        let paths = self.archive.keys().filter(is_after).take(limit);
        Ok(paths.map(|path| self.archive[path].0.clone()).collect())
    }

    fn open(&mut self, path: &EntryPath) -> Result<Box<dyn EntryReader>, Failure> {
        Err(Failure::Other(format!("{path}: the plugin has no need to read")))
    }

    fn extract(&mut self, extractions: Vec<Extraction>) -> Result<u64, Failure> {
        self.extractions += 1;
        let mut bytes = 0;
        for Extraction { path, target, offset } in extractions {
            if self.damaged.as_ref() == Some(&path) {
                return Err(Failure::Corrupt(format!("{path}: a blob is damaged")));
            }
            let (_, content) = &self.archive[&path];
            target.write_all_at(content, offset).unwrap();
            target.set_len(offset + content.len() as u64).unwrap();
            bytes += content.len() as u64;
        }
        Ok(bytes)
    }
}
