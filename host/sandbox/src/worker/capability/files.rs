//! `files`: folders that the operator named.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use lockgate_trust::Granted;
use lockgate_types::{EntryPath, Failure};
use ring::digest::{Context, SHA256};
use wasmtime::component::Resource;

use super::file_locks::Locks;
use super::listing::Listing;
use super::{asked, quoted};
use crate::limits::{LISTING_BYTES_MAX, TRANSFER_BYTES_MAX};
use crate::worker::bindings::lockgate::datastore::files::{self, Host, HostFile, Metadata};
use crate::worker::convert;
use crate::worker::fault::{Fault, Reply};
use crate::worker::folder::{Folder, Place, Shown, apply, describe, list};
use crate::worker::state::State;

/// A regular file that the plugin opened or created.
#[derive(Debug)]
pub struct OpenFile {
    file: Arc<File>,
    /// In bytes, when it was opened.
    size: u64,
    /// Whether it was created by the plugin.
    writable: bool,
    locks: Locks,
    name: Shown,
}

impl OpenFile {
    fn opened(file: (OwnedFd, u64), folder: Arc<Folder>, path: &EntryPath) -> Self {
        let name = folder.shown(path);
        let (file, size) = (Arc::new(file.0.into()), file.1);
        Self { file, size, writable: false, locks: Locks::new(folder), name }
    }

    fn created(file: OwnedFd, folder: Arc<Folder>, path: &EntryPath) -> Self {
        Self { writable: true, ..Self::opened((file, 0), folder, path) }
    }

    /// As messages call it.
    pub fn name(&self) -> &Shown {
        &self.name
    }

    /// The open file itself.
    pub fn shared(&self) -> &Arc<File> {
        &self.file
    }

    /// What is locked of it.
    pub fn locks(&self) -> &Locks {
        &self.locks
    }

    /// The file, when it may be changed.
    pub fn for_writing(&self) -> Reply<&File> {
        if self.writable {
            return Ok(&self.file);
        }
        Err(Fault::denied(format!(
            "folders: {} was opened for reading; `files.create` makes a file that can be written",
            self.name
        )))
    }

    /// Its length in bytes, when it was opened: it may be another by now.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads from `offset` until `buffer` is full or the file ends; returns the number of bytes.
    pub fn read_fully(&self, buffer: &mut [u8], offset: u64) -> Reply<usize> {
        self.read_until(buffer, offset, usize::MAX)
    }

    /// The same, and stops too where a read that could have brought more brought no more than `end` bytes in all: the end of
    /// a file that has kept its size needs no read of its own.
    pub fn read_until(&self, buffer: &mut [u8], offset: u64, end: usize) -> Reply<usize> {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty())
            && filled != end
        {
            match self.file.read_at(room, offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::system("read", &self.name, error)),
            }
        }
        Ok(filled)
    }
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Host for State {
    fn folders(&mut self) -> Reply<Vec<files::Folder>> {
        self.go_on()?;
        let folders = self.grants.folders.iter().map(|folder| files::Folder {
            name: folder.name().to_owned(),
            writable: folder.is_writable(),
        });
        Ok(folders.collect())
    }

    fn list_folder(&mut self, folder: String, path: Vec<u8>) -> Reply<Resource<Listing>> {
        let (folder, path) = self.place(&folder, path)?;
        let rest = LISTING_BYTES_MAX.saturating_sub(self.listing_bytes);
        let names = list(&folder, &path, rest)?;
        let bytes = names.bytes();
        let listing = self.table.push(Listing::new(names, folder.shown(&path)))?;
        self.listing_bytes += bytes;
        Ok(listing)
    }

    fn status(&mut self, folder: String, path: Vec<u8>) -> Reply<Metadata> {
        let (folder, path) = self.place(&folder, path)?;
        Ok(folder.status(&path, &self.grants.owners)?.into())
    }

    fn open(&mut self, folder: String, path: Vec<u8>) -> Reply<Resource<OpenFile>> {
        let (folder, path) = self.place(&folder, path)?;
        let file = OpenFile::opened(folder.open(&path)?, folder, &path);
        Ok(self.table.push(file)?)
    }

    fn create(
        &mut self,
        folder: String,
        path: Vec<u8>,
        replace: bool,
    ) -> Reply<Resource<OpenFile>> {
        let (folder, path) = self.place(&folder, path)?;
        let file = OpenFile::created(folder.create(&path, replace)?, folder, &path);
        Ok(self.table.push(file)?)
    }

    fn make(
        &mut self,
        folder: String,
        path: Vec<u8>,
        metadata: Metadata,
        replace: bool,
    ) -> Reply<()> {
        let (folder, path) = self.place(&folder, path)?;
        folder.make(&path, &convert::metadata(metadata)?, replace)
    }

    fn link(&mut self, folder: String, path: Vec<u8>, target: Vec<u8>, replace: bool) -> Reply<()> {
        let (folder, path) = self.place(&folder, path)?;
        folder.link(&path, &convert::path(target)?, replace)
    }

    fn apply(&mut self, folder: String, path: Vec<u8>, metadata: Metadata) -> Reply<Vec<String>> {
        let (folder, path) = self.place(&folder, path)?;
        folder.apply(&path, &convert::metadata(metadata)?)
    }

    fn remove(&mut self, folder: String, path: Vec<u8>) -> Reply<()> {
        let (folder, path) = self.place(&folder, path)?;
        folder.remove(&path)
    }
}

impl HostFile for State {
    fn metadata(&mut self, file: Resource<OpenFile>) -> Reply<Metadata> {
        let file = self.table.get(&file)?;
        let look = || {
            let status = rustix::fs::fstat(file)?;
            describe(&Place::Descriptor(file.as_fd()), &status, &self.grants.owners)
        };
        Ok(look().map_err(|errno| Fault::system("look at", &file.name, errno))?.into())
    }

    fn read_at(&mut self, file: Resource<OpenFile>, offset: u64, max: u32) -> Reply<Vec<u8>> {
        self.go_on()?;
        let mut bytes = vec![0; max.min(TRANSFER_BYTES_MAX) as usize];
        let length = self.table.get(&file)?.read_fully(&mut bytes, offset)?;
        bytes.truncate(length);
        Ok(bytes)
    }

    fn write_at(&mut self, file: Resource<OpenFile>, offset: u64, data: Vec<u8>) -> Reply<()> {
        self.go_on()?;
        let file = self.table.get(&file)?;
        file.for_writing()?
            .write_all_at(&data, offset)
            .map_err(|error| Fault::system("write", &file.name, error))
    }

    fn apply(&mut self, file: Resource<OpenFile>, metadata: Metadata) -> Reply<Vec<String>> {
        self.go_on()?;
        let file = self.table.get(&file)?;
        Ok(apply(file.for_writing()?.as_fd(), &convert::metadata(metadata)?))
    }

    fn digest(&mut self, file: Resource<OpenFile>) -> Reply<Vec<u8>> {
        self.lane.socket().flush()?;
        let file = self.table.get(&file)?;
        let mut context = Context::new(&SHA256);
        let mut buffer = vec![0; TRANSFER_BYTES_MAX as usize];
        let mut offset = 0;
        loop {
            self.go_on()?;
            let length = file.read_fully(&mut buffer, offset)?;
            context.update(buffer.get(..length).unwrap_or_default());
            offset += length as u64;
            if length < buffer.len() {
                return Ok(context.finish().as_ref().to_vec());
            }
        }
    }

    fn sync(&mut self, file: Resource<OpenFile>) -> Reply<()> {
        self.go_on()?;
        let file = self.table.get(&file)?;
        // A jail without a folder to change does not know the system call.
        file.for_writing()?.sync_all().map_err(|error| Fault::system("sync", &file.name, error))
    }

    fn drop(&mut self, file: Resource<OpenFile>) -> wasmtime::Result<()> {
        self.table.delete(file)?;
        Ok(())
    }
}

impl State {
    fn place(&self, folder: &str, path: Vec<u8>) -> Reply<(Arc<Folder>, EntryPath)> {
        self.go_on()?;
        let Some(found) = self.grants.folders.iter().find(|granted| granted.name() == folder)
        else {
            let granted = quoted(self.grants.folders.iter().map(|folder| folder.name()));
            return Err(Failure::Denied(format!(
                "folders: the plugin asked for {} and {granted} is granted; \
                 `folders.NAME` in the source's grants allows one",
                asked(folder)
            ))
            .into());
        };
        if let Some(name) = found.first_use() {
            self.note_use(Granted::Folder(name))?;
        }
        Ok((found.clone(), convert::path(path)?))
    }
}
