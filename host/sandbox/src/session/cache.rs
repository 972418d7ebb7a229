//! Compiled plugins on disk. Loading one is what makes a plugin ready within milliseconds; compiling takes a worker.
//!
//! The name of a file is the component's digest and the engine's hash, so a new version of the runtime finds nothing and
//! compiles anew. Beside the code lies its tag under the cache's key: what the host did not write itself, and what a disk has
//! changed, is not loaded. The folder belongs to the user alone, and no worker can write to it.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lockgate_trust::Admitted;
use lockgate_types::Digest;
use rustix::fs::{
    AtFlags, Dir, MemfdFlags, Mode, OFlags, RawMode, fchmod, fstat, memfd_create, openat, renameat,
    statat, unlinkat,
};
use rustix::io::Errno;

use super::cache_key::CacheKey;
use super::launch::compile;
use super::process::WorkerCommand;
use crate::error::{Error, ErrorKind};
use crate::limits::{CODE_BYTES_MAX, COMPILE_TIMEOUT};

/// Tells the temporary files of one process apart.
static TEMPORARY: AtomicU64 = AtomicU64::new(0);
/// What their names begin with.
const TEMPORARY_PREFIX: &str = ".new-";

/// A folder of compiled plugins.
#[derive(Clone, Debug)]
pub struct CodeCache {
    folder: PathBuf,
}

/// A plugin whose code is ready to be loaded.
#[derive(Debug)]
pub struct CompiledPlugin {
    admitted: Admitted,
    cache: CodeCache,
    worker: WorkerCommand,
    code: Mutex<Arc<File>>,
    was_cached: bool,
}

impl CodeCache {
    /// Uses `folder`, which is made when it is needed.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The code of a plugin: from the folder when a whole copy is there, else compiled in a worker and stored.
    ///
    /// # Errors
    /// When the folder cannot be used or the component does not compile.
    pub fn load(
        &self,
        admitted: &Admitted,
        worker: &WorkerCommand,
    ) -> Result<CompiledPlugin, Error> {
        let folder = self.open_folder()?;
        let name = file_name(&admitted.digest)?;
        let (code, was_cached) = match self.find(&folder, &name)? {
            Some(code) => (code, true),
            None => (self.make(&folder, &name, admitted, worker)?, false),
        };
        Ok(CompiledPlugin {
            admitted: admitted.clone(),
            cache: self.clone(),
            worker: worker.clone(),
            code: Mutex::new(Arc::new(code)),
            was_cached,
        })
    }

    /// Opens the folder and checks that nobody else can write into it.
    fn open_folder(&self) -> Result<OwnedFd, Error> {
        let fault = |error: io::Error| {
            Error::io(&format!("use the code cache {}", self.folder.display()), error)
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).map_err(fault)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::open(&self.folder, flags, Mode::empty())
            .map_err(|errno| fault(errno.into()))?;
        let status = fstat(&folder).map_err(|errno| fault(errno.into()))?;
        if status.st_uid != rustix::process::geteuid().as_raw() {
            let detail =
                format!("the code cache {} belongs to another user", self.folder.display());
            return Err(Error::new(ErrorKind::Io, detail)
                .with_hint("choose a folder that belongs to the user who runs lockgate"));
        }
        if RawMode::from(status.st_mode as u16) & 0o077 != 0 {
            fchmod(&folder, Mode::RWXU).map_err(|errno| fault(errno.into()))?;
        }
        Ok(folder)
    }

    fn find(&self, folder: &OwnedFd, name: &str) -> Result<Option<File>, Error> {
        let fault =
            |error| Error::io(&format!("read compiled code from {}", self.folder.display()), error);
        let Some(code) = open(folder, &format!("{name}.code")).map_err(fault)? else {
            return Ok(None);
        };
        let mut claimed = Vec::new();
        if let Some(mut tag) = open(folder, &format!("{name}.tag")).map_err(fault)? {
            Read::by_ref(&mut tag).take(128).read_to_end(&mut claimed).map_err(fault)?;
        }
        let key = CacheKey::open(folder).map_err(fault)?;
        if key.fits(name, &code, &claimed).map_err(fault)? {
            return Ok(Some(code));
        }
        tracing::warn!(
            folder = %self.folder.display(),
            name,
            "compiled code is damaged, or was not made here, and is made anew"
        );
        Ok(None)
    }

    /// Compiles and stores. The worker gets memory to read and memory to write, and no file of the cache. The code's tag is
    /// stored after the code: without it the code counts as damaged.
    fn make(
        &self,
        folder: &OwnedFd,
        name: &str,
        admitted: &Admitted,
        worker: &WorkerCommand,
    ) -> Result<File, Error> {
        let fault =
            |error| Error::io(&format!("store compiled code in {}", self.folder.display()), error);
        sweep(folder).map_err(fault)?;
        let component = memory("component").map_err(fault)?;
        component.write_all_at(&admitted.component, 0).map_err(fault)?;
        let output = memory("code").map_err(fault)?;
        compile(worker, component.as_fd(), output.as_fd())?;
        publish(folder, output, name).map_err(fault)?;
        // A descriptor that cannot write, so that no worker can change what the next one loads.
        match open(folder, &format!("{name}.code")).map_err(fault)? {
            Some(code) => Ok(code),
            None => Err(fault(io::ErrorKind::NotFound.into())),
        }
    }
}

impl CompiledPlugin {
    /// SHA-256 of the component.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.admitted.digest
    }

    /// Whether the code was found in the cache.
    #[must_use]
    pub fn was_cached(&self) -> bool {
        self.was_cached
    }

    /// Where the code is kept.
    pub(super) fn folder(&self) -> &Path {
        &self.cache.folder
    }

    /// The code, open for reading.
    pub(super) fn code(&self) -> Arc<File> {
        Arc::clone(&self.code.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Compiles again after a worker refused to load the code.
    pub(super) fn renew(&self) -> Result<(), Error> {
        let folder = self.cache.open_folder()?;
        let name = file_name(&self.admitted.digest)?;
        let code = self.cache.make(&folder, &name, &self.admitted, &self.worker)?;
        *self.code.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(code);
        Ok(())
    }
}

fn file_name(digest: &Digest) -> Result<String, Error> {
    // Asked once: making an engine takes longer than all the rest of a load.
    static ENGINE: OnceLock<u64> = OnceLock::new();
    let engine = match ENGINE.get() {
        Some(engine) => *engine,
        None => {
            let engine = crate::worker::engine_hash().map_err(|error| {
                let detail = format!("this machine cannot run plugins: {error}");
                Error::new(ErrorKind::Compile, detail)
            })?;
            *ENGINE.get_or_init(|| engine)
        }
    };
    Ok(format!("{digest}-{engine:016x}"))
}

fn open(folder: &OwnedFd, name: &str) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => {
            let file = File::from(file);
            Ok(file.metadata()?.is_file().then_some(file))
        }
        Err(Errno::NOENT | Errno::LOOP) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// A new file under a name of its own.
fn create(folder: &OwnedFd) -> io::Result<(File, String)> {
    let number = TEMPORARY.fetch_add(1, Ordering::Relaxed);
    let name = format!("{TEMPORARY_PREFIX}{}-{number}", std::process::id());
    // What a process of the same number left behind when it was killed.
    let _ = unlinkat(folder, &name, AtFlags::empty());
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, &name, flags, Mode::RUSR | Mode::WUSR)?;
    Ok((file.into(), name))
}

/// Removes what processes left behind that were killed while they compiled.
fn sweep(folder: &OwnedFd) -> io::Result<()> {
    let now = SystemTime::now();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_bytes().starts_with(TEMPORARY_PREFIX.as_bytes()) {
            continue;
        }
        let Ok(status) = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let changed = UNIX_EPOCH + Duration::from_secs(u64::try_from(status.st_mtime).unwrap_or(0));
        if now.duration_since(changed).is_ok_and(|age| age > 2 * COMPILE_TIMEOUT) {
            let _ = unlinkat(folder, name, AtFlags::empty());
        }
    }
    Ok(())
}

/// A file without a name, in memory.
fn memory(name: &str) -> io::Result<File> {
    Ok(memfd_create(name, MemfdFlags::CLOEXEC)?.into())
}

/// Stores what a worker wrote, and the tag of what was stored.
fn publish(folder: &OwnedFd, mut output: File, name: &str) -> io::Result<()> {
    let length = output.metadata()?.len();
    if length == 0 || length > CODE_BYTES_MAX {
        return Err(io::Error::other(format!("the compiled code has {length} bytes")));
    }
    let key = CacheKey::open(folder)?;
    output.rewind()?;
    let (mut code, temporary) = create(folder)?;
    let stored = io::copy(&mut output, &mut code)
        .and_then(|_| key.tag(name, &code))
        .and_then(|tag| Ok((tag, renameat(folder, &temporary, folder, format!("{name}.code"))?)));
    if stored.is_err() {
        let _ = unlinkat(folder, &temporary, AtFlags::empty());
    }
    let (tag, ()) = stored?;
    let (mut file, temporary) = create(folder)?;
    file.write_all(tag.as_ref())?;
    Ok(renameat(folder, &temporary, folder, format!("{name}.tag"))?)
}
