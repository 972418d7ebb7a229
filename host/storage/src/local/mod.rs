//! `fs:` as a service of OpenDAL that is fit for a repository: confined to its folder, objects appear whole or not at all and
//! never replace another, everything is durable when a call returns, and a folder that is missing is not an empty one.
//! (OpenDAL's own service for files syncs no folder, lets two writers both win, and lists a missing folder as empty.)
//!
//! Files are written under a temporary name, synced, and renamed with `RENAME_NOREPLACE`, or linked where the file system
//! has no such rename; then the folder is synced. All of it happens on tokio's threads for blocking work.

mod folder;
mod list;
mod new_file;
mod primitives;
mod sync;
mod turns;
mod unnamed;

use std::sync::Arc;

use opendal::raw::oio;
use opendal::raw::{
    OpCopy, OpCreateDir, OpDelete, OpList, OpPresign, OpRead, OpRename, OpStat, OpWrite,
    RpCreateDir, RpPresign, RpRead, RpRename, RpStat, Service, ServiceInfo, Timestamp,
};
use opendal::{
    Buffer, Builder, BytesRange, Capability, Error, ErrorKind, Metadata, MetadataBuilder,
    OperationContext, Result,
};

pub(crate) use folder::Folder;
pub(crate) use unnamed::UnnamedFile;

/// Makes the service for one folder.
#[derive(Debug, Default)]
pub(crate) struct LocalBuilder {
    pub(crate) folder: Arc<Folder>,
}

impl Builder for LocalBuilder {
    type Config = ();

    fn build(self) -> Result<impl Service> {
        Ok(Local { folder: self.folder })
    }
}

#[derive(Debug)]
struct Local {
    folder: Arc<Folder>,
}

impl Service for Local {
    type Reader = LocalReader;
    type Writer = oio::OneShotWriter<LocalWriter>;
    type Lister = oio::HierarchyLister<LocalLister>;
    type Deleter = oio::OneShotDeleter<LocalDeleter>;
    type Copier = ();
    type Composer = ();

    fn info(&self) -> ServiceInfo {
        ServiceInfo::new("fs", self.folder.root().display().to_string(), "")
    }

    fn capability(&self) -> Capability {
        Capability {
            stat: true,
            read: true,
            write: true,
            write_can_empty: true,
            write_with_if_not_exists: true,
            create_dir: true,
            delete: true,
            list: true,
            list_with_recursive: true,
            ..Capability::default()
        }
    }

    async fn create_dir(
        &self,
        _: &OperationContext,
        path: &str,
        _: OpCreateDir,
    ) -> Result<RpCreateDir> {
        let path = path.to_owned();
        blocking(&self.folder, move |folder| folder.create(&path)).await?;
        Ok(RpCreateDir::default())
    }

    async fn stat(&self, _: &OperationContext, path: &str, _: OpStat) -> Result<RpStat> {
        let path = path.to_owned();
        let size = blocking(&self.folder, move |folder| folder.size(&path)).await?;
        let metadata = size.map_or_else(MetadataBuilder::dir, MetadataBuilder::file);
        Ok(RpStat::new(metadata.build()))
    }

    fn read(&self, _: &OperationContext, path: &str, _: OpRead) -> Result<Self::Reader> {
        Ok(LocalReader { folder: Arc::clone(&self.folder), path: path.to_owned() })
    }

    fn write(&self, _: &OperationContext, path: &str, _: OpWrite) -> Result<Self::Writer> {
        let (folder, path) = (Arc::clone(&self.folder), path.to_owned());
        Ok(oio::OneShotWriter::new(LocalWriter { folder, path }))
    }

    fn delete(&self, _: &OperationContext) -> Result<Self::Deleter> {
        Ok(oio::OneShotDeleter::new(LocalDeleter { folder: Arc::clone(&self.folder) }))
    }

    fn list(&self, _: &OperationContext, path: &str, args: OpList) -> Result<Self::Lister> {
        let (folder, start) = (Arc::clone(&self.folder), path.to_owned());
        let lister = LocalLister { folder, start: Some(start), found: Vec::new().into_iter() };
        Ok(oio::HierarchyLister::new(lister, path, args.recursive()))
    }

    fn copy(&self, _: &OperationContext, _: &str, _: &str, _: OpCopy) -> Result<Self::Copier> {
        Err(unsupported())
    }

    async fn rename(
        &self,
        _: &OperationContext,
        _: &str,
        _: &str,
        _: OpRename,
    ) -> Result<RpRename> {
        Err(unsupported())
    }

    async fn presign(&self, _: &OperationContext, _: &str, _: OpPresign) -> Result<RpPresign> {
        Err(unsupported())
    }
}

fn unsupported() -> Error {
    Error::new(ErrorKind::Unsupported, "objects are write-once")
}

#[derive(Debug)]
struct LocalReader {
    folder: Arc<Folder>,
    path: String,
}

impl oio::Read for LocalReader {
    async fn open(&self, range: BytesRange) -> Result<(RpRead, Box<dyn oio::ReadStreamDyn>)> {
        let (answer, buffer) = self.read(range).await?;
        Ok((answer, Box::new(buffer)))
    }

    async fn read(&self, range: BytesRange) -> Result<(RpRead, Buffer)> {
        if range.is_suffix() {
            return Err(Error::new(ErrorKind::Unsupported, "a range is counted from the start"));
        }
        let path = self.path.clone();
        let bytes =
            blocking(&self.folder, move |folder| folder.read(&path, range.offset(), range.size()))
                .await?;
        if range.size().is_some_and(|wanted| wanted != bytes.len() as u64) {
            let error =
                Error::new(ErrorKind::RangeNotSatisfied, "the object ends before the range does");
            return Err(error.with_context("got", bytes.len()));
        }
        Ok((RpRead::default(), Buffer::from(bytes)))
    }
}

#[derive(Debug)]
struct LocalWriter {
    folder: Arc<Folder>,
    path: String,
}

impl oio::OneShotWrite for LocalWriter {
    async fn write_once(&self, data: Buffer) -> Result<Metadata> {
        let (path, size) = (self.path.clone(), data.len() as u64);
        blocking(&self.folder, move |folder| new_file::write(folder, &path, &data)).await?;
        Ok(MetadataBuilder::file(size).build())
    }
}

#[derive(Debug)]
struct LocalDeleter {
    folder: Arc<Folder>,
}

impl oio::OneShotDelete for LocalDeleter {
    async fn delete_once(&self, path: String, _: OpDelete) -> Result<()> {
        blocking(&self.folder, move |folder| folder.remove(&path)).await
    }
}

#[derive(Debug)]
struct LocalLister {
    folder: Arc<Folder>,
    /// Taken by the first call, which does the work.
    start: Option<String>,
    found: std::vec::IntoIter<list::Found>,
}

impl oio::List for LocalLister {
    async fn next(&mut self) -> Result<Option<oio::Entry>> {
        if let Some(start) = self.start.clone() {
            self.found = blocking(&self.folder, move |folder| list::below(folder, &start))
                .await?
                .into_iter();
            self.start = None;
        }
        Ok(self.found.next().map(|file| {
            let mut metadata = MetadataBuilder::file(file.size);
            if let Some(time) = file.modified.and_then(|time| Timestamp::try_from(time).ok()) {
                metadata.last_modified(time);
            }
            oio::Entry::new(&file.path, metadata.build())
        }))
    }
}

/// Runs what waits for the disk where it holds up nothing else. It runs to its end even when nobody waits for it any more.
pub(crate) async fn blocking<T: Send + 'static>(
    folder: &Arc<Folder>,
    work: impl FnOnce(&Folder) -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    let folder = Arc::clone(folder);
    match tokio::task::spawn_blocking(move || work(&folder)).await {
        Ok(result) => result.map_err(of_io),
        Err(error) => {
            Err(Error::new(ErrorKind::Unexpected, "the work was broken off").set_source(error))
        }
    }
}

pub(crate) fn of_io(error: std::io::Error) -> Error {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        std::io::ErrorKind::AlreadyExists => ErrorKind::ConditionNotMatch,
        std::io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        std::io::ErrorKind::Unsupported => ErrorKind::Unsupported,
        _ => ErrorKind::Unexpected,
    };
    let is_temporary = matches!(
        error.kind(),
        std::io::ErrorKind::Interrupted
            | std::io::ErrorKind::WouldBlock
            | std::io::ErrorKind::TimedOut
    );
    let error = Error::new(kind, "the file system refused it").set_source(error);
    if is_temporary { error.set_temporary() } else { error }
}
