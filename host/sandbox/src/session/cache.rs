//! Compiled plugins on disk. Loading one is what makes a plugin ready within milliseconds; compiling takes a worker.
//!
//! The name of a file is the component's digest and the engine's hash, so a new version of the runtime finds nothing and
//! compiles anew. Beside the code lies its SHA-256: code is machine code, and a flipped bit in it is not an error message.
//! The folder belongs to the user alone. Here is also the place for a keyed hash, once there is a key to keep.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lockgate_trust::Admitted;
use lockgate_types::Digest;
use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, RawMode, fchmod, fstat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use super::launch::compile;
use super::process::WorkerCommand;
use crate::error::{Error, ErrorKind};
use crate::limits::{CODE_BYTES_MAX, COMPILE_TIMEOUT};

/// Tells the temporary files of one process apart.
static TEMPORARY: AtomicU64 = AtomicU64::new(0);
/// What their names begin with.
const TEMPORARY_PREFIX: &str = ".new-";
/// How much is read at once while hashing.
const READ_BYTES: usize = 256 << 10;

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
        let Some(mut sum) = open(folder, &format!("{name}.sum")).map_err(fault)? else {
            return Ok(None);
        };
        let mut expected = String::new();
        let is_text = Read::by_ref(&mut sum).take(128).read_to_string(&mut expected).is_ok();
        let found = digest_of(&code).map_err(fault)?;
        if is_text && expected.trim() == found.to_string() {
            return Ok(Some(code));
        }
        tracing::warn!(folder = %self.folder.display(), name, "compiled code is damaged and made anew");
        Ok(None)
    }

    /// Compiles and stores. The code's hash is stored after the code: without it the code counts as damaged.
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
        let (component, unnamed) = create(folder).map_err(fault)?;
        unlinkat(folder, &unnamed, AtFlags::empty()).map_err(|errno| fault(errno.into()))?;
        component.write_all_at(&admitted.component, 0).map_err(fault)?;
        let (output, temporary) = create(folder).map_err(fault)?;
        let made = compile(worker, component.as_fd(), output.as_fd())
            .and_then(|()| publish(folder, &output, &temporary, name).map_err(fault));
        if made.is_err() {
            let _ = unlinkat(folder, &temporary, AtFlags::empty());
        }
        made?;
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

fn publish(folder: &OwnedFd, code: &File, temporary: &str, name: &str) -> io::Result<()> {
    let length = code.metadata()?.len();
    if length == 0 || length > CODE_BYTES_MAX {
        return Err(io::Error::other(format!("the compiled code has {length} bytes")));
    }
    let sum = digest_of(code)?;
    renameat(folder, temporary, folder, format!("{name}.code"))?;
    let (mut file, temporary) = create(folder)?;
    file.write_all(sum.to_string().as_bytes())?;
    Ok(renameat(folder, &temporary, folder, format!("{name}.sum"))?)
}

fn digest_of(file: &File) -> io::Result<Digest> {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut buffer = vec![0; READ_BYTES];
    let mut offset = 0;
    loop {
        match file.read_at(&mut buffer, offset)? {
            0 => break,
            length => {
                context.update(buffer.get(..length).unwrap_or_default());
                offset += length as u64;
            }
        }
    }
    let mut digest = Digest([0; 32]);
    digest.0.copy_from_slice(context.finish().as_ref());
    Ok(digest)
}
