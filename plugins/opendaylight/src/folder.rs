//! The granted folders: where the server writes a snapshot, where it looks for one, and where it keeps its data.

use std::io::{self, Read};

use lockgate_plugin::files::{self, File};
use lockgate_plugin::path::{join, shown};
use lockgate_plugin::{Error, Kind, Metadata, Result};

use crate::limits::{FOLDER_DEPTH_MAX, PAGE_NAMES};

/// Where the server writes snapshots in a backup.
pub const BACKUP: &str = "backup";
/// The server's `clustered-datastore-restore`.
pub const RESTORE: &str = "restore";
/// The server's `segmented-journal` and `snapshots`.
pub const DATA: [&str; 2] = ["journal", "snapshots"];
/// The only file that this plugin has the server write, and the one that it places.
pub const FILE: &[u8] = b"lockgate.snapshot";
/// Bytes that are read of a file at a time.
const READ_BYTES: u32 = 1 << 20;

/// Whether the operator granted it.
///
/// # Errors
/// When the host does not tell.
pub fn is_granted(folder: &str) -> Result<bool> {
    Ok(files::folders()?.iter().any(|granted| granted.name == folder))
}

/// Demands that `folder` may be written.
///
/// # Errors
/// What is to be granted.
pub fn demand_writable(folder: &str) -> Result<()> {
    let own = match folder {
        RESTORE => "clustered-datastore-restore",
        "journal" => "segmented-journal",
        _ => folder,
    };
    match files::folders()?.iter().find(|granted| granted.name == folder) {
        Some(granted) if granted.writable => Ok(()),
        Some(_) => Err(Error::denied(format!(
            "folder {folder} is granted read-only, which is too little to restore"
        ))),
        None => Err(Error::denied(format!(
            "folder {folder} is not granted: grant `folders.{folder}`, read-write, on the folder {own} of the node"
        ))),
    }
}

/// The file's status; none when there is no such file.
pub fn status(folder: &str, path: &[u8]) -> Option<Metadata> {
    files::status(folder, path).ok()
}

/// Names directly in `folder`, at most one page of them.
///
/// # Errors
/// When it cannot be listed.
pub fn names(folder: &str) -> Result<Vec<String>> {
    let listing = files::list_folder(folder, b"")
        .map_err(|failure| Error::from(failure).context(format!("listing folder {folder}")))?;
    Ok(listing.next(PAGE_NAMES)?.iter().map(|named| shown(&named.name)).collect())
}

/// Removes everything in `folder`, and leaves the folder itself.
///
/// # Errors
/// When something cannot be removed.
pub fn empty(folder: &str) -> Result<()> {
    empty_below(folder, b"", 0)
}

fn empty_below(folder: &str, path: &[u8], depth: usize) -> Result<()> {
    if depth > FOLDER_DEPTH_MAX {
        let text =
            format!("{folder}/{}: folders in more than {FOLDER_DEPTH_MAX} levels", shown(path));
        return Err(Error::conflict(text));
    }
    loop {
        // Listed anew each time: the rest may come in another order once something is gone.
        let page = files::list_folder(folder, path)?.next(PAGE_NAMES)?;
        if page.is_empty() {
            return Ok(());
        }
        for named in page {
            let below = join(path, &named.name);
            if named.metadata.kind == Kind::Directory {
                empty_below(folder, &below, depth + 1)?;
            }
            files::remove(folder, &below).map_err(|failure| {
                Error::from(failure).context(format!("removing {folder}/{}", shown(&below)))
            })?;
        }
    }
}

/// Reads a file from its beginning.
#[derive(Debug)]
pub struct Reading {
    file: File,
    offset: u64,
    buffer: Vec<u8>,
    used: usize,
}

impl Reading {
    /// Of `file`.
    pub fn of(file: File) -> Self {
        Self { file, offset: 0, buffer: Vec::new(), used: 0 }
    }
}

impl Read for Reading {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.used == self.buffer.len() {
            self.buffer = self.file.read_at(self.offset, READ_BYTES)?;
            self.offset += self.buffer.len() as u64;
            self.used = 0;
        }
        let count = self.buffer.get(self.used..).unwrap_or_default().read(into)?;
        self.used += count;
        Ok(count)
    }
}
