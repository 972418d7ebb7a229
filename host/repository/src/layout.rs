//! Where the objects of a repository lie, and how its small files are loaded and saved.

use bytes::Bytes;
use lockgate_types::{Digest, Timestamp};

use crate::error::{Error, ErrorKind, Result};
use crate::format::{pack_json, unpack_json};
use crate::{limits, open::Repository};

pub(crate) const CONFIG: &str = "config";
pub(crate) const DATA_FOLDER: &str = "data";

/// The files whose name is the SHA-256 of their bytes, packs apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Index,
    Key,
    Lock,
    Snapshot,
}

/// A file as a listing shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListedFile {
    pub(crate) id: Digest,
    /// In bytes, as it is stored.
    pub(crate) size: u64,
    /// When it was stored, by the clock of the storage, where it tells.
    pub(crate) modified: Option<Timestamp>,
}

impl FileKind {
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Key => "keys",
            Self::Lock => "locks",
            Self::Snapshot => "snapshots",
        }
    }

    /// The object's name in the storage.
    pub(crate) fn name(self, id: &Digest) -> String {
        format!("{}/{id}", self.folder())
    }
}

/// A pack's name in the storage: 256 folders, so that none gets too large.
pub(crate) fn pack_name(id: &Digest) -> String {
    format!("{DATA_FOLDER}/{:02x}/{id}", id.0[0])
}

/// The pack that an object of this name is; none when it is something else.
pub(crate) fn pack_of(object: &str) -> Option<Digest> {
    let id = object.rsplit('/').next()?.parse().ok()?;
    (pack_name(&id) == object).then_some(id)
}

/// All folders of a repository.
pub(crate) fn folders() -> Vec<String> {
    let of_packs = (0..=255u8).map(|byte| format!("{DATA_FOLDER}/{byte:02x}"));
    let of_files = [FileKind::Index, FileKind::Key, FileKind::Lock, FileKind::Snapshot]
        .map(|kind| kind.folder().to_owned());
    [DATA_FOLDER.to_owned()].into_iter().chain(of_files).chain(of_packs).collect()
}

/// SHA-256 of `bytes` of a file.
pub(crate) fn digest(bytes: &[u8]) -> Digest {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut copy = [0; 32];
    copy.copy_from_slice(digest.as_ref());
    Digest(copy)
}

/// Runs `work` beside the reactor and hands on its panics.
pub(crate) async fn off_reactor<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Blocking work is never aborted: the runtime is going down, and nobody will look at this future again.
            Err(_) => std::future::pending().await,
        },
    }
}

impl Repository {
    /// The files of a kind, in the order of their names. Objects with other names are none of ours and are left out;
    /// a check reports them.
    pub(crate) async fn list_files(&self, kind: FileKind) -> Result<Vec<ListedFile>> {
        list_files(self.storage(), kind).await
    }

    /// The JSON of a file, authenticated, and compared with its name.
    pub(crate) async fn load_file(&self, kind: FileKind, file: ListedFile) -> Result<Vec<u8>> {
        let stored = self.fetch_file(kind, file).await?;
        let repository = self.clone();
        off_reactor(move || repository.open_file(kind, &file.id, &stored)).await
    }

    /// The bytes of a file as they are stored.
    pub(crate) async fn fetch_file(&self, kind: FileKind, file: ListedFile) -> Result<Bytes> {
        let name = kind.name(&file.id);
        if file.size > limits::STORED_FILE_BYTES_MAX {
            let text = format!("file {name} has {} bytes, more than is read at once", file.size);
            return Err(Error::new(ErrorKind::Limit, text));
        }
        Ok(self.storage().get(&name).await?)
    }

    /// The JSON of the file of which `stored` are the bytes.
    pub(crate) fn open_file(&self, kind: FileKind, id: &Digest, stored: &[u8]) -> Result<Vec<u8>> {
        let what = format!("file {}", kind.name(id));
        if digest(stored) != *id {
            return Err(Error::corrupt(what, "its SHA-256 is not its name"));
        }
        let plain = self.key().open(stored).map_err(|source| Error::corrupt(&what, source))?;
        unpack_json(plain).map_err(|error| error.at(what))
    }

    /// Seals and stores a file; it is durable on return. Gives its name.
    pub(crate) async fn save_file(&self, kind: FileKind, json: Vec<u8>) -> Result<Digest> {
        let repository = self.clone();
        let sealed = off_reactor(move || {
            let framed = if repository.config().version < 2 { json } else { pack_json(&json)? };
            repository.key().seal(&framed)
        })
        .await?;
        let id = digest(&sealed);
        self.storage().put(&kind.name(&id), vec![Bytes::from(sealed)]).await?;
        Ok(id)
    }

    /// Deletes a file.
    pub(crate) async fn delete_file(&self, kind: FileKind, id: &Digest) -> Result<()> {
        Ok(self.storage().delete(&kind.name(id)).await?)
    }
}

pub(crate) async fn list_files(
    storage: &lockgate_storage::Storage,
    kind: FileKind,
) -> Result<Vec<ListedFile>> {
    let mut files = Vec::new();
    for object in storage.list(kind.folder()).await? {
        let name = object.name.rsplit('/').next().unwrap_or_default();
        match name.parse() {
            Ok(id) => {
                files.push(ListedFile { id, size: object.size, modified: object.modified });
            }
            Err(_) => tracing::debug!(object = object.name, "object is not of the repository"),
        }
    }
    Ok(files)
}
