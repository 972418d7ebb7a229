//! One folder, read by the ordinary calls.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use lockgate_plugin::{ExtendedAttribute, Failure, Kind, Metadata, Timestamp};
use ring::digest::{SHA256, digest};

use crate::no_import;

pub use lockgate_plugin::files::{Folder, Named};

static ROOT: OnceLock<PathBuf> = OnceLock::new();

/// Says which folder is exported, under the name `data`.
pub fn grant(folder: &Path) {
    ROOT.get_or_init(|| folder.to_owned());
}

fn full(path: &[u8]) -> PathBuf {
    let root = ROOT.get().cloned().unwrap_or_default();
    if path.is_empty() { root } else { root.join(std::ffi::OsStr::from_bytes(path)) }
}

fn told(error: &std::io::Error) -> Failure {
    Failure::Other(error.to_string())
}

/// The one folder.
///
/// # Errors
/// Never.
pub fn folders() -> Result<Vec<Folder>, Failure> {
    Ok(vec![Folder { name: "data".to_owned(), writable: false }])
}

/// What the file system knows about a name.
///
/// # Errors
/// When it cannot be looked up.
pub fn status(_folder: &str, path: &[u8]) -> Result<Metadata, Failure> {
    describe(&full(path)).map_err(|error| told(&error))
}

fn describe(path: &Path) -> std::io::Result<Metadata> {
    let status = fs::symlink_metadata(path)?;
    let kind = status.file_type();
    let time = |seconds, nanoseconds: i64| Timestamp {
        seconds,
        nanoseconds: u32::try_from(nanoseconds).unwrap_or(0),
    };
    let is_link = kind.is_symlink();
    Ok(Metadata {
        kind: match () {
            () if kind.is_dir() => Kind::Directory,
            () if is_link => Kind::Symlink,
            () if kind.is_fifo() => Kind::Fifo,
            () if kind.is_socket() => Kind::Socket,
            () if kind.is_char_device() => Kind::CharacterDevice,
            () if kind.is_block_device() => Kind::BlockDevice,
            () => Kind::Regular,
        },
        mode: status.mode() & 0o7777,
        owner: status.uid(),
        group: status.gid(),
        owner_name: name_of("/etc/passwd", status.uid()),
        group_name: name_of("/etc/group", status.gid()),
        size: status.size(),
        modified: time(status.mtime(), status.mtime_nsec()),
        accessed: time(status.atime(), status.atime_nsec()),
        changed: time(status.ctime(), status.ctime_nsec()),
        inode: status.ino(),
        device: status.dev(),
        links: status.nlink(),
        device_number: status.rdev(),
        link_target: if is_link {
            Some(fs::read_link(path)?.into_os_string().into_vec())
        } else {
            None
        },
        extended_attributes: extended_attributes(path)?,
    })
}

fn extended_attributes(path: &Path) -> std::io::Result<Vec<ExtendedAttribute>> {
    let mut names = vec![0_u8; 64 << 10];
    let length = match rustix::fs::llistxattr(path, &mut names[..]) {
        Ok(length) => length,
        Err(rustix::io::Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    names.truncate(length);
    let named = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let read = |name: &[u8]| {
        let mut value = vec![0_u8; 64 << 10];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..])?;
        value.truncate(length);
        Ok(ExtendedAttribute { name: String::from_utf8_lossy(name).into_owned(), value })
    };
    named.map(read).collect()
}

/// The name of a user or group, looked up once.
fn name_of(file: &'static str, number: u32) -> String {
    static KNOWN: Mutex<BTreeMap<(&str, u32), String>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    known.entry((file, number)).or_insert_with(|| look_up(file, number)).clone()
}

fn look_up(file: &str, number: u32) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let is_it = |line: &&str| line.split(':').nth(2) == Some(&number.to_string());
    let name = text.lines().find(is_it).and_then(|line| line.split(':').next());
    name.unwrap_or_default().to_owned()
}

/// Goes through a folder.
///
/// # Errors
/// When it cannot be listed.
pub fn list_folder(_folder: &str, path: &[u8]) -> Result<Listing, Failure> {
    let folder = full(path);
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).map_err(|error| told(&error))? {
        names.push(entry.map_err(|error| told(&error))?.file_name().into_vec());
    }
    // Taken from the end.
    names.sort_unstable_by(|left, right| right.cmp(left));
    Ok(Listing { folder, names: Mutex::new(names) })
}

/// The names of a folder.
#[derive(Debug)]
pub struct Listing {
    folder: PathBuf,
    names: Mutex<Vec<Vec<u8>>>,
}

impl Listing {
    /// The next names.
    ///
    /// # Errors
    /// When one cannot be looked up.
    pub fn next(&self, limit: u32) -> Result<Vec<Named>, Failure> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut page = Vec::new();
        while page.len() < limit as usize
            && let Some(name) = names.pop()
        {
            let metadata = describe(&self.folder.join(std::ffi::OsStr::from_bytes(&name)));
            page.push(Named { name, metadata: metadata.map_err(|error| told(&error))? });
        }
        Ok(page)
    }
}

/// An open file.
#[derive(Debug)]
pub struct File {
    pub(crate) file: fs::File,
}

/// Opens a file.
///
/// # Errors
/// When it cannot be opened.
pub fn open(_folder: &str, path: &[u8]) -> Result<File, Failure> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NOATIME;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(full(path));
    Ok(File { file: file.map_err(|error| told(&error))? })
}

impl File {
    /// At most `max` bytes.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read_at(&self, offset: u64, max: u32) -> Result<Vec<u8>, Failure> {
        let mut bytes = vec![0; max as usize];
        let length = self.file.read_at(&mut bytes, offset).map_err(|error| told(&error))?;
        bytes.truncate(length);
        Ok(bytes)
    }

    /// SHA-256 of the content.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn digest(&self) -> Result<Vec<u8>, Failure> {
        let length = self.file.metadata().map_err(|error| told(&error))?.len();
        let bytes = self.read_at(0, u32::try_from(length).unwrap_or(u32::MAX))?;
        Ok(digest(&SHA256, &bytes).as_ref().to_vec())
    }

    /// Nothing is imported.
    ///
    /// # Errors
    /// Always.
    pub fn apply(&self, _metadata: &Metadata) -> Result<Vec<String>, Failure> {
        no_import()
    }
}

/// Nothing is imported.
///
/// # Errors
/// Always.
pub fn create(_folder: &str, _path: &[u8], _replace: bool) -> Result<File, Failure> {
    no_import()
}

/// Nothing is imported.
///
/// # Errors
/// Always.
pub fn make(
    _folder: &str,
    _path: &[u8],
    _metadata: &Metadata,
    _replace: bool,
) -> Result<(), Failure> {
    no_import()
}

/// Nothing is imported.
///
/// # Errors
/// Always.
pub fn link(_folder: &str, _path: &[u8], _target: &[u8], _replace: bool) -> Result<(), Failure> {
    no_import()
}

/// Nothing is imported.
///
/// # Errors
/// Always.
pub fn apply(_folder: &str, _path: &[u8], _metadata: &Metadata) -> Result<Vec<String>, Failure> {
    no_import()
}
