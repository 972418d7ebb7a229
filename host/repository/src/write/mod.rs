//! The way in: streams are cut into chunks, hashed, compared with what is there, compressed, sealed, packed and put.
//!
//! ```text
//! lanes (threads of the caller)   CPU pool                                  reactor
//! StreamWriter: read, cut ──► queue ──► hash ─ known? ─ compress ─ seal ─ verify ─► open packs ──► storage ──► index
//!                                └► entry complete ──► tree (at commit) ──► queue
//! ```
//!
//! One memory budget bounds everything that is between a lane and the storage: a lane that asks for a buffer waits while
//! the rest of the line can still give some back. The first error stops the whole line: nothing that was begun after it
//! becomes visible, because the snapshot is written last.

mod blobs;
mod body;
mod budget;
mod claims;
mod commit;
mod counters;
mod dedup;
mod entries;
mod entry;
mod failure;
mod fan;
mod line;
mod options;
mod pack;
mod primitives;
mod queue;
mod stream;
mod upload;
mod worker;
mod writer;

#[cfg(test)]
mod tests;

pub use commit::SnapshotDraft;
pub use counters::WriteProgress;
pub use fan::Destination;
pub use options::WriteOptions;
pub use stream::StreamWriter;
pub use writer::{Writer, WriterCanceller};
