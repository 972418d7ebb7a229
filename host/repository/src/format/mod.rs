//! What is stored, as values: parsing and printing of every object of the format, without I/O.
//!
//! Printed JSON equals the encoding of Go's `encoding/json` byte for byte, because restic compares and hashes it.

mod config;
mod encoding;
mod entry;
mod frame;
pub(crate) mod go_json;
pub(crate) mod go_quote;
mod index;
mod key;
mod lock;
mod node;
mod pack;
mod past;
mod snapshot;
mod snapshot_edit;
mod time;
mod tree;

pub use config::Config;
pub use encoding::{decode_base64, encode_base64};
pub use frame::{pack_json, unpack_json};
pub use index::{IndexFile, IndexPack};
pub use key::{KeyFile, MasterKeyJson};
pub use lock::{LockFile, LockNote};
pub use node::{Node, NodeKind, Xattr};
pub use pack::{BlobKind, PackedBlob, pack_header_decode, pack_header_encode, pack_header_length};
pub use past::PastNode;
pub use snapshot::{Snapshot, SnapshotSummary};
pub use snapshot_edit::SnapshotEdit;
pub use time::Time;
pub use tree::{TreeNodes, TreePrinter, parse_past_tree, parse_tree};
