use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use lockgate_types::Timestamp;
use opendal::EntryMode;

use crate::error::{Error, ErrorKind};
use crate::layers::{self, Layered};
use crate::local::{Folder, blocking};
use crate::options::{StorageOptions, Tuning};
use crate::pace::Pace;
use crate::read_buffers::{ReadBuffers, joined};
use crate::services::Made;
use crate::url::StorageUrl;
use crate::{limits, listing, name, services, transport};

/// One place that holds named, write-once objects. Cheap to clone; clones share connections and limits.
#[derive(Clone, Debug)]
pub struct Storage {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    operators: Layered,
    /// Where the location is a folder of this machine.
    folder: Option<Arc<Folder>>,
    read_buffers: Arc<ReadBuffers>,
    /// What happens to the calls that go past the layers.
    #[cfg(feature = "fault")]
    faults: Option<crate::fault::Faults>,
    tuning: Tuning,
    upload: Option<Pace>,
    download: Option<Pace>,
    location: String,
    scheme: &'static str,
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// The full name, for example `data/ab/abcd…`.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// When it was stored, by the clock of the storage; none where the storage does not tell. To be compared with the times
    /// of other objects of the same storage and with nothing else.
    pub modified: Option<Timestamp>,
}

impl Storage {
    /// Prepares the way to a location. Nothing is read or written yet, and nothing has to be there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidUrl`] when the location or an option is wrong.
    pub fn open(url: &StorageUrl, options: &StorageOptions) -> Result<Self, Error> {
        Self::open_over(url, options, |operator| operator)
    }

    /// The same, with something between the service and the layers.
    pub(crate) fn open_over(
        url: &StorageUrl,
        options: &StorageOptions,
        between: impl FnOnce(opendal::Operator) -> opendal::Operator,
    ) -> Result<Self, Error> {
        let location = url.to_string();
        let mut tuning = options.tuning(&location)?;
        if listing::is_consistent(url, options) {
            tuning.consistent_listings.get_or_insert(true);
        }
        let scheme = url.scheme();
        let Made { mut operator, folder } = services::operator(url, options)?;
        // The system's certificates are read for it, which takes longer than many a command on a folder.
        if services::is_remote(scheme) {
            let transport = transport::transport(&location, &tuning)?;
            let context = operator.base_context().with_http_transport(transport);
            operator = operator.with_context(context);
        }
        let operators = layers::layered(between(operator), &tuning);
        let (upload, download) =
            (tuning.upload_speed.map(Pace::new), tuning.download_speed.map(Pace::new));
        let inner = Inner {
            operators,
            folder,
            read_buffers: Arc::default(),
            #[cfg(feature = "fault")]
            faults: None,
            tuning,
            upload,
            download,
            location,
            scheme,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The location, safe to print.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.inner.location
    }

    pub(crate) fn scheme(&self) -> &'static str {
        self.inner.scheme
    }

    /// Makes the location's own folder and `folders` in it, durably; does nothing on services without folders. Folders that
    /// are there are left as they are.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub async fn create_folders(&self, folders: &[&str]) -> Result<(), Error> {
        for folder in folders {
            self.check_name("create", folder)?;
        }
        // OpenDAL would make up folders as objects whose names end with `/`.
        if !services::has_folders(self.scheme()) {
            return Ok(());
        }
        self.create_folder("/").await?;
        // Parents first: a folder and what it holds must not be made at the same time.
        let deepest = folders.iter().map(|folder| folder.matches('/').count()).max().unwrap_or(0);
        for depth in 0..=deepest {
            let level: Vec<String> = folders
                .iter()
                .filter(|folder| folder.matches('/').count() == depth)
                .map(|folder| format!("{folder}/"))
                .collect();
            futures::stream::iter(level)
                .map(Ok)
                .try_for_each_concurrent(limits::FOLDERS_AT_A_TIME, |folder| async move {
                    self.create_folder(&folder).await
                })
                .await?;
        }
        Ok(())
    }

    async fn create_folder(&self, folder: &str) -> Result<(), Error> {
        let name = (folder != "/").then_some(folder);
        self.reads().create_dir(folder).await.map_err(|error| self.error("create", name, error))
    }

    /// Reads a whole object.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it is not there, [`ErrorKind::Corrupt`] when it is larger than 1 GiB.
    pub async fn get(&self, name: &str) -> Result<Bytes, Error> {
        self.check_name("read", name)?;
        let failed = |error| self.error("read", Some(name), error);
        let reader = self.reads().reader(name).await.map_err(failed)?;
        let mut stream = reader.into_bytes_stream(..).await.map_err(failed)?;
        let mut pieces = Pieces::default();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|error| failed(of_stream(error)))?;
            self.pace_download(piece.len() as u64).await;
            pieces.push(piece);
            if pieces.size > limits::OBJECT_BYTES_MAX {
                let cause = "it is larger than 1 GiB, the most that an object may have";
                return Err(self.own_error(ErrorKind::Corrupt, "read", name, cause));
            }
        }
        Ok(pieces.into_bytes())
    }

    /// Reads `range` of an object: exactly that many bytes.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the object is not there, [`ErrorKind::Corrupt`] when it ends before the range does.
    pub async fn get_range(&self, name: &str, range: Range<u64>) -> Result<Bytes, Error> {
        self.check_name("read", name)?;
        let wanted = range.end.saturating_sub(range.start);
        if wanted == 0 {
            return Ok(Bytes::new());
        }
        if wanted > limits::OBJECT_BYTES_MAX {
            let cause = "more than 1 GiB was asked for at once";
            return Err(self.own_error(ErrorKind::Unsupported, "read", name, cause));
        }
        self.pace_download(wanted).await;
        let read = self.reads().read_with(name).range(range.clone()).await;
        let bytes = match read {
            Ok(parts) => joined(&self.inner.read_buffers, parts),
            Err(error)
                if error.message().contains("too little data")
                    && self.ends_before(name, range.end).await =>
            {
                // OpenDAL tells it in no other way.
                let cause = format!("it ends before byte {}", range.end);
                return Err(self.own_error(ErrorKind::Corrupt, "read", name, cause));
            }
            Err(error) => return Err(self.error("read", Some(name), error)),
        };
        if bytes.len() as u64 != wanted {
            let cause =
                format!("got {} of the {wanted} bytes from {} on", bytes.len(), range.start);
            return Err(self.own_error(ErrorKind::Corrupt, "read", name, cause));
        }
        Ok(bytes)
    }

    /// A short answer may come from a broken connection or from a short object.
    async fn ends_before(&self, name: &str, end: u64) -> bool {
        self.reads().stat(name).await.is_ok_and(|metadata| metadata.content_length() < end)
    }

    /// Names every object in `folder` and below, in the order of their names; all of them for an empty `folder`.
    ///
    /// # Errors
    /// Whatever goes wrong on the way: a listing is complete or it is an error. [`ErrorKind::NotFound`] when the folder is
    /// not there, or on services without folders, when there is nothing at the whole location; so that a disk which is not
    /// mounted never looks like an empty repository.
    pub async fn list(&self, folder: &str) -> Result<Vec<Object>, Error> {
        let path = if folder.is_empty() {
            "/".to_owned()
        } else {
            self.check_name("list", folder)?;
            format!("{folder}/")
        };
        let failed = |error| self.error("list", Some(&path), error);
        let mut lister = self.reads().lister_with(&path).recursive(true).await.map_err(failed)?;
        let (mut objects, mut first) = (Vec::new(), None);
        while let Some(entry) = lister.try_next().await.map_err(failed)? {
            // A server that says that there is more and not where gives the same names for ever.
            if first.as_deref() == Some(entry.path()) {
                let cause = "the listing begins anew before its end";
                return Err(self.own_error(ErrorKind::Unreachable, "list", &path, cause));
            }
            first.get_or_insert_with(|| entry.path().to_owned());
            if entry.metadata().mode() != EntryMode::DIR && name::fault(entry.path()).is_some() {
                // Not an object of ours, nor one that could be asked for.
                tracing::debug!(name = %entry.path().escape_debug(), "storage: left out of a listing");
                continue;
            }
            let metadata = match entry.metadata().mode() {
                EntryMode::DIR => continue,
                EntryMode::FILE => entry.metadata().clone(),
                // A service that lists names only.
                EntryMode::Unknown => self.reads().stat(entry.path()).await.map_err(failed)?,
            };
            if metadata.is_dir() {
                continue;
            }
            objects.push(Object {
                name: entry.path().to_owned(),
                size: metadata.content_length(),
                modified: metadata.last_modified().map(timestamp),
            });
            if objects.len() > limits::LISTED_OBJECTS_MAX {
                let cause = "it has more than 12 million objects";
                return Err(self.own_error(ErrorKind::Unsupported, "list", &path, cause));
            }
        }
        if objects.is_empty() && self.inner.scheme != services::FS {
            self.check_that_something_is_here(folder).await?;
        }
        objects.sort_unstable();
        Ok(objects)
    }

    async fn check_that_something_is_here(&self, folder: &str) -> Result<(), Error> {
        let failed = |error| self.error("list", None, error);
        let mut lister =
            self.reads().lister_with("/").recursive(true).limit(1).await.map_err(failed)?;
        match lister.try_next().await.map_err(failed)? {
            Some(_) => Ok(()),
            None => {
                let cause = "nothing is stored at this location";
                Err(self.own_error(ErrorKind::NotFound, "list", folder, cause))
            }
        }
    }

    /// Whether a listing of `folder` is known to show all that anybody stored before it began; so of two who each store an
    /// object and then list, at least one sees the other's. True on the file systems of this machine, where the service
    /// promises it, and where the option `consistent-listings` says so.
    pub async fn lists_at_once(&self, folder: &str) -> bool {
        if let Some(is_consistent) = self.inner.tuning.consistent_listings {
            return is_consistent;
        }
        let Some(local) = self.folder() else { return false };
        let folder = folder.to_owned();
        blocking(local, move |local| local.is_kept_here(&folder)).await.unwrap_or(false)
    }

    /// The size of an object in bytes.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when it is not there.
    pub async fn size(&self, name: &str) -> Result<u64, Error> {
        self.check_name("look at", name)?;
        let failed = |error| self.error("look at", Some(name), error);
        let metadata = match self.reads().stat(name).await {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == opendal::ErrorKind::NotFound => {
                return Err(self.why_missing(name, failed(error)).await);
            }
            Err(error) => return Err(failed(error)),
        };
        if metadata.is_dir() {
            return Err(self.own_error(ErrorKind::NotFound, "look at", name, "it is a folder"));
        }
        Ok(metadata.content_length())
    }

    /// HTTP gives no reason when it is asked for a size; asked for bytes, it tells a missing object from a missing bucket
    /// or a wrong key.
    async fn why_missing(&self, name: &str, missing: Error) -> Error {
        if services::has_folders(self.scheme()) {
            return missing;
        }
        match self.get_range(name, 0..1).await {
            Err(error) if error.kind() != ErrorKind::Corrupt => error,
            _ => missing,
        }
    }

    /// Deletes an object, durably. One that is not there is not an error.
    ///
    /// # Errors
    /// When it may still be there; when the whole location is not there.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        self.check_name("delete", name)?;
        self.reads().delete(name).await.map_err(|error| self.error("delete", Some(name), error))
    }

    /// Bytes that the storage keeps of an object although it was deleted: its older versions, in a bucket that has versions. 0
    /// when it keeps nothing, none when it does not tell.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn kept_of_deleted(&self, name: &str) -> Result<Option<u64>, Error> {
        self.check_name("list", name)?;
        if !self.reads().info().capability().list_with_versions {
            return Ok(None);
        }
        let failed = |error| self.error("list the versions of", Some(name), error);
        let mut lister = self.reads().lister_with(name).versions(true).await.map_err(failed)?;
        let (mut bytes, mut count) = (0, 0);
        while let Some(entry) = lister.try_next().await.map_err(failed)? {
            count += 1;
            // Objects have few versions, and few names begin with the name of another.
            if count > limits::VERSIONS_MAX {
                break;
            }
            if entry.path() == name && !entry.metadata().is_deleted() {
                bytes += entry.metadata().content_length();
            }
        }
        Ok(Some(bytes))
    }

    async fn pace_download(&self, bytes: u64) {
        if let Some(pace) = &self.inner.download {
            pace.pass(bytes).await;
        }
    }

    /// Waits until the line has room for an object of that many bytes.
    pub(crate) async fn pace_upload(&self, bytes: u64) {
        if let Some(pace) = &self.inner.upload {
            pace.pass(bytes).await;
        }
    }

    fn reads(&self) -> &opendal::Operator {
        &self.inner.operators.reads
    }

    pub(crate) fn writes(&self) -> &opendal::Operator {
        &self.inner.operators.writes
    }

    pub(crate) fn has_conditional_writes(&self) -> bool {
        self.inner.tuning.conditional_writes
            && self.writes().info().capability().write_with_if_not_exists
    }

    pub(crate) fn folder(&self) -> Option<&Arc<Folder>> {
        self.inner.folder.as_ref()
    }

    #[cfg(feature = "fault")]
    pub(crate) fn faults(&self) -> Option<&crate::fault::Faults> {
        self.inner.faults.as_ref()
    }

    /// For a storage that nobody else has yet.
    #[cfg(feature = "fault")]
    pub(crate) fn with_faults(mut self, faults: crate::fault::Faults) -> Self {
        let inner = Arc::get_mut(&mut self.inner).expect("nobody else has it yet");
        inner.faults = Some(faults);
        self
    }

    pub(crate) fn has_upload_speed(&self) -> bool {
        self.inner.upload.is_some()
    }

    /// For one upload.
    pub(crate) fn write_timeout(&self) -> Duration {
        self.inner.tuning.write_timeout
    }

    pub(crate) fn retries(&self) -> usize {
        self.inner.tuning.retries
    }

    pub(crate) fn check_name(&self, action: &'static str, name: &str) -> Result<(), Error> {
        match name::fault(name) {
            None => Ok(()),
            Some(fault) => {
                let cause = format!("the name is not one of an object: {fault}");
                Err(self.own_error(ErrorKind::Unsupported, action, name, cause))
            }
        }
    }

    pub(crate) fn error(
        &self,
        action: &'static str,
        name: Option<&str>,
        error: opendal::Error,
    ) -> Error {
        Error::of_operation(action, self.location(), name, error)
    }

    pub(crate) fn own_error(
        &self,
        kind: ErrorKind,
        action: &'static str,
        name: &str,
        cause: impl Into<String>,
    ) -> Error {
        let error = Error::new(kind, action, self.location(), cause);
        if name.is_empty() { error } else { error.with_name(name) }
    }
}

fn timestamp(time: opendal::raw::Timestamp) -> Timestamp {
    let time = time.into_inner();
    // jiff rounds towards zero; a timestamp rounds down.
    let borrow = i64::from(time.subsec_nanosecond() < 0);
    let nanoseconds = i64::from(time.subsec_nanosecond()) + borrow * 1_000_000_000;
    let nanoseconds = u32::try_from(nanoseconds).unwrap_or(0);
    Timestamp { seconds: time.as_second() - borrow, nanoseconds }
}

/// An error of a stream of bytes, which OpenDAL wraps into one of the system.
fn of_stream(error: std::io::Error) -> opendal::Error {
    let kind = error.kind();
    match error.into_inner().map(|inner| inner.downcast::<opendal::Error>()) {
        Some(Ok(error)) => *error,
        Some(Err(error)) => opendal::Error::new(opendal::ErrorKind::Unexpected, error.to_string()),
        None => opendal::Error::new(opendal::ErrorKind::Unexpected, kind.to_string()),
    }
}

/// The pieces of a download; one piece is handed on without a copy.
#[derive(Default)]
struct Pieces {
    pieces: Vec<Bytes>,
    size: u64,
}

impl Pieces {
    fn push(&mut self, piece: Bytes) {
        self.size += piece.len() as u64;
        self.pieces.push(piece);
    }

    fn into_bytes(mut self) -> Bytes {
        if self.pieces.len() == 1 {
            return self.pieces.pop().unwrap_or_default();
        }
        self.pieces.concat().into()
    }
}
