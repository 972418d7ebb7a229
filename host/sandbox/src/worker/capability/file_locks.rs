//! `file-locks`: parts of files in granted folders, locked against other programs of the machine.
//!
//! The locks are those of an open file (`F_OFD_SETLK`, `fcntl(2)`). They meet the older ones of processes (`F_SETLK`), which
//! databases take, as these meet each other, and they are not lost when somebody in this process closes the same file.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lockgate_trust::Granted;
use wasmtime::component::Resource;

use super::files::OpenFile;
use crate::limits::{LOCK_POLL, LOCKS_MAX};
use crate::worker::bindings::lockgate::datastore::file_locks::{Host, HostLock, Mode};
use crate::worker::fault::{Fault, Reply};
use crate::worker::folder::Folder;
use crate::worker::state::State;

/// What is locked of one open file, and the folder that says whether it may be.
#[derive(Debug)]
pub struct Locks {
    folder: Arc<Folder>,
    held: Arc<Mutex<Vec<Range>>>,
}

/// Bytes of a file, from the first to behind the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: i64,
    end: i64,
}

/// A lock that is held. Ends when it is dropped.
#[derive(Debug)]
pub struct Lock {
    file: Arc<File>,
    held: Arc<Mutex<Vec<Range>>>,
    range: Range,
}

impl Locks {
    /// Nothing is locked yet.
    pub fn new(folder: Arc<Folder>) -> Self {
        Self { folder, held: Arc::default() }
    }
}

impl Range {
    fn new(offset: u64, length: u64) -> Reply<Self> {
        let start = i64::try_from(offset).ok();
        let end = offset.checked_add(length).and_then(|end| i64::try_from(end).ok());
        match (start, end) {
            (Some(start), Some(end)) if start < end => Ok(Self { start, end }),
            _ => Err(Fault::other(format!(
                "locks: {length} bytes from {offset} are no part of a file"
            ))),
        }
    }

    fn meets(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    fn request(self, kind: libc::c_int) -> libc::flock {
        // The kernel demands that no process is named.
        libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: self.start,
            l_len: self.end - self.start,
            l_pid: 0,
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Fails only for what was never a lock.
        let _ = control(&self.file, libc::F_OFD_SETLK, &mut self.range.request(libc::F_UNLCK));
        list(&self.held).retain(|held| *held != self.range);
    }
}

impl Host for State {
    fn acquire(
        &mut self,
        file: Resource<OpenFile>,
        offset: u64,
        length: u64,
        mode: Mode,
        wait: u32,
    ) -> Reply<Option<Resource<Lock>>> {
        let range = self.lockable(&file, offset, length, mode)?;
        let end = Instant::now() + Duration::from_millis(wait.into());
        self.lane.socket().flush()?;
        let file = self.table.get(&file)?;
        let (shared, held) = (file.shared().clone(), file.locks().held.clone());
        if list(&held).iter().any(|taken| taken.meets(range)) {
            return Err(Fault::other(format!(
                "locks: some of {length} bytes from {offset} of {} are locked through this file already",
                file.name()
            )));
        }
        if self.locks_held >= LOCKS_MAX {
            return Err(Fault::other(format!("locks: {LOCKS_MAX} are held; drop some first")));
        }
        loop {
            match control(&shared, libc::F_OFD_SETLK, &mut range.request(kind(mode))) {
                Ok(()) => break,
                Err(error) if is_taken(&error) && Instant::now() >= end => return Ok(None),
                Err(error) if is_taken(&error) => self.pause(LOCK_POLL)?,
                Err(error) => return Err(Fault::system("lock", file.name(), error)),
            }
        }
        list(&held).push(range);
        let lock = self.table.push(Lock { file: shared, held, range })?;
        self.locks_held += 1;
        Ok(Some(lock))
    }

    fn is_free(
        &mut self,
        file: Resource<OpenFile>,
        offset: u64,
        length: u64,
        mode: Mode,
    ) -> Reply<bool> {
        // Asking takes no lock, so that it needs no file that may be written.
        let range = self.lockable(&file, offset, length, Mode::Shared)?;
        let file = self.table.get(&file)?;
        let mut request = range.request(kind(mode));
        control(file.shared(), libc::F_OFD_GETLK, &mut request)
            .map_err(|error| Fault::system("look for locks of", file.name(), error))?;
        Ok(libc::c_int::from(request.l_type) == libc::F_UNLCK)
    }
}

impl HostLock for State {
    fn drop(&mut self, lock: Resource<Lock>) -> wasmtime::Result<()> {
        self.table.delete(lock)?;
        self.locks_held = self.locks_held.saturating_sub(1);
        Ok(())
    }
}

impl State {
    /// The range, when the file's folder lets it be locked in this way.
    fn lockable(
        &self,
        file: &Resource<OpenFile>,
        offset: u64,
        length: u64,
        mode: Mode,
    ) -> Reply<Range> {
        self.go_on()?;
        let file = self.table.get(file)?;
        let folder = &file.locks().folder;
        if !folder.may_lock() {
            return Err(Fault::denied(format!(
                "locks: the plugin wanted to lock {}; `locks = true` in `folders.{}` of the source's grants allows it",
                file.name(),
                folder.name()
            )));
        }
        if let Ok(name) = folder.name().parse() {
            self.note_use(Granted::Locks(name))?;
        }
        if mode == Mode::Exclusive {
            file.for_writing()?;
        }
        Range::new(offset, length)
    }
}

fn list(held: &Mutex<Vec<Range>>) -> MutexGuard<'_, Vec<Range>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

fn kind(mode: Mode) -> libc::c_int {
    match mode {
        Mode::Shared => libc::F_RDLCK,
        Mode::Exclusive => libc::F_WRLCK,
    }
}

/// Whether another holds what was asked for: POSIX allows both numbers.
fn is_taken(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES | libc::EINTR))
}

#[expect(unsafe_code, reason = "no safe library has locks of open files")]
fn control(file: &File, command: libc::c_int, request: &mut libc::flock) -> io::Result<()> {
    // SAFETY: the descriptor is open and the structure lives until the call has returned.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), command, request) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
