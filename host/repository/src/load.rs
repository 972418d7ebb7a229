//! Many small files at a time: fetched side by side, opened and read beside the reactor.

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use lockgate_types::Digest;

use crate::error::Result;
use crate::format::{IndexFile, LockFile, Snapshot};
use crate::layout::{FileKind, ListedFile, off_reactor};
use crate::{limits, open::Repository};

/// What is kept as the JSON of a file of its own.
pub(crate) trait FromFile: Sized + Send + 'static {
    const KIND: FileKind;

    /// Reads the JSON of the file `id`.
    fn from_file(id: Digest, json: &[u8]) -> Result<Self>;
}

impl FromFile for IndexFile {
    const KIND: FileKind = FileKind::Index;

    fn from_file(id: Digest, json: &[u8]) -> Result<Self> {
        Self::parse(json).map_err(|error| error.at(format_args!("file index/{id}")))
    }
}

impl FromFile for Snapshot {
    const KIND: FileKind = FileKind::Snapshot;

    fn from_file(id: Digest, json: &[u8]) -> Result<Self> {
        Self::parse(id, json)
    }
}

impl FromFile for LockFile {
    const KIND: FileKind = FileKind::Lock;

    fn from_file(_: Digest, json: &[u8]) -> Result<Self> {
        Self::parse(json)
    }
}

impl Repository {
    /// What `file` says.
    pub(crate) async fn load<T: FromFile>(&self, file: ListedFile) -> Result<T> {
        let stored = self.fetch_file(T::KIND, file).await?;
        self.read_file(file.id, stored).await
    }

    /// What each of `files` says, in any order. At most [`limits::LOADS_AT_A_TIME`] are on their way; as many as there are
    /// CPUs are opened at the same time, because an index is several times as large then.
    pub(crate) fn load_all<T: FromFile>(
        &self,
        files: Vec<ListedFile>,
    ) -> impl Stream<Item = (Digest, Result<T>)> + Send {
        stream::iter(files)
            .map(move |file| async move { (file.id, self.fetch_file(T::KIND, file).await) })
            .buffer_unordered(limits::LOADS_AT_A_TIME)
            .map(move |(id, fetched)| async move {
                match fetched {
                    Ok(stored) => (id, self.read_file(id, stored).await),
                    Err(error) => (id, Err(error)),
                }
            })
            .buffer_unordered(limits::cpus())
    }

    /// Hands what each of `files` says to `take` as it comes, in any order. The first that cannot be read ends it.
    pub(crate) async fn load_files<T: FromFile>(
        &self,
        files: Vec<ListedFile>,
        mut take: impl FnMut(Digest, T) -> Result<()>,
    ) -> Result<()> {
        let mut loads = std::pin::pin!(self.load_all(files));
        while let Some((id, loaded)) = loads.next().await {
            take(id, loaded?)?;
        }
        Ok(())
    }

    async fn read_file<T: FromFile>(&self, id: Digest, stored: Bytes) -> Result<T> {
        let repository = self.clone();
        off_reactor(move || T::from_file(id, &repository.open_file(T::KIND, &id, &stored)?)).await
    }
}
