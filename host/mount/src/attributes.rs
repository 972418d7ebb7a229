//! What `stat` and `listxattr` say of a node.

use std::time::{Duration, SystemTime};

use fuser::{FileAttr, FileType, INodeNo};
use lockgate_repository::{Node, NodeKind, Xattr};
use lockgate_types::Timestamp;

use crate::limits;

/// Bytes of a block in the number of blocks of a file, as `stat(2)` has it.
const BLOCK_BYTES: u64 = 512;
/// Bytes that programs read at once when they ask what is good.
const PIECE_BYTES: u32 = 4096;

/// Of a node; the number of its inode is given later.
pub(crate) fn of_node(node: &Node) -> FileAttr {
    let size = match node.kind {
        NodeKind::File => node.size,
        NodeKind::Symlink => node.linktarget.len() as u64,
        _ => 0,
    };
    let is_folder = node.kind == NodeKind::Directory;
    let links = if is_folder { 2 } else { node.links.max(1) };
    FileAttr {
        atime: of_time(node.atime.timestamp),
        mtime: of_time(node.mtime.timestamp),
        ctime: of_time(node.ctime.timestamp),
        // Twelve bits.
        perm: u16::try_from(node.permissions()).unwrap_or(0),
        nlink: u32::try_from(links).unwrap_or(u32::MAX),
        uid: node.uid,
        gid: node.gid,
        rdev: device(node),
        ..bare(kind(node.kind), size, Timestamp::default())
    }
}

/// Of a folder that no snapshot holds, or of the root of a snapshot: anyone who may see the mount may enter.
pub(crate) fn of_folder(time: Timestamp, owner: Owner) -> FileAttr {
    FileAttr {
        perm: 0o555,
        nlink: 2,
        uid: owner.user,
        gid: owner.group,
        ..bare(FileType::Directory, 0, time)
    }
}

/// Of a link in such a folder.
pub(crate) fn of_link(target: &str, time: Timestamp, owner: Owner) -> FileAttr {
    let size = target.len() as u64;
    let link = bare(FileType::Symlink, size, time);
    FileAttr { perm: 0o777, uid: owner.user, gid: owner.group, ..link }
}

/// Who owns what no snapshot holds: whoever mounted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) user: u32,
    pub(crate) group: u32,
}

fn bare(kind: FileType, size: u64, time: Timestamp) -> FileAttr {
    let time = of_time(time);
    FileAttr {
        ino: INodeNo(0),
        size,
        blocks: size.div_ceil(BLOCK_BYTES),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind,
        perm: 0,
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: PIECE_BYTES,
        flags: 0,
    }
}

fn kind(kind: NodeKind) -> FileType {
    match kind {
        // What restic could not name has no content; it is shown as an empty file.
        NodeKind::File | NodeKind::Irregular => FileType::RegularFile,
        NodeKind::Directory => FileType::Directory,
        NodeKind::Symlink => FileType::Symlink,
        NodeKind::BlockDevice => FileType::BlockDevice,
        NodeKind::CharacterDevice => FileType::CharDevice,
        NodeKind::Fifo => FileType::NamedPipe,
        NodeKind::Socket => FileType::Socket,
    }
}

/// The number of a device in the 32 bits of the protocol: twelve of the major and twenty of the minor number, in the order
/// of the kernel's `new_encode_dev`.
fn device(node: &Node) -> u32 {
    if !matches!(node.kind, NodeKind::BlockDevice | NodeKind::CharacterDevice) {
        return 0;
    }
    let (major, minor) = (rustix::fs::major(node.device), rustix::fs::minor(node.device));
    (minor & 0xff) | (major & 0xfff) << 8 | (minor & 0xf_ff00) << 12
}

/// Times that the system cannot hold become the beginning of 1970.
fn of_time(time: Timestamp) -> SystemTime {
    let epoch = SystemTime::UNIX_EPOCH;
    let seconds = Duration::from_secs(time.seconds.unsigned_abs());
    let whole =
        if time.seconds < 0 { epoch.checked_sub(seconds) } else { epoch.checked_add(seconds) };
    let rest = Duration::from_nanos(time.nanoseconds.into());
    whole.and_then(|whole| whole.checked_add(rest)).unwrap_or(epoch)
}

/// The extended attributes that a program can ask for.
pub(crate) fn xattrs(node: &Node) -> impl Iterator<Item = &Xattr> {
    let is_name = |name: &str| {
        !name.is_empty() && name.len() <= limits::XATTR_NAME_BYTES_MAX && !name.contains('\0')
    };
    node.xattrs.iter().filter(move |xattr| is_name(&xattr.name))
}

/// Their names as `listxattr(2)` gives them, as many as fit.
pub(crate) fn xattr_names(node: &Node) -> Vec<u8> {
    let mut names = Vec::new();
    for xattr in xattrs(node) {
        if names.len() + xattr.name.len() + 1 > limits::XATTR_LIST_BYTES_MAX {
            break;
        }
        names.extend_from_slice(xattr.name.as_bytes());
        names.push(0);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_out_of_reach() {
        let at = |seconds, nanoseconds| of_time(Timestamp { seconds, nanoseconds });
        let epoch = SystemTime::UNIX_EPOCH;
        assert_eq!(at(1, 5), epoch + Duration::new(1, 5));
        assert_eq!(at(-1, 500_000_000), epoch - Duration::from_millis(500));
        assert!(at(i64::MIN, 0) <= epoch && at(i64::MAX, 999_999_999) >= epoch);
        assert!(at(-62_135_596_800, 0) < epoch);
    }

    #[test]
    fn devices_keep_their_numbers() {
        let device = |kind, device| of_node(&Node { kind, device, ..Node::default() }).rdev;
        let number = rustix::fs::makedev(8, 300);
        assert_eq!(device(NodeKind::BlockDevice, number), 0x0010_082c);
        assert_eq!(device(NodeKind::File, number), 0);
    }

    #[test]
    fn hostile_attributes_are_left_out() {
        let xattr = |name: &str| Xattr { name: name.to_owned(), value: vec![1] };
        let names = ["user.a", "", "user.\0b", "user.c"].map(xattr);
        let node = Node { xattrs: names.to_vec(), ..Node::default() };
        assert_eq!(xattr_names(&node), b"user.a\0user.c\0");
    }
}
