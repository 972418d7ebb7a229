//! Every bound of this crate.

use std::time::Duration;

/// Largest object, in bytes. Packs of restic end at 128 MiB; an index of a very large repository stays below too.
pub(crate) const OBJECT_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Memory of reads that is kept to be used again, in bytes, unless one buffer alone is larger.
pub(crate) const READ_BUFFERS_KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Shorter reads get memory of their own: the allocator keeps pieces below this.
pub(crate) const READ_BUFFER_BYTES_MIN: usize = 128 * 1024;
/// Most objects that one listing may have: about 2 GiB of memory, or 400 TiB in packs of 32 MiB.
pub(crate) const LISTED_OBJECTS_MAX: usize = 12_000_000;
/// Most versions of one object that are looked at.
pub(crate) const VERSIONS_MAX: usize = 1000;
/// Longest name of an object, in bytes (S3 allows 1024 with the prefix).
pub(crate) const NAME_BYTES_MAX: usize = 512;
/// Deepest folder of an object.
pub(crate) const NAME_COMPONENTS_MAX: usize = 16;
/// Longest location, in bytes.
pub(crate) const URL_BYTES_MAX: usize = 4096;
/// Longest cause that an error shows, in characters.
pub(crate) const CAUSE_CHARACTERS_MAX: usize = 300;
/// Deepest chain of causes that is looked at.
pub(crate) const CAUSES_MAX: usize = 16;

/// First pause between two attempts; the next ones are twice as long each, up to [`RETRY_PAUSE_MAX`].
pub(crate) const RETRY_PAUSE_MIN: Duration = Duration::from_millis(200);
/// Longest pause between two attempts.
pub(crate) const RETRY_PAUSE_MAX: Duration = Duration::from_secs(10);
/// Attempts after the first one, unless the option `retries` says otherwise.
pub(crate) const RETRIES_DEFAULT: usize = 5;
/// Most attempts after the first one.
pub(crate) const RETRIES_MAX: usize = 100;
/// Time for one small operation, unless the option `timeout` says otherwise.
pub(crate) const TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);
/// Time for one piece of a download or one page of a listing, unless the option `io-timeout` says otherwise.
pub(crate) const IO_TIMEOUT_DEFAULT: Duration = Duration::from_secs(60);
/// Time for one upload, unless the option `write-timeout` says otherwise.
pub(crate) const WRITE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(300);
/// Longest time that an option may ask for.
pub(crate) const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Time to set up a connection.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Operations at a time, unless the option `concurrency` says otherwise.
pub(crate) const CONCURRENCY_DEFAULT: usize = 32;
/// Most operations at a time.
pub(crate) const CONCURRENCY_MAX: usize = 1024;
/// Least and highest speed that an option may ask for, in KiB a second. A slower one would never bring a pack through.
pub(crate) const SPEED_KIB_MIN: usize = 16;
pub(crate) const SPEED_KIB_MAX: usize = 64 << 20;
/// Folders that are made at a time.
pub(crate) const FOLDERS_AT_A_TIME: usize = 16;

/// Largest file of certificates, in bytes.
pub(crate) const CERTIFICATES_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// A temporary file of the local service whose folder changed this long after it belongs to nobody any more.
pub(crate) const TEMPORARY_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Attempts to find a free name for a temporary file.
pub(crate) const TEMPORARY_NAMES_MAX: usize = 16;
