//! The format of snapshots and of serialised values, versions 5 to 12 of Redis, and 80 of Valkey. Written after the public
//! description at <https://rdb.fnordig.de/file_format.html> and the constants in `src/rdb.h`; the packed forms after
//! <https://github.com/antirez/listpack/blob/master/listpack.md>, `src/ziplist.c` and `src/intset.c`.
//!
//! [`snapshot`] walks over a whole snapshot, [`value`] over one value: it hands on the same value in a form that depends
//! less on the server's settings (texts not compressed, elements of sets and hashes in order), which `RESTORE` takes as
//! well, and hashes what the value *means*, whatever its encoding.

pub mod input;
pub mod lzf;
pub mod packed;
pub mod snapshot;
pub mod stream;
pub mod value;

pub use input::Input;
pub use snapshot::{Head, Snapshot};
pub use value::{Meaning, copy_value};
