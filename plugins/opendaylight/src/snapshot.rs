//! The file that `cluster-admin:backup-datastore` writes: a `DatastoreSnapshotList` of a datastore's shards, each with its place in the
//! Raft log.
//!
//! The form, as the serialization proxies of the controller write it (<https://github.com/opendaylight/controller/tree/v9.0.4>,
//! the packages `cluster.datastore.persisted` and `cluster.raft.persisted`): a list of `DS` (type, shard manager's `SM` or
//! nothing, number of shards, shards); a shard is a `DSS` (name, Raft's `SS`); Raft's `SS` begins with last index, last term,
//! last applied index and term, election term; the data is in the datastore's own `SS`.

use std::io::Read;

use lockgate_plugin::{Error, Result, printable};
use serde::{Deserialize, Serialize};

use crate::limits::SHARDS_MAX;
use crate::stream::{self, Listener};

const PERSISTED: &str = "org.opendaylight.controller.cluster.datastore.persisted.";
const RAFT: &str = "org.opendaylight.controller.cluster.raft.persisted.SS";

/// A datastore in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Datastore {
    /// `config` or `operational`.
    pub kind: String,
    /// The shards that the shard manager has been told to have, when it was told anything at run time.
    pub manager: Option<Vec<String>>,
    /// Its shards.
    pub shards: Vec<Shard>,
}

/// A shard in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Shard {
    /// As `default`.
    pub name: String,
    /// Of the last entry of the log that is in the snapshot; -1 when there was none.
    pub last_index: i64,
    /// Of that entry.
    pub last_term: i64,
    /// Where its data begins in the file: what is before it changes with every transaction, and the data does not.
    pub offset: u64,
    /// Bytes of its data in the file.
    pub bytes: u64,
}

/// Reads a whole file.
///
/// # Errors
/// When it is cut, or is not such a file.
pub fn read(source: impl Read) -> Result<Vec<Datastore>> {
    let mut reader = Reader::default();
    stream::read(source, &mut reader).map_err(|error| match error.failure() {
        lockgate_plugin::Failure::Corrupt(_) => error.context("the snapshot is not whole"),
        _ => error,
    })?;
    reader.finish()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    List,
    Datastore,
    Manager,
    Shard,
    Raft,
    State,
    Other,
}

impl Class {
    fn of(name: &str) -> Self {
        if name == RAFT {
            return Self::Raft;
        }
        match name.strip_prefix(PERSISTED) {
            Some("DatastoreSnapshotList") => Self::List,
            Some("DS") => Self::Datastore,
            Some("SM") => Self::Manager,
            Some("DSS") => Self::Shard,
            Some("SS") => Self::State,
            _ => Self::Other,
        }
    }
}

#[derive(Default)]
struct Reader {
    stack: Vec<Frame>,
    datastores: Vec<Datastore>,
    /// What the list says of its size.
    announced: Option<i32>,
}

struct Frame {
    class: Class,
    /// Strings and objects that came.
    items: usize,
    /// The first bytes that it wrote itself.
    head: Vec<u8>,
    /// Where it began to write itself behind the last object in it.
    start: Option<u64>,
}

/// Bytes of [`Frame::head`]: five long integers and what tells their lengths.
const HEAD_BYTES: usize = 48;

impl Listener for Reader {
    fn enter(&mut self, class: &str) -> Result<()> {
        let class = Class::of(class);
        let parent = self.stack.last_mut();
        let place = parent.as_ref().map(|frame| (frame.class, frame.items));
        match (class, place) {
            (Class::List, None) => {}
            (Class::Datastore, Some((Class::List, _))) => {
                self.datastores.push(Datastore::default());
            }
            (Class::Manager, Some((Class::Datastore, 1))) => {
                self.datastore()?.manager = Some(Vec::new());
            }
            (Class::Shard, Some((Class::Datastore, 2..))) => {
                let datastore = self.datastore()?;
                if datastore.shards.len() >= SHARDS_MAX {
                    return Err(Error::corrupt(format!("more than {SHARDS_MAX} shards")));
                }
                datastore.shards.push(Shard::default());
            }
            (Class::Raft, Some((Class::Shard, 1))) | (Class::State, Some((Class::Raft, _))) => {}
            (Class::Other, Some((Class::Raft | Class::State | Class::Other, _))) => {}
            _ => return Err(Error::corrupt("its objects are not those of a datastore's snapshot")),
        }
        if let Some(parent) = self.stack.last_mut() {
            parent.items += 1;
            parent.start = None;
        }
        self.stack.push(Frame { class, items: 0, head: Vec::new(), start: None });
        Ok(())
    }

    fn leave(&mut self, end: u64) -> Result<()> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let is_tree = self.stack.last().is_some_and(|parent| parent.class == Class::State);
        match frame.class {
            Class::Other if is_tree => {
                let start = frame.start.unwrap_or(end);
                let shard = self.shard()?;
                (shard.offset, shard.bytes) = (start, end.saturating_sub(start));
            }
            Class::Raft => {
                let mut head = frame.head.as_slice();
                let [last_index, last_term] = two(&mut head)?;
                let shard = self.shard()?;
                (shard.last_index, shard.last_term) = (last_index, last_term);
            }
            Class::Datastore => {
                let count = count(&frame.head)?;
                let shards = &self.datastore()?.shards;
                if count != shards.len() {
                    let text = format!("{} shards, and {count} are announced", shards.len());
                    return Err(Error::corrupt(text));
                }
            }
            Class::Manager => {
                let count = count(&frame.head)?;
                if count != frame.items {
                    return Err(Error::corrupt("the shard manager announces other shards"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn string(&mut self, text: Option<&str>) -> Result<()> {
        let Some(frame) = self.stack.last_mut() else {
            return Err(Error::corrupt("a string, and no snapshot"));
        };
        let (class, at) = (frame.class, frame.items);
        frame.items += 1;
        let named = || text.map(printable).ok_or_else(|| Error::corrupt("a name is too long"));
        match (class, at) {
            (Class::Datastore, 0) => self.datastore()?.kind = named()?,
            (Class::Shard, 0) => self.shard()?.name = named()?,
            (Class::Manager, _) => {
                let name = named()?;
                let names = self.datastore()?.manager.get_or_insert_default();
                if names.len() >= SHARDS_MAX {
                    return Err(Error::corrupt(format!("more than {SHARDS_MAX} shards")));
                }
                names.push(name);
            }
            _ => {}
        }
        Ok(())
    }

    fn null(&mut self) -> Result<()> {
        if let Some(frame) = self.stack.last_mut() {
            frame.items += 1;
        }
        Ok(())
    }

    fn integer(&mut self, field: &str, value: i32) -> Result<()> {
        if self.stack.len() == 1 && field == "size" {
            self.announced = Some(value);
        }
        Ok(())
    }

    fn data(&mut self, start: u64, bytes: &[u8]) -> Result<()> {
        if let Some(frame) = self.stack.last_mut() {
            let room = HEAD_BYTES.saturating_sub(frame.head.len());
            frame.head.extend(bytes.iter().take(room));
            frame.start.get_or_insert(start);
        }
        Ok(())
    }
}

impl Reader {
    fn datastore(&mut self) -> Result<&mut Datastore> {
        self.datastores.last_mut().ok_or_else(|| Error::corrupt("a shard of no datastore"))
    }

    fn shard(&mut self) -> Result<&mut Shard> {
        let shard = self.datastore()?.shards.last_mut();
        shard.ok_or_else(|| Error::corrupt("the data of no shard"))
    }

    fn finish(mut self) -> Result<Vec<Datastore>> {
        let count = self.datastores.len();
        if self.announced != i32::try_from(count).ok() || count == 0 {
            return Err(Error::corrupt(format!(
                "the snapshot holds {count} datastores, and {:?} are announced",
                self.announced
            )));
        }
        for datastore in &mut self.datastores {
            // The server writes them in the order in which they answered.
            datastore.shards.sort_by(|one, other| one.name.cmp(&other.name));
            let names = datastore.shards.iter().map(|shard| &shard.name);
            if names.clone().zip(names.skip(1)).any(|(one, next)| one == next) {
                return Err(Error::corrupt("the snapshot holds a shard twice"));
            }
            let is_named = datastore.shards.iter().all(|shard| !shard.name.is_empty());
            if datastore.kind.is_empty() || !is_named {
                return Err(Error::corrupt("the snapshot holds something without a name"));
            }
        }
        Ok(self.datastores)
    }
}

fn count(head: &[u8]) -> Result<usize> {
    let count = head.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes));
    let count = count.and_then(|count| usize::try_from(count).ok());
    count.ok_or_else(|| Error::corrupt("a list without its length"))
}

/// Two integers behind one byte that has their lengths, as yangtools' `WritableObjects.writeLongs` writes them.
fn two(head: &mut &[u8]) -> Result<[i64; 2]> {
    let short = || Error::corrupt("a shard does not tell its last index");
    let (lengths, rest) = head.split_first().ok_or_else(short)?;
    *head = rest;
    let mut numbers = [0; 2];
    for (number, length) in numbers.iter_mut().zip([lengths & 0x0f, lengths >> 4]) {
        if length > 8 {
            return Err(short());
        }
        let (bytes, rest) = head.split_at_checked(usize::from(length)).ok_or_else(short)?;
        *head = rest;
        let value = bytes.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        *number = value.cast_signed();
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a stream as Java's `ObjectOutputStream` does, as far as a snapshot needs it.
    #[derive(Default)]
    struct Stream(Vec<u8>);

    impl Stream {
        fn utf(&mut self, text: &str) -> &mut Self {
            self.0.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            self.raw(text.as_bytes())
        }

        fn raw(&mut self, bytes: &[u8]) -> &mut Self {
            self.0.extend(bytes);
            self
        }

        /// A new class that writes itself.
        fn class(&mut self, name: &str) -> &mut Self {
            self.raw(&[0x73, 0x72])
                .utf(name)
                .raw(&1_u64.to_be_bytes())
                .raw(&[0x0c, 0, 0, 0x78, 0x70])
        }

        /// An object of a class that came before.
        fn again(&mut self, handle: u8) -> &mut Self {
            self.raw(&[0x73, 0x71, 0x00, 0x7e, 0x00, handle])
        }

        fn string(&mut self, text: &str) -> &mut Self {
            self.raw(&[0x74]).utf(text)
        }

        fn block(&mut self, bytes: &[u8]) -> &mut Self {
            self.raw(&[0x77, u8::try_from(bytes.len()).unwrap()]).raw(bytes)
        }

        fn end(&mut self) -> &mut Self {
            self.raw(&[0x78])
        }
    }

    const NAME: &str = "org.opendaylight.controller.cluster.datastore.persisted.";

    /// Two datastores: one with a shard manager's list and two shards, one with a shard whose name and type came before.
    fn sample() -> Vec<u8> {
        let mut stream = Stream::default();
        // Handles: the class of the list 0, its parent 1, the list 2.
        stream.raw(&MAGIC).raw(&[0x73, 0x72]).utf(&format!("{NAME}DatastoreSnapshotList"));
        stream.raw(&1_u64.to_be_bytes()).raw(&[0x02, 0, 0, 0x78, 0x72]).utf("java.util.ArrayList");
        stream.raw(&1_u64.to_be_bytes()).raw(&[0x03, 0, 1, b'I']).utf("size").raw(&[0x78, 0x70]);
        stream.raw(&2_i32.to_be_bytes()).block(&2_i32.to_be_bytes());
        // DS is 3, this object 4, its type 5.
        stream.class(&format!("{NAME}DS")).string("config");
        // SM is 6, this object 7, its name 8.
        stream.class(&format!("{NAME}SM")).block(&1_i32.to_be_bytes()).string("default").end();
        stream.block(&2_i32.to_be_bytes());
        // DSS is 9, this object 10, its name 11.
        stream.class(&format!("{NAME}DSS")).string("inventory");
        // SS of Raft is 12, this object 13.
        stream.class(super::RAFT).block(&[0x11, 7, 1, 0x11, 7, 1, 1, 1]).raw(&[0x70, 0x70]);
        stream.block(&0_i32.to_be_bytes());
        // SS of the datastore is 14, this object 15; MS is 16, this object 17.
        stream.class(&format!("{NAME}SS")).block(&[1, 2, 3]);
        stream
            .class(&format!("{NAME}MS"))
            .block(&[9; 200])
            .raw(&[0x7a, 0, 0, 1, 0])
            .raw(&[8; 256])
            .end();
        stream.end().end().end();
        // The name of this shard is the manager's.
        stream.again(9).raw(&[0x71, 0x00, 0x7e, 0x00, 8]);
        stream
            .again(12)
            .block(&[0x88])
            .block(&(-1_i64).to_be_bytes())
            .block(&(-1_i64).to_be_bytes());
        stream.raw(&[0x70, 0x70]).block(&0_i32.to_be_bytes()).again(14).end().end().end();
        stream.end();
        stream.again(3).string("operational").raw(&[0x70]).block(&1_i32.to_be_bytes());
        stream.again(9).raw(&[0x71, 0x00, 0x7e, 0x00, 8]);
        stream
            .again(12)
            .block(&[0x12, 0x01, 0x02, 3])
            .raw(&[0x70, 0x70])
            .block(&[0; 4])
            .end()
            .end()
            .end();
        stream.end();
        stream.0
    }

    const MAGIC: [u8; 4] = [0xac, 0xed, 0x00, 0x05];

    #[test]
    fn all_shards_are_listed_with_their_place_in_the_log() {
        let whole = sample();
        let found = read(whole.as_slice()).unwrap();
        let shard = |name: &str, last_index, last_term| Shard {
            name: name.to_owned(),
            last_index,
            last_term,
            ..Shard::default()
        };
        // From the first block of the tree up to the end of the object that holds it.
        let offset = whole.windows(2).position(|pair| pair == [0x77, 200]).unwrap() as u64;
        let inventory = Shard { offset, bytes: 2 + 200 + 5 + 256 + 1, ..shard("inventory", 7, 1) };
        let config = Datastore {
            kind: "config".to_owned(),
            manager: Some(vec!["default".to_owned()]),
            shards: vec![shard("default", -1, -1), inventory],
        };
        let operational = Datastore {
            kind: "operational".to_owned(),
            manager: None,
            shards: vec![shard("default", 0x0102, 3)],
        };
        assert_eq!(found, [config, operational]);
    }

    #[test]
    fn a_file_that_is_cut_is_refused_at_every_byte() {
        let whole = sample();
        for end in 0..whole.len() {
            let error = read(&whole[..end]).unwrap_err();
            assert!(error.message().starts_with("the snapshot is not whole"), "{end}: {error}");
        }
        assert!(read([whole.as_slice(), &[0]].concat().as_slice()).is_err());
    }

    #[test]
    fn hostile_bytes_end_in_an_error_or_in_other_shards() {
        let whole = sample();
        for at in 0..whole.len() {
            for byte in [0x00, 0x70, 0x71, 0x72, 0x73, 0x7a, 0x7c, 0xff] {
                let mut changed = whole.clone();
                changed[at] = byte;
                // It must neither panic nor take long.
                let _ = read(changed.as_slice());
            }
        }
    }

    /// Takes anything.
    struct Anything;

    impl Listener for Anything {
        fn enter(&mut self, _: &str) -> Result<()> {
            Ok(())
        }

        fn leave(&mut self, _: u64) -> Result<()> {
            Ok(())
        }

        fn string(&mut self, _: Option<&str>) -> Result<()> {
            Ok(())
        }

        fn null(&mut self) -> Result<()> {
            Ok(())
        }

        fn integer(&mut self, _: &str, _: i32) -> Result<()> {
            Ok(())
        }

        fn data(&mut self, _: u64, _: &[u8]) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn objects_in_objects_have_an_end() {
        let mut objects = Stream::default();
        objects.raw(&MAGIC);
        for _ in 0..10_000 {
            objects.class("x");
        }
        let mut classes = Stream::default();
        classes.raw(&MAGIC).raw(&[0x73]);
        for _ in 0..10_000 {
            classes.raw(&[0x72]).utf("x").raw(&1_u64.to_be_bytes()).raw(&[0x02, 0, 0, 0x78]);
        }
        for deep in [objects.0, classes.0] {
            let error = stream::read(deep.as_slice(), &mut Anything).unwrap_err();
            assert!(error.message().contains("levels"), "{error}");
        }
    }

    #[test]
    fn another_object_is_no_snapshot() {
        let mut stream = Stream::default();
        stream.raw(&MAGIC).class("java.util.HashMap").end();
        let error = read(stream.0.as_slice()).unwrap_err();
        assert!(error.message().contains("not those of a datastore"), "{error}");
        assert!(read(&b"PK\x03\x04"[..]).is_err());
    }
}
