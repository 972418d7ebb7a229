//! Objects as they are stored, for whoever wants to see what is in a repository.

use bytes::Bytes;
use lockgate_types::{Digest, EntryPath};

use crate::check::list_packs;
use crate::error::{Error, ErrorKind, Result};
use crate::format::BlobKind;
use crate::identifier;
use crate::layout::{self, FileKind, pack_name};
use crate::open::Repository;
use crate::read::Reader;

/// What an [`Object`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// The file `config`, of which there is one.
    Config,
    /// A file in `snapshots/`.
    Snapshot,
    /// A file in `index/`.
    Index,
    /// A file in `keys/`: the master key in it stays sealed.
    Key,
    /// A file in `locks/`.
    Lock,
    /// A file in `data/`, as it is stored.
    Pack,
    /// The plain bytes of a blob of either kind.
    Blob,
    /// The JSON of a folder.
    Tree,
}

/// An object of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its name; of the config, the repository's.
    pub id: Digest,
    /// JSON, of packs and blobs the bytes.
    pub bytes: Bytes,
    /// Whether the bytes are what the name says. Only a pack is given without that.
    pub is_intact: bool,
}

impl ObjectKind {
    /// Whether the bytes are JSON.
    #[must_use]
    pub fn is_json(self) -> bool {
        !matches!(self, Self::Pack | Self::Blob)
    }

    fn file(self) -> Option<FileKind> {
        match self {
            Self::Snapshot => Some(FileKind::Snapshot),
            Self::Index => Some(FileKind::Index),
            Self::Key => Some(FileKind::Key),
            Self::Lock => Some(FileKind::Lock),
            Self::Config | Self::Pack | Self::Blob | Self::Tree => None,
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Snapshot => "snapshot",
            Self::Index => "index",
            Self::Key => "key",
            Self::Lock => "lock",
            Self::Pack => "pack",
            Self::Blob => "blob",
            Self::Tree => "tree",
        }
    }
}

impl Repository {
    /// The names of all objects of a kind, sorted.
    ///
    /// # Errors
    /// `Storage`; `Corrupt` when blobs are asked for and an index cannot be read.
    pub async fn objects(&self, kind: ObjectKind) -> Result<Vec<Digest>> {
        let mut ids: Vec<Digest> = match (kind, kind.file()) {
            (_, Some(file)) => self.list_files(file).await?.iter().map(|file| file.id).collect(),
            (ObjectKind::Pack, _) => list_packs(self, drop).await?.into_keys().collect(),
            (ObjectKind::Config, _) => vec![self.config_id()?],
            (_, None) => {
                let index = self.load_index().await?;
                let trees = index.ids(BlobKind::Tree);
                match kind {
                    ObjectKind::Tree => trees.collect(),
                    _ => trees.chain(index.ids(BlobKind::Data)).collect(),
                }
            }
        };
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// The object that `selector` names: the first digits of its id; of snapshots also `latest`; of trees also a snapshot,
    /// or a folder in one as `SNAPSHOT:PATH`. Of the config it is not looked at.
    ///
    /// # Errors
    /// `NotFound`, `Ambiguous`, `Corrupt`, `Storage`.
    pub async fn object(&self, kind: ObjectKind, selector: &str) -> Result<Object> {
        match kind {
            ObjectKind::Config => Ok(intact(self.config_id()?, self.config().print())),
            ObjectKind::Pack => self.pack(selector).await,
            ObjectKind::Blob => {
                let reader = self.reader().await?;
                let (kind, id) = find_blob(&reader, selector)?;
                Ok(intact(id, reader.lone_blob(kind, id).await?))
            }
            ObjectKind::Tree => self.tree_of(selector).await,
            ObjectKind::Snapshot | ObjectKind::Index | ObjectKind::Key | ObjectKind::Lock => {
                self.file(kind, selector).await
            }
        }
    }

    async fn file(&self, kind: ObjectKind, selector: &str) -> Result<Object> {
        let Some(file_kind) = kind.file() else {
            return Err(Error::new(ErrorKind::Invalid, format!("a {} is no file", kind.noun())));
        };
        let prefix = match kind {
            ObjectKind::Snapshot => self.snapshot(selector).await?.id.to_string(),
            _ => selector.to_owned(),
        };
        let files = self.list_files(file_kind).await?;
        let id = identifier::find(kind.noun(), files.iter().map(|file| file.id), &prefix)?;
        let name = file_kind.name(&id);
        if kind == ObjectKind::Key {
            let json = self.storage().get(&name).await?;
            if layout::digest(&json) != id {
                return Err(Error::corrupt(format!("file {name}"), "its SHA-256 is not its name"));
            }
            return Ok(Object { id, bytes: json, is_intact: true });
        }
        let file = files.into_iter().find(|file| file.id == id);
        let file =
            file.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no file {name}")))?;
        Ok(intact(id, self.load_file(file_kind, file).await?))
    }

    async fn pack(&self, selector: &str) -> Result<Object> {
        let packs = list_packs(self, drop).await?;
        let id = identifier::find("pack", packs.into_keys(), selector)?;
        let bytes = self.storage().get(&pack_name(&id)).await?;
        let hashed = bytes.clone();
        let is_intact = layout::off_reactor(move || layout::digest(&hashed) == id).await;
        Ok(Object { id, bytes, is_intact })
    }

    async fn tree_of(&self, selector: &str) -> Result<Object> {
        let reader = self.reader().await?;
        let id = match selector.split_once(':') {
            Some((snapshot, path)) => self.folder_of(&reader, snapshot, path).await?,
            None if selector.starts_with("latest") => self.snapshot(selector).await?.tree,
            None => match identifier::find("tree", reader.index().ids(BlobKind::Tree), selector) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.snapshot(selector).await.map_err(|_| error)?.tree
                }
                found => found?,
            },
        };
        Ok(intact(id, reader.lone_blob(BlobKind::Tree, id).await?))
    }

    async fn folder_of(&self, reader: &Reader, snapshot: &str, path: &str) -> Result<Digest> {
        let snapshot = self.snapshot(snapshot).await?;
        let invalid = |error| Error::new(ErrorKind::Invalid, format!("{path:?}: {error}"));
        let path = EntryPath::try_from(path.trim_matches('/')).map_err(invalid)?;
        reader.folder_tree(&snapshot.tree, &path).await?.ok_or_else(|| {
            let text = format!("snapshot {} has no folder {path}", snapshot.id.short());
            Error::new(ErrorKind::NotFound, text)
        })
    }

    fn config_id(&self) -> Result<Digest> {
        self.id().parse().map_err(|error| Error::corrupt("file config", error))
    }
}

/// The blob of either kind whose name begins so.
pub(crate) fn find_blob(reader: &Reader, prefix: &str) -> Result<(BlobKind, Digest)> {
    let index = reader.index();
    let all = index.ids(BlobKind::Data).chain(index.ids(BlobKind::Tree));
    let id = identifier::find("blob", all, prefix)?;
    let kind = match index.locate(BlobKind::Data, &id) {
        Some(_) => BlobKind::Data,
        None => BlobKind::Tree,
    };
    Ok((kind, id))
}

fn intact(id: Digest, bytes: Vec<u8>) -> Object {
    Object { id, bytes: bytes.into(), is_intact: true }
}
