use std::borrow::Cow;
use std::collections::BTreeMap;

use lockgate_types::Digest;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::go_json::ObjectPrinter;
use super::go_quote::{quote, unquote};
use super::tree::FromJson;
use super::{Time, decode_base64, encode_base64};

/// What a node is; the names are those of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum NodeKind {
    /// `file`.
    #[default]
    File,
    /// `dir`.
    Directory,
    /// `symlink`.
    Symlink,
    /// `dev`: a block device.
    BlockDevice,
    /// `chardev`.
    CharacterDevice,
    /// `fifo`.
    Fifo,
    /// `socket`.
    Socket,
    /// `irregular`, or empty: what restic could not name.
    Irregular,
}

/// A named value that a file system keeps beside a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Xattr {
    /// With its namespace.
    pub name: String,
    /// The bytes.
    pub value: Vec<u8>,
}

/// One name of a tree, with all that the format knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Node {
    /// Any bytes but NUL and `/`.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: NodeKind,
    /// Go's `os.FileMode`: permissions in the low nine bits, kind and set-id bits high up.
    pub mode: u32,
    /// Last change of the content.
    pub mtime: Time,
    /// Last access.
    pub atime: Time,
    /// Last change of the inode.
    pub ctime: Time,
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
    /// Empty when not known.
    pub user: String,
    /// Empty when not known.
    pub group: String,
    /// 0 when not known.
    pub inode: u64,
    /// 0 when not known; restic keeps it of hard links only.
    pub device_id: u64,
    /// Bytes of content.
    pub size: u64,
    /// Number of hard links, 0 when not known.
    pub links: u64,
    /// Of symbolic links; any bytes.
    pub linktarget: Vec<u8>,
    /// In the order they were found.
    pub xattrs: Vec<Xattr>,
    /// Of other operating systems: raw JSON by key.
    pub generic_attributes: BTreeMap<String, String>,
    /// Of devices, as `stat` gives it.
    pub device: u64,
    /// The blobs of the content in order. `None` for all but files; an empty file has an empty list.
    pub content: Option<Vec<Digest>>,
    /// The tree of a directory.
    pub subtree: Option<Digest>,
    /// What restic could not read of it.
    pub error: String,
}

/// `os.FileMode` bits of Go, from its `io/fs` package.
pub(crate) mod mode {
    pub(crate) const DIRECTORY: u32 = 1 << 31;
    pub(crate) const SYMLINK: u32 = 1 << 27;
    pub(crate) const DEVICE: u32 = 1 << 26;
    pub(crate) const FIFO: u32 = 1 << 25;
    pub(crate) const SOCKET: u32 = 1 << 24;
    pub(crate) const SET_USER_ID: u32 = 1 << 23;
    pub(crate) const SET_GROUP_ID: u32 = 1 << 22;
    pub(crate) const CHARACTER_DEVICE: u32 = 1 << 21;
    pub(crate) const STICKY: u32 = 1 << 20;
    pub(crate) const IRREGULAR: u32 = 1 << 19;
    pub(crate) const PERMISSIONS: u32 = 0o777;
}

impl NodeKind {
    /// The name in the format.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "dir",
            Self::Symlink => "symlink",
            Self::BlockDevice => "dev",
            Self::CharacterDevice => "chardev",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::Irregular => "irregular",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "file" => Self::File,
            "dir" => Self::Directory,
            "symlink" => Self::Symlink,
            "dev" => Self::BlockDevice,
            "chardev" => Self::CharacterDevice,
            "fifo" => Self::Fifo,
            "socket" => Self::Socket,
            "irregular" | "" => Self::Irregular,
            _ => return None,
        })
    }
}

impl Node {
    /// A directory that nobody described: only its owner may enter.
    #[must_use]
    pub fn made_up_directory(name: Vec<u8>, time: Time) -> Self {
        Self {
            name,
            kind: NodeKind::Directory,
            mode: mode::DIRECTORY | 0o700,
            mtime: time,
            atime: time,
            ctime: time,
            ..Self::default()
        }
    }

    /// The blobs of the content; none of all but files.
    #[must_use]
    pub fn blobs(&self) -> &[Digest] {
        self.content.as_deref().unwrap_or_default()
    }

    /// Appends the JSON of the node.
    pub(super) fn print(&self, json: &mut Vec<u8>) {
        self.print_split(json);
    }

    /// Appends the JSON of the node, and tells where in `json` the member `subtree` starts or would have to be put,
    /// with the comma in front of it.
    pub(crate) fn print_split(&self, json: &mut Vec<u8>) -> usize {
        let mut object = ObjectPrinter::begin(json);
        object.string("name", &quote(&self.name));
        object.plain_string("type", self.kind.as_str());
        object.number_unless_zero("mode", self.mode.into());
        object.plain_string("mtime", self.mtime);
        object.plain_string("atime", self.atime);
        object.plain_string("ctime", self.ctime);
        object.number("uid", self.uid.into());
        object.number("gid", self.gid.into());
        object.string_unless_empty("user", self.user.as_bytes());
        object.string_unless_empty("group", self.group.as_bytes());
        object.number_unless_zero("inode", self.inode);
        object.number_unless_zero("device_id", self.device_id);
        object.number_unless_zero("size", self.size);
        object.number_unless_zero("links", self.links);
        object.string_unless_empty("linktarget", &self.linktarget);
        if std::str::from_utf8(&self.linktarget).is_err() {
            object.plain_string("linktarget_raw", encode_base64(&self.linktarget));
        }
        if !self.xattrs.is_empty() {
            object.list("extended_attributes", &self.xattrs, print_xattr);
        }
        if !self.generic_attributes.is_empty() {
            let attributes = object.key("generic_attributes");
            let mut members = ObjectPrinter::begin(attributes);
            for (key, value) in &self.generic_attributes {
                members.foreign_key(key).extend_from_slice(value.as_bytes());
            }
            members.end();
        }
        object.number_unless_zero("device", self.device);
        match &self.content {
            None => object.key("content").extend_from_slice(b"null"),
            Some(blobs) => object.list("content", blobs, print_digest),
        }
        let split = object.length();
        if let Some(subtree) = self.subtree {
            object.plain_string("subtree", subtree);
        }
        object.string_unless_empty("error", self.error.as_bytes());
        object.end();
        split
    }
}

// The content of large files is most of what is printed: no formatter, no allocation.
fn print_digest(json: &mut Vec<u8>, digest: &Digest) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'"'; 66];
    for (pair, byte) in text[1..65].chunks_exact_mut(2).zip(digest.0) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    json.extend_from_slice(&text);
}

fn print_xattr(json: &mut Vec<u8>, xattr: &Xattr) {
    let mut object = ObjectPrinter::begin(json);
    object.string("name", xattr.name.as_bytes());
    object.plain_string("value", encode_base64(&xattr.value));
    object.end();
}

impl FromJson for Node {
    type Json<'a> = NodeJson<'a>;

    fn from_json(json: NodeJson<'_>) -> Result<Self, String> {
        json.into_node()
    }

    fn name(&self) -> &[u8] {
        &self.name
    }
}

/// A node as serde reads it; null and missing mean the same to Go.
#[derive(Deserialize)]
pub(super) struct NodeJson<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    mode: Option<u32>,
    mtime: Option<Time>,
    atime: Option<Time>,
    ctime: Option<Time>,
    uid: Option<u32>,
    gid: Option<u32>,
    user: Option<String>,
    group: Option<String>,
    inode: Option<u64>,
    device_id: Option<u64>,
    size: Option<u64>,
    links: Option<u64>,
    linktarget: Option<String>,
    linktarget_raw: Option<String>,
    extended_attributes: Option<Vec<XattrJson>>,
    #[serde(borrow)]
    generic_attributes: Option<BTreeMap<String, &'a RawValue>>,
    device: Option<u64>,
    content: Option<Vec<Digest>>,
    subtree: Option<Digest>,
    error: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct XattrJson {
    name: String,
    value: Option<String>,
}

/// The bytes of a name.
pub(super) fn parse_name(text: &str) -> Result<Vec<u8>, String> {
    let name =
        unquote(text.as_bytes()).ok_or_else(|| format!("name {text:?} is not quoted well"))?;
    let is_component = !name.is_empty()
        && name != b"."
        && name != b".."
        && !name.iter().any(|byte| matches!(byte, b'/' | 0));
    if !is_component {
        return Err(format!("{:?} is no name", name.escape_ascii().to_string()));
    }
    Ok(name)
}

/// What `name` is.
pub(super) fn parse_kind(name: &[u8], text: &str) -> Result<NodeKind, String> {
    let unknown = || format!("{:?} has the unknown type {text:?}", name.escape_ascii().to_string());
    NodeKind::parse(text).ok_or_else(unknown)
}

/// What is kept beside `name`.
pub(super) fn parse_xattrs(
    name: &[u8],
    list: Option<Vec<XattrJson>>,
) -> Result<Vec<Xattr>, String> {
    let mut xattrs = Vec::new();
    for XattrJson { name: xattr, value } in list.unwrap_or_default() {
        let value = decode_base64(&value.unwrap_or_default()).ok_or_else(|| {
            let name = name.escape_ascii().to_string();
            format!("attribute {xattr:?} of {name:?} is not base64")
        })?;
        xattrs.push(Xattr { name: xattr, value });
    }
    Ok(xattrs)
}

impl NodeJson<'_> {
    fn into_node(self) -> Result<Node, String> {
        let name = parse_name(&self.name)?;
        let kind = parse_kind(&name, &self.kind)?;
        let linktarget = match &self.linktarget_raw {
            Some(raw) => {
                let named = || name.escape_ascii().to_string();
                decode_base64(raw).ok_or_else(|| format!("link {:?} is not base64", named()))?
            }
            None => self.linktarget.unwrap_or_default().into_bytes(),
        };
        let xattrs = parse_xattrs(&name, self.extended_attributes)?;
        let generic = self.generic_attributes.unwrap_or_default().into_iter();
        Ok(Node {
            kind,
            mode: self.mode.unwrap_or(0),
            mtime: self.mtime.unwrap_or_default(),
            atime: self.atime.unwrap_or_default(),
            ctime: self.ctime.unwrap_or_default(),
            uid: self.uid.unwrap_or(0),
            gid: self.gid.unwrap_or(0),
            user: self.user.unwrap_or_default(),
            group: self.group.unwrap_or_default(),
            inode: self.inode.unwrap_or(0),
            device_id: self.device_id.unwrap_or(0),
            size: self.size.unwrap_or(0),
            links: self.links.unwrap_or(0),
            linktarget,
            xattrs,
            generic_attributes: generic.map(|(key, value)| (key, value.get().to_owned())).collect(),
            device: self.device.unwrap_or(0),
            content: self.content,
            subtree: self.subtree,
            error: self.error.unwrap_or_default(),
            name,
        })
    }
}
