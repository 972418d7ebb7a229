//! rustic_core as a judge, over a folder that it may only read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustic_core::{
    BytesList, Credentials, ErrorKind, FileType, Id, ReadBackend, RepositoryBackends,
    RepositoryOptions, RusticError, RusticResult, WriteBackend,
};

use crate::referee::PASSWORD;

/// What rustic finds wrong with a repository, every pack read.
pub fn check(repository: &Path) -> Result<(), String> {
    let backends = RepositoryBackends::new(Arc::new(Folder(repository.to_owned())), None);
    let options = RepositoryOptions::default().no_cache(true);
    let check = rustic_core::CheckOptions::default().read_data(true);
    rustic_core::Repository::new(&options, &backends)
        .and_then(|repository| repository.open(&Credentials::password(PASSWORD)))
        .and_then(|repository| repository.check(check))
        .and_then(|results| results.is_ok())
        .map_err(|error| error.display_log())
}

struct Folder(PathBuf);

impl Folder {
    fn path(&self, kind: FileType, id: &Id) -> PathBuf {
        let name = id.to_hex().to_string();
        match kind {
            FileType::Config => self.0.join("config"),
            FileType::Pack => self.0.join("data").join(&name[..2]).join(name),
            kind => self.0.join(kind.dirname()).join(name),
        }
    }

    fn refuse(&self) -> Box<RusticError> {
        RusticError::new(ErrorKind::Backend, "a judge does not write")
    }
}

fn failed(error: std::io::Error) -> Box<RusticError> {
    RusticError::with_source(ErrorKind::Backend, "reading failed", error)
}

impl ReadBackend for Folder {
    fn location(&self) -> String {
        self.0.display().to_string()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if kind == FileType::Config {
            return Ok(vec![(Id::default(), 0)]);
        }
        let mut files = Vec::new();
        let mut open = vec![self.0.join(kind.dirname())];
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                if entry.path().is_dir() {
                    open.push(entry.path());
                } else {
                    let id = entry.file_name().to_string_lossy().parse()?;
                    files.push((
                        id,
                        u32::try_from(entry.metadata().map_err(failed)?.len()).unwrap(),
                    ));
                }
            }
        }
        Ok(files)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        std::fs::read(self.path(kind, id)).map(Bytes::from).map_err(failed)
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        let bytes = self.read_full(kind, id)?;
        Ok(bytes.slice(offset as usize..offset as usize + length as usize))
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.path(kind, id).display().to_string()
    }
}

impl WriteBackend for Folder {
    fn write_bytes(&self, _: FileType, _: &Id, _: bool, _: BytesList) -> RusticResult<()> {
        Err(self.refuse())
    }

    fn remove(&self, _: FileType, _: &Id, _: bool) -> RusticResult<()> {
        Err(self.refuse())
    }
}
