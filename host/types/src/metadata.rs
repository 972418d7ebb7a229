use serde::{Deserialize, Serialize};

/// What a name in a file system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A file with content.
    Regular,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A Unix domain socket.
    Socket,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
}

/// A point in time since 1970-01-01T00:00:00Z; `nanoseconds` (below 10⁹) is always added.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// The rest, below 10⁹.
    pub nanoseconds: u32,
}

/// A named value that a file system keeps beside a file; see `xattr(7)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtendedAttribute {
    /// With its namespace, for example `user.mime_type`.
    pub name: String,
    /// The bytes as the system gives them.
    pub value: Vec<u8>,
}

/// What a file system knows about a name, after POSIX `stat`. Mirrors `types.metadata` of the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// What the name is.
    pub kind: Kind,
    /// Permission bits with set-user-id, set-group-id and sticky: `0o7777`.
    pub mode: u32,
    /// User number.
    pub owner: u32,
    /// Group number.
    pub group: u32,
    /// Empty when the system has no name for the number.
    pub owner_name: String,
    /// Empty when the system has no name for the number.
    pub group_name: String,
    /// Bytes of content.
    pub size: u64,
    /// When the content was last changed.
    pub modified: Timestamp,
    /// When the content was last read.
    pub accessed: Timestamp,
    /// When the inode was last changed.
    pub changed: Timestamp,
    /// Number of the inode.
    pub inode: u64,
    /// Number of the file system that holds the inode.
    pub device: u64,
    /// Names that lead to the inode.
    pub links: u64,
    /// Of a character or block device, as `stat` gives it; 0 otherwise.
    pub device_number: u64,
    /// Of a symbolic link. Bytes, because a link may hold anything.
    pub link_target: Option<Vec<u8>>,
    /// In the order of their names.
    pub extended_attributes: Vec<ExtendedAttribute>,
}

/// What tells whether a file may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// What the name is.
    pub kind: Kind,
    /// Bytes of content.
    pub size: u64,
    /// When the content was last changed.
    pub modified: Timestamp,
    /// When the inode was last changed.
    pub changed: Timestamp,
    /// Number of the inode.
    pub inode: u64,
}

impl Metadata {
    /// The size, both times that the system keeps of changes, and the inode.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        let Self { kind, size, modified, changed, inode, .. } = *self;
        Stamp { kind, size, modified, changed, inode }
    }

    /// Whether a file that had `self` then and has `now` may be taken as unchanged.
    #[must_use]
    pub fn is_unchanged(&self, now: &Self) -> bool {
        self.stamp() == now.stamp()
    }
}
