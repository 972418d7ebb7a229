//! A repository as a read-only file system, through FUSE.
//!
//! ```text
//! kernel ──► fuser's threads ──► filesystem ──► inodes: what a number stands for
//!                                    │     └──► current: snapshots as folders, looked for again now and then
//!                                    └──► folders, chunks: read from the repository once, kept within a budget
//!                                                └──► ahead: chunks that a sequential reader will want
//! ```
//! fuser's threads wait for the runtime, never the other way round; how many there are bounds what is under way. Nothing is
//! written, and nothing is handed out that was not compared with the SHA-256 that names it. Names come from whoever wrote
//! the repository: what the kernel must not see is left out or replaced (`names`).
//!
//! By default only the user who mounts sees anything, devices cannot be opened, programs cannot be run, and set-id bits
//! have no effect.

mod ahead;
mod attach;
mod attributes;
mod cache;
mod current;
mod error;
mod file;
mod filesystem;
mod folder;
mod handles;
mod inodes;
mod limits;
mod mount;
mod names;
mod served;
mod view;

pub use error::{Error, ErrorKind, Result};
pub use mount::{Mount, MountOptions, MountReport};
