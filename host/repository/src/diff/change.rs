use std::fmt;

use lockgate_types::EntryPath;

use crate::format::{Node, NodeKind};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub path: EntryPath,
    /// Whether it is a folder, on the newer side where both have it.
    pub is_folder: bool,
    /// What.
    pub kind: ChangeKind,
}

/// How something differs; printed as `restic diff` prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// `+`: only the newer side has it.
    Added,
    /// `-`: only the older side has it.
    Removed,
    /// Both have it.
    Changed {
        /// `T`: a file has become a folder, or something of that sort.
        kind: bool,
        /// `M`: the content of a file, the target of a link, or the number of a device.
        content: bool,
        /// `U`: owner, mode, time or attributes.
        metadata: bool,
        /// `?`: the content of a file and nothing else, as when a disk decays.
        suspect: bool,
    },
}

impl ChangeKind {
    pub(super) fn is_of_content(self) -> bool {
        matches!(self, Self::Changed { content: true, .. })
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added => formatter.write_str("+"),
            Self::Removed => formatter.write_str("-"),
            Self::Changed { kind, content, metadata, suspect } => {
                let letters = [(*kind, "T"), (*content, "M"), (*suspect, "?"), (*metadata, "U")];
                let set = letters.iter().filter(|(is_set, _)| *is_set);
                let text: String = set.map(|(_, letter)| *letter).collect();
                formatter.write_str(&text)
            }
        }
    }
}

/// How two nodes of the same name differ; none when they do not, or in their metadata alone and that is not asked for.
pub(super) fn compare(left: &Node, right: &Node, metadata: bool) -> Option<ChangeKind> {
    let kind = left.kind != right.kind;
    let content = !kind
        && (left.content != right.content
            || left.linktarget != right.linktarget
            || left.device != right.device);
    let suspect = content
        && left.kind == NodeKind::File
        && (left.size, left.inode) == (right.size, right.inode)
        && (left.mtime, left.ctime) == (right.mtime, right.ctime);
    let metadata = metadata && !kind && !content && !has_same_metadata(left, right);
    let is_changed = kind || content || metadata;
    is_changed.then_some(ChangeKind::Changed { kind, content, metadata, suspect })
}

/// Numbers of inodes and times of access are none of what people mean.
fn has_same_metadata(left: &Node, right: &Node) -> bool {
    let owner = |node: &Node| (node.mode, node.uid, node.gid);
    owner(left) == owner(right)
        && left.user == right.user
        && left.group == right.group
        && left.mtime.timestamp == right.mtime.timestamp
        && left.xattrs == right.xattrs
        && left.generic_attributes == right.generic_attributes
}

#[cfg(test)]
mod tests {
    use lockgate_types::Digest;

    use super::*;

    #[test]
    fn what_differs_is_told_by_its_letters() {
        let file = Node { content: Some(vec![Digest([1; 32])]), ..Node::default() };
        let letters =
            |left: &Node, right: &Node| compare(left, right, true).map(|kind| kind.to_string());
        assert_eq!(letters(&file, &file), None);
        let other = Node { content: Some(Vec::new()), ..file.clone() };
        assert_eq!(letters(&file, &other).as_deref(), Some("M?"));
        let longer = Node { size: 9, ..other };
        assert_eq!(letters(&file, &longer).as_deref(), Some("M"));
        let mode = Node { mode: 0o600, ..file.clone() };
        assert_eq!(letters(&file, &mode).as_deref(), Some("U"));
        assert_eq!(compare(&file, &mode, false), None);
        let folder = Node { kind: NodeKind::Directory, content: None, ..file.clone() };
        assert_eq!(letters(&file, &folder).as_deref(), Some("T"));
        let inode = Node { inode: 7, ..file.clone() };
        assert_eq!(letters(&file, &inode), None);
    }
}
