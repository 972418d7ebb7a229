//! Objects that are written before they have a name: bytes that are named by their own digest need not wait in memory until it
//! is known.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Error;
use crate::local::{Folder, UnnamedFile, blocking, of_io};
use crate::put::Attempt;
use crate::storage::Storage;

/// An object without a name. Nobody sees it before [`Draft::finish`]; dropped before, it leaves nothing.
#[derive(Debug)]
pub struct Draft {
    storage: Storage,
    folder: Arc<Folder>,
    file: Arc<UnnamedFile>,
}

impl Storage {
    /// Begins an object that will get its name in `folder` or below. None where objects are sent as a whole: everywhere but in
    /// folders of this machine, and there when uploads have a limit of speed or the file system has no files without names.
    ///
    /// Waits for the disk.
    ///
    /// # Errors
    /// As [`Storage::put`].
    pub fn draft(&self, folder: &str) -> Result<Option<Draft>, Error> {
        self.check_name("write", folder)?;
        let Some(local) = self.folder().filter(|_| !self.has_upload_speed()) else {
            return Ok(None);
        };
        let file = UnnamedFile::create(local, folder).map_err(|error| self.of_io(folder, error))?;
        let draft =
            |file| Draft { storage: self.clone(), folder: Arc::clone(local), file: Arc::new(file) };
        Ok(file.map(draft))
    }

    fn of_io(&self, name: &str, error: std::io::Error) -> Error {
        self.error("write", Some(name), of_io(error))
    }
}

impl Draft {
    /// Hands the next bytes to the system, which may make it wait for the disk.
    ///
    /// # Errors
    /// As [`Storage::put`]. The draft is of no use then.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let file = Arc::get_mut(&mut self.file).expect("only `finish` shares the file");
        file.append(bytes).map_err(|error| self.storage.of_io("a new object", error))
    }

    /// Gives the object its name. When it returns, the object is durable and complete.
    ///
    /// # Errors
    /// As [`Storage::put`].
    pub async fn finish(self, name: &str) -> Result<(), Error> {
        self.storage.check_name("write", name)?;
        let mut tries = self.storage.tries();
        loop {
            let failure = match self.attempt(name).await {
                Attempt::Done => return Ok(()),
                Attempt::Taken => return Err(self.storage.taken(name)),
                Attempt::Failed(error) => {
                    return Err(self.storage.error("write", Some(name), error));
                }
                Attempt::Unknown(error) => error,
            };
            if !tries.again(name, &failure).await {
                return self.settle(name, failure).await;
            }
        }
    }

    async fn attempt(&self, name: &str) -> Attempt {
        let (file, path) = (Arc::clone(&self.file), name.to_owned());
        let call = blocking(&self.folder, move |folder| file.give_name(folder, &path));
        let limit = self.storage.write_timeout();
        match tokio::time::timeout(limit, faulty(&self.storage, call)).await {
            Ok(Ok(())) => Attempt::Done,
            Ok(Err(error)) => Attempt::of(error),
            Err(_) => Attempt::Unknown(timed_out(limit)),
        }
    }

    /// After the last attempt: the object may have its name all the same.
    async fn settle(&self, name: &str, failure: opendal::Error) -> Result<(), Error> {
        let (file, path) = (Arc::clone(&self.file), name.to_owned());
        let look = blocking(&self.folder, move |folder| file.has_name(folder, &path));
        match look.await {
            Ok(true) => Ok(()),
            // What happened to the object says more than what happened to the question.
            _ => Err(self.storage.error("write", Some(name), failure)),
        }
    }
}

/// In the words of the layer that ends other uploads.
fn timed_out(limit: Duration) -> opendal::Error {
    opendal::Error::new(opendal::ErrorKind::Unexpected, "io timeout reached")
        .with_context("timeout", limit.as_secs_f64().to_string())
        .set_temporary()
}

/// `call`, which goes past the layers, with what tests planned for it.
#[cfg(feature = "fault")]
async fn faulty(
    storage: &Storage,
    call: impl Future<Output = opendal::Result<()>>,
) -> opendal::Result<()> {
    match storage.faults() {
        Some(faults) => faults.around(crate::fault::Operation::Put, call).await,
        None => call.await,
    }
}

#[cfg(not(feature = "fault"))]
async fn faulty(
    _: &Storage,
    call: impl Future<Output = opendal::Result<()>>,
) -> opendal::Result<()> {
    call.await
}
