//! The Raft storage of Atomix 3 (Java) in granted folders, for the plugins of systems that keep their state in it.
//!
//! [`partition`] finds partitions and tells their files apart, [`segment`] and [`snapshot`] read what is in them, [`member`] reads
//! and writes what belongs to one member alone.
//! [`part`] is a partition as a part of a backup. [`save`] is the way out, [`load`] the way back. [`files`] holds what is done with
//! files of granted folders in general.
//!
//! The formats are those of the classes `JournalSegmentDescriptor`, `JournalSegmentWriter`, `SnapshotDescriptor`, `MetaStore` and
//! `RaftStorage` of `io.atomix:atomix-storage` and `io.atomix:atomix-raft` 3.0.2; all numbers are big-endian.

pub mod files;
pub mod limits;
pub mod load;
pub mod member;
pub mod part;
pub mod partition;
pub mod save;
pub mod segment;
pub mod snapshot;
