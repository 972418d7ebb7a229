//! Reads trees and content, in parallel and in bounded memory.

use lockgate_types::Digest;

/// Reads snapshots.
#[derive(Clone, Debug)]
pub struct Reader {}
/// Nodes below a tree.
#[derive(Debug)]
pub struct Walk {}
/// The bytes of one node.
#[derive(Debug)]
pub struct ContentReader {}
