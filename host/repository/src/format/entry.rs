//! Between the entries of plugins and the nodes of the format.
//!
//! The format has no place for the media type and the attributes of an entry, so they become extended attributes, which
//! restic and rustic keep: `user.mime_type` (the name that freedesktop.org's shared MIME-info specification gives) and
//! `user.lockgate.<key>`. An entry without metadata carries the mark `user.lockgate`.

use lockgate_types::{Entry, EntryPath, ExtendedAttribute, Kind, Metadata};

use super::node::mode;
use super::{Node, NodeKind, Time, Xattr};

const MEDIA_TYPE: &str = "user.mime_type";
const ATTRIBUTE_PREFIX: &str = "user.lockgate.";
/// The attribute that says which version of its content an entry has.
pub(super) const ETAG: &str = "etag";
const MARK: &str = "user.lockgate";
const MARK_STREAM: &[u8] = b"stream";

impl Node {
    /// Permissions with the set-id bits and the sticky bit, as `stat` gives them.
    #[must_use]
    pub fn permissions(&self) -> u32 {
        unix_mode(self.mode)
    }

    /// The node for an entry whose content is not known yet. Times that are not known are [`Time::ZERO`]; the tree puts the
    /// time of the snapshot there.
    #[must_use]
    pub fn from_entry(entry: &Entry) -> Self {
        let mut node = match &entry.metadata {
            Some(metadata) => of_metadata(metadata),
            None => Self {
                mode: 0o600,
                size: entry.size_hint.unwrap_or(0),
                content: Some(Vec::new()),
                xattrs: vec![Xattr { name: MARK.to_owned(), value: MARK_STREAM.to_vec() }],
                ..Self::default()
            },
        };
        node.name = entry.path.name().unwrap_or_default().to_vec();
        let has_media_type = node.xattrs.iter().any(|xattr| xattr.name == MEDIA_TYPE);
        if !entry.media_type.is_empty() && !has_media_type {
            let value = entry.media_type.clone().into_bytes();
            node.xattrs.push(Xattr { name: MEDIA_TYPE.to_owned(), value });
        }
        for (key, value) in &entry.attributes {
            let name = format!("{ATTRIBUTE_PREFIX}{key}");
            node.xattrs.push(Xattr { name, value: value.clone().into_bytes() });
        }
        node
    }

    /// The entry at `path` that the node was made of, or that stands for a node which another program wrote.
    #[must_use]
    pub fn to_entry(&self, path: EntryPath) -> Entry {
        let mut entry = Entry {
            path,
            media_type: String::new(),
            size_hint: (self.kind == NodeKind::File).then_some(self.size),
            metadata: None,
            attributes: lockgate_types::Attributes::new(),
        };
        let mut extended_attributes = Vec::new();
        for Xattr { name, value } in &self.xattrs {
            let text = String::from_utf8_lossy(value);
            if let Some(key) = name.strip_prefix(ATTRIBUTE_PREFIX) {
                entry.attributes.insert(key.to_owned(), text.into_owned());
                continue;
            }
            if name == MARK {
                continue;
            }
            if name == MEDIA_TYPE {
                entry.media_type = text.into_owned();
            }
            let (name, value) = (name.clone(), value.clone());
            extended_attributes.push(ExtendedAttribute { name, value });
        }
        if !is_stream(&self.xattrs) {
            entry.metadata = Some(self.metadata(extended_attributes));
        }
        entry
    }

    fn metadata(&self, extended_attributes: Vec<ExtendedAttribute>) -> Metadata {
        Metadata {
            kind: self.kind.of_entry(),
            mode: unix_mode(self.mode),
            owner: self.uid,
            group: self.gid,
            owner_name: self.user.clone(),
            group_name: self.group.clone(),
            size: self.size,
            modified: self.mtime.timestamp,
            accessed: self.atime.timestamp,
            changed: self.ctime.timestamp,
            inode: self.inode,
            device: self.device_id,
            links: self.links,
            device_number: self.device,
            link_target: (self.kind == NodeKind::Symlink).then(|| self.linktarget.clone()),
            extended_attributes,
        }
    }
}

/// Whether these are the attributes of an entry without metadata.
pub(super) fn is_stream(xattrs: &[Xattr]) -> bool {
    xattrs.iter().any(|xattr| xattr.name == MARK && xattr.value == MARK_STREAM)
}

/// The value of the entry's attribute `etag`.
pub(super) fn etag(xattrs: &[Xattr]) -> Option<&[u8]> {
    let key = |xattr: &&Xattr| xattr.name.strip_prefix(ATTRIBUTE_PREFIX) == Some(ETAG);
    xattrs.iter().find(key).map(|xattr| xattr.value.as_slice())
}

impl NodeKind {
    pub(super) fn of_entry(self) -> Kind {
        match self {
            Self::File | Self::Irregular => Kind::Regular,
            Self::Directory => Kind::Directory,
            Self::Symlink => Kind::Symlink,
            Self::BlockDevice => Kind::BlockDevice,
            Self::CharacterDevice => Kind::CharacterDevice,
            Self::Fifo => Kind::Fifo,
            Self::Socket => Kind::Socket,
        }
    }
}

fn of_metadata(metadata: &Metadata) -> Node {
    let kind = match metadata.kind {
        Kind::Regular => NodeKind::File,
        Kind::Directory => NodeKind::Directory,
        Kind::Symlink => NodeKind::Symlink,
        Kind::BlockDevice => NodeKind::BlockDevice,
        Kind::CharacterDevice => NodeKind::CharacterDevice,
        Kind::Fifo => NodeKind::Fifo,
        Kind::Socket => NodeKind::Socket,
    };
    let is_file = kind == NodeKind::File;
    // Names that lead back to an entry would be taken for the entry's own when they are read.
    let is_foreign = |name: &str| name != MARK && !name.starts_with(ATTRIBUTE_PREFIX);
    let xattrs = metadata.extended_attributes.iter().filter(|xattr| is_foreign(&xattr.name));
    Node {
        name: Vec::new(),
        kind,
        mode: go_mode(kind, metadata.mode),
        mtime: Time::utc(metadata.modified),
        atime: Time::utc(metadata.accessed),
        ctime: Time::utc(metadata.changed),
        uid: metadata.owner,
        gid: metadata.group,
        user: metadata.owner_name.clone(),
        group: metadata.group_name.clone(),
        inode: metadata.inode,
        // As restic does: the number of a device changes when it is mounted again, and would change every tree with it.
        device_id: if is_file && metadata.links > 1 { metadata.device } else { 0 },
        size: if is_file { metadata.size } else { 0 },
        links: metadata.links,
        linktarget: metadata.link_target.clone().unwrap_or_default(),
        xattrs: xattrs
            .map(|xattr| Xattr { name: xattr.name.clone(), value: xattr.value.clone() })
            .collect(),
        generic_attributes: std::collections::BTreeMap::new(),
        device: metadata.device_number,
        content: is_file.then(Vec::new),
        subtree: None,
        error: String::new(),
    }
}

const SPECIAL_BITS: [(u32, u32); 3] =
    [(0o4000, mode::SET_USER_ID), (0o2000, mode::SET_GROUP_ID), (0o1000, mode::STICKY)];

fn go_mode(kind: NodeKind, unix: u32) -> u32 {
    let kind_bits = match kind {
        NodeKind::File => 0,
        NodeKind::Directory => mode::DIRECTORY,
        NodeKind::Symlink => mode::SYMLINK,
        NodeKind::BlockDevice => mode::DEVICE,
        NodeKind::CharacterDevice => mode::DEVICE | mode::CHARACTER_DEVICE,
        NodeKind::Fifo => mode::FIFO,
        NodeKind::Socket => mode::SOCKET,
        NodeKind::Irregular => mode::IRREGULAR,
    };
    let special = SPECIAL_BITS.iter().filter(|(bit, _)| unix & bit != 0);
    special.fold(kind_bits | unix & mode::PERMISSIONS, |bits, (_, go_bit)| bits | go_bit)
}

fn unix_mode(go: u32) -> u32 {
    let special = SPECIAL_BITS.iter().filter(|(_, go_bit)| go & go_bit != 0);
    special.fold(go & mode::PERMISSIONS, |bits, (bit, _)| bits | bit)
}

#[cfg(test)]
mod tests {
    use lockgate_types::Timestamp;

    use super::*;

    fn metadata(kind: Kind) -> Metadata {
        let at = |seconds| Timestamp { seconds, nanoseconds: 123_456_789 };
        Metadata {
            kind,
            mode: 0o6751,
            owner: 1000,
            group: 100,
            owner_name: "u".to_owned(),
            group_name: "g".to_owned(),
            size: 0,
            modified: at(1),
            accessed: at(-2),
            changed: at(3),
            inode: 7,
            device: 0,
            links: 1,
            device_number: 0,
            link_target: None,
            extended_attributes: vec![ExtendedAttribute {
                name: "user.x".to_owned(),
                value: vec![0, 255],
            }],
        }
    }

    fn entry(metadata: Option<Metadata>) -> Entry {
        let size_hint = metadata
            .as_ref()
            .and_then(|metadata| (metadata.kind == Kind::Regular).then_some(metadata.size));
        Entry {
            path: EntryPath::try_from("a/b").unwrap(),
            media_type: String::new(),
            size_hint,
            metadata,
            attributes: [("etag".to_owned(), "\"1\"".to_owned()), (String::new(), String::new())]
                .into(),
        }
    }

    #[test]
    fn entries_of_all_kinds_come_back() {
        let kinds = [
            Kind::Regular,
            Kind::Directory,
            Kind::Symlink,
            Kind::Fifo,
            Kind::Socket,
            Kind::CharacterDevice,
            Kind::BlockDevice,
        ];
        for kind in kinds {
            let mut metadata = metadata(kind);
            if kind == Kind::Symlink {
                metadata.link_target = Some(b"\xff/..".to_vec());
            }
            if matches!(kind, Kind::CharacterDevice | Kind::BlockDevice) {
                metadata.device_number = 0x8_0001_0003;
            }
            if kind == Kind::Regular {
                (metadata.size, metadata.links, metadata.device) = (9, 2, 5);
            }
            let entry = entry(Some(metadata));
            let node = Node::from_entry(&entry);
            assert_eq!(node.name, b"b");
            assert_eq!(node.to_entry(entry.path.clone()), entry);
        }
    }

    #[test]
    fn entries_without_metadata_come_back() {
        let mut entry = entry(None);
        entry.size_hint = Some(12);
        entry.media_type = "text/csv".to_owned();
        let node = Node::from_entry(&entry);
        assert_eq!((node.kind, node.mode, node.mtime), (NodeKind::File, 0o600, Time::ZERO));
        assert_eq!(node.to_entry(entry.path.clone()), entry);
    }

    #[test]
    fn modes_are_those_of_go() {
        assert_eq!(go_mode(NodeKind::Directory, 0o1777), 1 << 31 | 1 << 20 | 0o777);
        assert_eq!(go_mode(NodeKind::Symlink, 0o777), 134_218_239);
        assert_eq!(go_mode(NodeKind::CharacterDevice, 0o620), 1 << 26 | 1 << 21 | 0o620);
        assert_eq!(go_mode(NodeKind::File, 0o6755), 1 << 23 | 1 << 22 | 0o755);
    }

    #[test]
    fn names_of_ours_among_the_files_own_attributes_are_not_mistaken() {
        let mut metadata = metadata(Kind::Regular);
        for name in ["user.lockgate", "user.lockgate.etag"] {
            let value = b"stream".to_vec();
            metadata.extended_attributes.push(ExtendedAttribute { name: name.to_owned(), value });
        }
        let back = Node::from_entry(&entry(Some(metadata))).to_entry(EntryPath::root());
        assert_eq!(back.attributes["etag"], "\"1\"");
        assert_eq!(back.metadata.unwrap().extended_attributes.len(), 1);
    }
}
