//! The file: one JSON object a line, each with the SHA-256 of the line before it. A line that was changed, taken out or put
//! in breaks the chain. That the end was cut off shows to whoever noted the digest of a line that is gone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use lockgate_trust::sha256;
use lockgate_types::Digest;

use super::Entry;

/// Bytes of one line, at most. Longer ones are no entries of ours.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// The file that entries are added to. Several processes may add to it at once.
#[derive(Debug)]
pub(super) struct Trail(Mutex<File>);

impl Trail {
    /// Opens the file, and makes it and its folder when there is none.
    pub fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        Ok(Self(Mutex::new(file)))
    }

    /// Adds one line.
    pub fn append(&self, mut entry: Entry) -> io::Result<()> {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Held by the open file, so it also ends with the process.
        file.lock()?;
        let written = last_line(&mut file).and_then(|last| {
            let mut line = Vec::new();
            if last.is_torn {
                line.push(b'\n');
            }
            entry.previous = last.digest;
            serde_json::to_writer(&mut line, &entry)?;
            line.push(b'\n');
            file.write_all(&line)
        });
        file.unlock()?;
        written
    }
}

/// How the file ends now.
struct LastLine {
    digest: Option<Digest>,
    /// Its line feed is missing: whoever wrote it was stopped half-way.
    is_torn: bool,
}

fn last_line(file: &mut File) -> io::Result<LastLine> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut start = length.saturating_sub(4096);
    loop {
        file.seek(SeekFrom::Start(start))?;
        let mut tail = Vec::new();
        file.take(length - start).read_to_end(&mut tail)?;
        let is_torn = tail.last().is_some_and(|byte| *byte != b'\n');
        let text = tail.strip_suffix(b"\n").unwrap_or(&tail);
        let begin = text.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        if begin.is_none() && start > 0 {
            if length - start >= LINE_BYTES_MAX {
                return Err(io::Error::other("its last line is longer than any entry"));
            }
            start = start.saturating_sub(length - start);
            continue;
        }
        let line = text.get(begin.unwrap_or(0)..).unwrap_or_default();
        let digest = (length > 0).then(|| sha256(line));
        return Ok(LastLine { digest, is_torn });
    }
}

/// What is known of an audit log whose chain is whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Number of entries.
    pub entries: u64,
    /// Lines that were not written to their end, because the process or the machine stopped.
    pub torn: u64,
    /// Of the first entry.
    pub first: Option<Timestamp>,
    /// Of the last entry.
    pub last: Option<Timestamp>,
    /// SHA-256 of the last line: worth noting elsewhere.
    pub head: Option<Digest>,
    /// Whether a line has the digest that was asked for.
    pub holds: bool,
}

/// Why an audit log proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// A line does not follow the one before it.
    #[error(
        "line {line} does not follow the line before it: something was changed, taken out or put in"
    )]
    Link {
        /// Counted from 1.
        line: u64,
    },
    /// A line is no entry.
    #[error("line {line} is no entry: {cause}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// Why not.
        cause: String,
    },
}

/// Reads all entries, checks that each follows the one before it, and hands it to `each`.
///
/// # Errors
/// Where the chain breaks.
pub fn follow(
    path: &Path,
    wanted: Option<Digest>,
    mut each: impl FnMut(&Entry),
) -> Result<Chain, Broken> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut chain = Chain::default();
    let mut bytes = Vec::new();
    let mut number = 0;
    while reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)? > 0 {
        number += 1;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        match serde_json::from_slice::<Entry>(&bytes) {
            Ok(entry) if entry.previous == chain.head => {
                chain.entries += 1;
                chain.first = chain.first.or(Some(entry.time));
                chain.last = Some(entry.time);
                each(&entry);
            }
            Ok(_) => return Err(Broken::Link { line: number }),
            // The next line, if any, tells whether this one has always been so.
            Err(error) if error.is_eof() && !bytes.is_empty() => chain.torn += 1,
            Err(error) => {
                return Err(Broken::Line { line: number, cause: error.to_string() });
            }
        }
        let digest = sha256(&bytes);
        chain.head = Some(digest);
        chain.holds |= Some(digest) == wanted;
        bytes.clear();
    }
    Ok(chain)
}
