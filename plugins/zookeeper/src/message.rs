//! The messages of the client protocol that this plugin speaks, after `zookeeper.jute` of ZooKeeper 3.8.

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error};
use crate::jute::{Reader, Writer};
use crate::limits::ACL_ENTRIES_MAX;

/// Numbers of operations (`ZooDefs.OpCode`).
#[allow(missing_docs, reason = "each is the operation of that name")]
pub mod op {
    pub const CREATE: i32 = 1;
    pub const DELETE: i32 = 2;
    pub const EXISTS: i32 = 3;
    pub const GET_DATA: i32 = 4;
    pub const SET_DATA: i32 = 5;
    pub const GET_ACL: i32 = 6;
    pub const SET_ACL: i32 = 7;
    pub const SYNC: i32 = 9;
    pub const PING: i32 = 11;
    pub const GET_CHILDREN: i32 = 12;
    pub const CHECK: i32 = 13;
    pub const MULTI: i32 = 14;
    pub const CREATE2: i32 = 15;
    pub const CREATE_CONTAINER: i32 = 19;
    pub const CREATE_TTL: i32 = 21;
    pub const MULTI_READ: i32 = 22;
    pub const AUTH: i32 = 100;
    pub const ADD_WATCH: i32 = 106;
    pub const WHO_AM_I: i32 = 107;
    pub const CLOSE: i32 = -11;
    pub const ERROR: i32 = -1;
}

/// All permissions of an ACL.
pub const PERMISSIONS_ALL: i32 = 31;

/// One line of an ACL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acl {
    /// Bits: 1 read, 2 write, 4 create, 8 delete, 16 administer.
    pub perms: i32,
    /// `world`, `digest`, `ip`, `sasl`, `x509`, ...
    pub scheme: String,
    /// Who, in the scheme's terms.
    pub id: String,
}

impl Acl {
    /// `world:anyone:cdrwa`.
    pub fn open() -> Vec<Self> {
        vec![Self { perms: PERMISSIONS_ALL, scheme: "world".to_owned(), id: "anyone".to_owned() }]
    }

    /// Everything for those who the session has logged in as.
    pub fn own() -> Vec<Self> {
        vec![Self { perms: PERMISSIONS_ALL, scheme: "auth".to_owned(), id: String::new() }]
    }

    /// Writes a list.
    pub fn write(acl: &[Self], writer: &mut Writer) {
        writer.int(i32::try_from(acl.len()).unwrap_or(i32::MAX));
        for line in acl {
            writer.int(line.perms).text(&line.scheme).text(&line.id);
        }
    }

    /// Reads a list.
    ///
    /// # Errors
    /// When the message is broken.
    pub fn read(reader: &mut Reader<'_>) -> Result<Vec<Self>, Error> {
        let count = reader.count(12)?;
        if count > ACL_ENTRIES_MAX {
            return Err(Error::Protocol("an ACL is too long"));
        }
        let line =
            |_| Ok(Self { perms: reader.int()?, scheme: reader.text()?, id: reader.text()? });
        (0..count).map(line).collect()
    }
}

/// What the server knows about a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Transaction that created the node.
    pub czxid: i64,
    /// Transaction that changed its data last.
    pub mzxid: i64,
    /// How often its children changed.
    pub cversion: i32,
    /// How often its ACL was set.
    pub aversion: i32,
    /// Session of an ephemeral node, or what kind of node it is.
    pub owner: i64,
    /// Bytes of its data.
    pub data_length: i32,
    /// Number of its children.
    pub children: i32,
    /// Transaction that changed its list of children last.
    pub pzxid: i64,
}

impl Stat {
    /// Reads one.
    ///
    /// # Errors
    /// When the message ends.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let (czxid, mzxid) = (reader.long()?, reader.long()?);
        let (_created, _modified) = (reader.long()?, reader.long()?);
        let _version = reader.int()?;
        Ok(Self {
            czxid,
            mzxid,
            cversion: reader.int()?,
            aversion: reader.int()?,
            owner: reader.long()?,
            data_length: reader.int()?,
            children: reader.int()?,
            pzxid: reader.long()?,
        })
    }

    /// The number that the node's next sequential child gets: how many children were ever created. The server shows creations
    /// and deletions together (`DataNode.copyStat`). None when the counter has run over.
    pub fn sequence(&self) -> Option<u32> {
        let both = i64::from(self.cversion) + i64::from(self.children);
        u32::try_from(both / 2).ok().filter(|_| self.cversion >= 0)
    }
}

/// Kind of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Stays until it is deleted.
    Persistent,
    /// Goes when its last child is gone.
    Container,
    /// Goes when it has not changed and had no children for so many milliseconds.
    Ttl(i64),
}

/// Highest byte of the owner of nodes with a feature of their own, see `EphemeralType`.
const FEATURE_MASK: u64 = 0xff << 56;
/// Which feature; 0 is the time to live.
const FEATURE_KIND_MASK: u64 = 0xffff << 40;
/// Longest time to live, in milliseconds.
pub const TTL_MAX: i64 = (1 << 40) - 1;

impl Kind {
    /// The kind of a node with this owner; none when it is ephemeral.
    ///
    /// # Errors
    /// When it is a kind that this plugin does not know.
    pub fn of_owner(owner: i64) -> Result<Option<Self>, Error> {
        let bits = owner.cast_unsigned();
        if owner == 0 {
            Ok(Some(Self::Persistent))
        } else if owner == i64::MIN {
            Ok(Some(Self::Container))
        } else if bits & FEATURE_MASK == FEATURE_MASK {
            match bits & FEATURE_KIND_MASK {
                0 => Ok(Some(Self::Ttl(owner & TTL_MAX))),
                _ => Err(Error::Protocol("a node is of a kind that this plugin does not know")),
            }
        } else {
            Ok(None)
        }
    }
}

/// What happened to a node that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It was created.
    Created,
    /// It is gone.
    Deleted,
    /// Its data was set.
    Changed,
    /// Anything else: its children, or the watch itself.
    Other,
}

/// A message of the server that nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub happened: Happened,
    /// To which node.
    pub path: String,
}

impl Event {
    /// Reads one.
    ///
    /// # Errors
    /// When the message is broken.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let happened = match reader.int()? {
            1 => Happened::Created,
            2 => Happened::Deleted,
            3 => Happened::Changed,
            _ => Happened::Other,
        };
        let _state = reader.int()?;
        Ok(Self { happened, path: reader.text()? })
    }
}

/// A path, and whether to watch it (never).
pub fn of_path(path: &str) -> Writer {
    let mut writer = Writer::default();
    writer.text(path).boolean(false);
    writer
}

/// One change, as a part of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// A new node.
    Create(Kind, &'a str, Option<&'a [u8]>, &'a [Acl]),
    /// Other data.
    SetData(&'a str, Option<&'a [u8]>),
    /// No node.
    Delete(&'a str),
}

/// Flags of `CreateMode`.
const FLAGS_PERSISTENT: i32 = 0;
const FLAGS_CONTAINER: i32 = 4;
const FLAGS_TTL: i32 = 5;

impl Change<'_> {
    /// Writes it with the header that it has in a transaction.
    pub fn write(&self, writer: &mut Writer) {
        let number = match self {
            Self::Create(Kind::Persistent, ..) => op::CREATE2,
            Self::Create(Kind::Container, ..) => op::CREATE_CONTAINER,
            Self::Create(Kind::Ttl(_), ..) => op::CREATE_TTL,
            Self::SetData(..) => op::SET_DATA,
            Self::Delete(_) => op::DELETE,
        };
        header(writer, number, false);
        match self {
            Self::Create(kind, path, data, acl) => {
                writer.text(path).buffer(*data);
                Acl::write(acl, writer);
                match kind {
                    Kind::Persistent => writer.int(FLAGS_PERSISTENT),
                    Kind::Container => writer.int(FLAGS_CONTAINER),
                    Kind::Ttl(milliseconds) => writer.int(FLAGS_TTL).long(*milliseconds),
                };
            }
            Self::SetData(path, data) => {
                writer.text(path).buffer(*data).int(-1);
            }
            Self::Delete(path) => {
                writer.text(path).int(-1);
            }
        }
    }
}

/// `MultiHeader`.
fn header(writer: &mut Writer, number: i32, is_last: bool) {
    writer.int(number).boolean(is_last).int(-1);
}

/// Ends a transaction, or a list of things to read.
pub fn end_of_list(writer: &mut Writer) {
    header(writer, -1, true);
}

/// Several nodes to be read in one go.
pub fn multi_read<'a>(paths: impl IntoIterator<Item = &'a str>) -> Writer {
    let mut writer = Writer::default();
    for path in paths {
        header(&mut writer, op::GET_DATA, false);
        writer.text(path).boolean(false);
    }
    end_of_list(&mut writer);
    writer
}

/// What the server says to one operation of several.
pub enum Outcome<'a> {
    /// It failed.
    Failed(Code),
    /// Data and what is known about the node.
    Data(Option<&'a [u8]>, Stat),
    /// It was done.
    Done,
}

impl<'a> Outcome<'a> {
    /// Reads the next; none at the end.
    ///
    /// # Errors
    /// When the message is broken.
    pub fn read(reader: &mut Reader<'a>) -> Result<Option<Self>, Error> {
        let number = reader.int()?;
        let is_last = reader.boolean()?;
        let _error = reader.int()?;
        if is_last {
            return Ok(None);
        }
        Ok(Some(match number {
            op::ERROR => Self::Failed(Code(reader.int()?)),
            op::GET_DATA => Self::Data(reader.buffer()?, Stat::read(reader)?),
            op::CREATE => reader.text().map(|_path| Self::Done)?,
            op::CREATE2 | op::CREATE_CONTAINER | op::CREATE_TTL => {
                let _path = reader.text()?;
                Stat::read(reader).map(|_| Self::Done)?
            }
            op::SET_DATA => Stat::read(reader).map(|_| Self::Done)?,
            op::DELETE | op::CHECK => Self::Done,
            _ => return Err(Error::Protocol("an answer to an operation that was not asked for")),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_tell_the_kind() {
        assert_eq!(Kind::of_owner(0).unwrap(), Some(Kind::Persistent));
        assert_eq!(Kind::of_owner(i64::MIN).unwrap(), Some(Kind::Container));
        assert_eq!(Kind::of_owner(0x0100_0018_5e7f_0001).unwrap(), None);
        let ttl = 0xff00_0000_0000_1388_u64.cast_signed();
        assert_eq!(Kind::of_owner(ttl).unwrap(), Some(Kind::Ttl(5000)));
        assert!(Kind::of_owner(0xff00_0100_0000_0000_u64.cast_signed()).is_err());
    }

    #[test]
    fn the_sequence_is_the_number_of_creations() {
        // Seven created, four of them deleted: the server shows 7 * 2 - 3.
        let stat = Stat { cversion: 11, children: 3, ..Stat::default() };
        assert_eq!(stat.sequence(), Some(7));
        assert_eq!(Stat { cversion: -5, children: 9, ..Stat::default() }.sequence(), None);
    }

    #[test]
    fn answers_to_several_operations_are_read_one_by_one() {
        let mut writer = Writer::default();
        header(&mut writer, op::ERROR, false);
        writer.int(-101);
        header(&mut writer, op::DELETE, false);
        end_of_list(&mut writer);
        let mut reader = Reader::new(&writer.0);
        assert!(matches!(Outcome::read(&mut reader), Ok(Some(Outcome::Failed(Code::NO_NODE)))));
        assert!(matches!(Outcome::read(&mut reader), Ok(Some(Outcome::Done))));
        assert!(matches!(Outcome::read(&mut reader), Ok(None)));
        assert!(Outcome::read(&mut reader).is_err());
    }

    #[test]
    fn an_acl_of_impossible_length_is_refused() {
        let bytes = [0x00, 0xff, 0xff, 0xff, 0, 0, 0, 1];
        assert!(Acl::read(&mut Reader::new(&bytes)).is_err());
    }
}
