//! What the file system knows about a name.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

use lockgate_types::{ExtendedAttribute, Kind, Metadata, Timestamp};
use rustix::fs::{FileType, Stat, getxattr, lgetxattr, listxattr, llistxattr, readlinkat};
use rustix::io::Errno;

use super::{Owners, attributes};
use crate::jail::descriptor_path;
use crate::limits::ATTRIBUTES_BYTES_MAX;

/// Where something is.
pub enum Place<'a> {
    /// A descriptor, which may be one that only names (`O_PATH`).
    Descriptor(BorrowedFd<'a>),
    /// A name in a folder.
    Name(BorrowedFd<'a>, &'a CStr),
}

impl Place<'_> {
    fn link_target(&self) -> Result<Vec<u8>, Errno> {
        let target = match self {
            Self::Descriptor(descriptor) => readlinkat(descriptor, c"", Vec::new()),
            Self::Name(folder, name) => readlinkat(folder, *name, Vec::new()),
        }?;
        Ok(target.into_bytes())
    }

    /// Most kernels have no calls for the extended attributes of a name in a folder; the folder's entry in `/proc` stands for its
    /// path.
    fn path(&self) -> Result<CString, Errno> {
        let path = match self {
            Self::Descriptor(descriptor) => descriptor_path(*descriptor).into_bytes(),
            Self::Name(folder, name) => {
                [descriptor_path(*folder).as_bytes(), b"/", name.to_bytes()].concat()
            }
        };
        CString::new(path).map_err(|_| Errno::INVAL)
    }

    fn list_names(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Descriptor(_) => listxattr(self.path()?, buffer),
            Self::Name(folder, name) => match attributes::list(*folder, name, buffer) {
                Err(Errno::NOSYS) => llistxattr(self.path()?, buffer),
                listed => listed,
            },
        }
    }

    fn get_value(&self, path: &CStr, name: &CStr, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Descriptor(_) => getxattr(path, name, buffer),
            Self::Name(..) => lgetxattr(path, name, buffer),
        }
    }

    fn extended_attributes(&self) -> Result<BTreeMap<CString, Vec<u8>>, Errno> {
        let mut attributes = BTreeMap::new();
        let names = match grown(256, |buffer| self.list_names(buffer)) {
            Err(Errno::NOTSUP) => return Ok(attributes),
            result => result?,
        };
        if names.is_empty() {
            return Ok(attributes);
        }
        let path = self.path()?;
        let mut bytes = 0;
        for name in names.split_inclusive(|byte| *byte == 0) {
            let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
            let value = match grown(256, |buffer| self.get_value(&path, name, buffer)) {
                // Removed meanwhile; or not readable, and then the file's content is not either, which its reader is told.
                Err(Errno::NODATA | Errno::ACCESS | Errno::PERM) => continue,
                result => result?,
            };
            bytes += name.count_bytes() + value.len();
            if bytes > ATTRIBUTES_BYTES_MAX {
                return Err(Errno::TOOBIG);
            }
            attributes.insert(name.to_owned(), value);
        }
        Ok(attributes)
    }
}

/// Calls with larger buffers until the answer fits.
fn grown(
    first: usize,
    mut call: impl FnMut(&mut [u8]) -> Result<usize, Errno>,
) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; first.max(1)];
    loop {
        match call(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < ATTRIBUTES_BYTES_MAX => {
                buffer.resize(buffer.len() * 4, 0);
            }
            Err(errno) => return Err(errno),
        }
    }
}

/// The contract's form of `status`, with link target and extended attributes.
///
/// # Errors
/// When one of these cannot be read; a backup without them would not be what it seems.
pub fn describe(place: &Place<'_>, status: &Stat, owners: &Owners) -> Result<Metadata, Errno> {
    let kind = kind(FileType::from_raw_mode(status.st_mode)).ok_or(Errno::NOTSUP)?;
    let is_device = matches!(kind, Kind::CharacterDevice | Kind::BlockDevice);
    let extended_attributes = place
        .extended_attributes()?
        .into_iter()
        .filter_map(|(name, value)| {
            // Linux's attribute names are UTF-8 by convention; the contract has no other.
            let name = name.into_string().ok()?;
            Some(ExtendedAttribute { name, value })
        })
        .collect();
    Ok(Metadata {
        kind,
        mode: status.st_mode & 0o7777,
        owner: status.st_uid,
        group: status.st_gid,
        owner_name: owners.user(status.st_uid),
        group_name: owners.group(status.st_gid),
        size: u64::try_from(status.st_size).unwrap_or_default(),
        modified: timestamp(status.st_mtime, status.st_mtime_nsec),
        accessed: timestamp(status.st_atime, status.st_atime_nsec),
        changed: timestamp(status.st_ctime, status.st_ctime_nsec),
        inode: status.st_ino,
        device: status.st_dev,
        #[allow(clippy::useless_conversion, reason = "of 32 bits on other machines")]
        links: u64::from(status.st_nlink),
        device_number: if is_device { status.st_rdev } else { 0 },
        link_target: match kind {
            Kind::Symlink => Some(place.link_target()?),
            _ => None,
        },
        extended_attributes,
    })
}

fn kind(kind: FileType) -> Option<Kind> {
    Some(match kind {
        FileType::RegularFile => Kind::Regular,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::CharacterDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Unknown => return None,
    })
}

fn timestamp(seconds: i64, nanoseconds: impl TryInto<u32>) -> Timestamp {
    Timestamp { seconds, nanoseconds: nanoseconds.try_into().unwrap_or_default() }
}
