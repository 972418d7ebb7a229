//! Every bound of this crate.

use std::time::Duration;

/// Threads that answer the kernel. Each waits for the repository while it answers, so that a slow storage holds up at most
/// as many readers.
pub(crate) const THREADS_COUNT: usize = 16;

/// Plain bytes of content that are kept.
pub(crate) const CHUNKS_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Bytes of folders that are kept. The one that was looked at last stays even when it is larger.
pub(crate) const FOLDERS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What the place in a cache takes besides the value, in bytes.
pub(crate) const SLOT_BYTES: usize = 160;

/// Plain bytes that are fetched before a sequential reader comes to them.
pub(crate) const AHEAD_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Chunks that are fetched ahead at the same time, for all readers.
pub(crate) const AHEAD_AT_A_TIME: usize = 4;

/// Chunks that wait to be fetched ahead. What does not find room is fetched when it is read.
pub(crate) const AHEAD_WAITING_MAX: usize = 64;

/// Files and folders that are open at the same time.
pub(crate) const HANDLES_MAX: usize = 65_536;

/// Longest name, in bytes: what Linux programs have room for.
pub(crate) const NAME_BYTES_MAX: usize = 255;

/// Longest target of a symbolic link, in bytes: what the kernel takes.
pub(crate) const TARGET_BYTES_MAX: usize = 4095;

/// Longest name of an extended attribute, in bytes (`XATTR_NAME_MAX`).
pub(crate) const XATTR_NAME_BYTES_MAX: usize = 255;

/// Bytes of all names of extended attributes of a file (`XATTR_LIST_MAX`).
pub(crate) const XATTR_LIST_BYTES_MAX: usize = 64 * 1024;

/// How long the kernel may rely on what is in a snapshot, which never changes.
pub(crate) const CONTENT_VALID: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the kernel may rely on which snapshots there are.
pub(crate) const VIEW_VALID: Duration = Duration::from_secs(1);

/// Requests that the kernel makes on its own, such as reading ahead, at the same time.
pub(crate) const BACKGROUND_MAX: u16 = 32;

/// How long is waited for the last answers after the mount was taken away.
pub(crate) const END_WAIT: Duration = Duration::from_secs(10);

/// Bytes of a path in the log.
pub(crate) const PATH_BYTES_MAX: usize = 1024;

/// How soon the log names the same file again.
pub(crate) const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Files of which is known when the log named them.
pub(crate) const TOLD_MAX: usize = 1024;
