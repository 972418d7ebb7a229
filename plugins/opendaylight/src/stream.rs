//! Reads a stream of Java's object serialization and tells what stands in it, in bounded memory: classes are not loaded,
//! objects are not made, and data is passed on piece by piece.
//!
//! The grammar: section 6 of the specification, <https://docs.oracle.com/en/java/javase/17/docs/specs/serialization/protocol.html>.

use std::io::Read;
use std::rc::Rc;

use lockgate_plugin::{Context, Error, Result};

use crate::limits::{CLASS_FIELDS_MAX, DEPTH_MAX, HANDLES_MAX, NAME_BYTES_MAX};

const MAGIC: [u8; 4] = [0xac, 0xed, 0x00, 0x05];

const TC_NULL: u8 = 0x70;
const TC_REFERENCE: u8 = 0x71;
const TC_CLASSDESC: u8 = 0x72;
const TC_OBJECT: u8 = 0x73;
const TC_STRING: u8 = 0x74;
const TC_ARRAY: u8 = 0x75;
const TC_CLASS: u8 = 0x76;
const TC_BLOCKDATA: u8 = 0x77;
const TC_ENDBLOCKDATA: u8 = 0x78;
const TC_BLOCKDATALONG: u8 = 0x7a;
const TC_LONGSTRING: u8 = 0x7c;
const TC_ENUM: u8 = 0x7e;
const BASE_HANDLE: u32 = 0x7e_0000;

const SC_WRITE_METHOD: u8 = 0x01;
const SC_SERIALIZABLE: u8 = 0x02;
const SC_EXTERNALIZABLE: u8 = 0x04;
const SC_BLOCK_DATA: u8 = 0x08;

/// Bytes of data that are passed on at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Is told what stands in a stream, in its order.
pub trait Listener {
    /// An object of that class begins.
    fn enter(&mut self, class: &str) -> Result<()>;
    /// The object that began last ends, in front of the byte `end` of the stream.
    fn leave(&mut self, end: u64) -> Result<()>;
    /// A string; none for one that is longer than names are.
    fn string(&mut self, text: Option<&str>) -> Result<()>;
    /// No object.
    fn null(&mut self) -> Result<()>;
    /// An integer field of the object that began last.
    fn integer(&mut self, field: &str, value: i32) -> Result<()>;
    /// Data that the object that began last has written itself, of a block that begins at the byte `start` of the stream; what it
    /// wrote in one go may come in several pieces.
    fn data(&mut self, start: u64, bytes: &[u8]) -> Result<()>;
}

/// Reads one object, up to the end of `source`.
///
/// # Errors
/// When the stream is cut, is none, or has what no snapshot needs.
pub fn read(source: impl Read, listener: &mut impl Listener) -> Result<()> {
    let mut parser = Parser { source, offset: 0, handles: Vec::new(), depth: 0, listener };
    parser.whole().map_err(|error| {
        error.context(format!("at byte {} of the serialized objects", parser.offset))
    })
}

/// What a later reference may mean.
#[derive(Clone)]
enum Handle {
    Class(Rc<Class>),
    String(Option<Rc<str>>),
    /// Anything else.
    Other,
}

struct Class {
    name: String,
    flags: u8,
    fields: Vec<Field>,
    parent: Option<Rc<Class>>,
}

struct Field {
    kind: u8,
    name: String,
}

struct Parser<'a, R, L> {
    source: R,
    offset: u64,
    handles: Vec<Handle>,
    depth: usize,
    listener: &'a mut L,
}

impl<R: Read, L: Listener> Parser<'_, R, L> {
    fn whole(&mut self) -> Result<()> {
        if self.bytes::<4>()? != MAGIC {
            return Err(Error::corrupt("this is no stream of serialized Java objects"));
        }
        let tag = self.byte()?;
        self.content(tag)?;
        let mut more = [0];
        match self.source.read(&mut more)? {
            0 => Ok(()),
            _ => Err(Error::corrupt("something follows the object")),
        }
    }

    fn content(&mut self, tag: u8) -> Result<()> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error::corrupt(format!("objects in more than {DEPTH_MAX} levels")));
        }
        match tag {
            TC_NULL => self.listener.null()?,
            TC_REFERENCE => {
                if let Handle::String(text) = self.reference()? {
                    self.listener.string(text.as_deref())?;
                }
            }
            TC_CLASSDESC => drop(self.class_description(tag)?),
            TC_OBJECT => self.object()?,
            TC_STRING | TC_LONGSTRING => {
                let text = self.string(tag)?;
                self.listener.string(text.as_deref())?;
            }
            TC_ARRAY => self.array()?,
            TC_CLASS => {
                self.class()?;
                self.assign(Handle::Other)?;
            }
            TC_ENUM => {
                self.class()?;
                self.assign(Handle::Other)?;
                let tag = self.byte()?;
                self.text(tag)?;
            }
            TC_BLOCKDATA => {
                let start = self.offset - 1;
                let length = u64::from(self.byte()?);
                self.data(start, length)?;
            }
            TC_BLOCKDATALONG => {
                let start = self.offset - 1;
                let length = self.length()?;
                self.data(start, length)?;
            }
            // Exceptions, resets and proxies of interfaces stand in no snapshot.
            other => return Err(Error::corrupt(format!("the tag {other:#04x} is not expected"))),
        }
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self) -> Result<()> {
        let class = self.class()?.ok_or_else(|| Error::corrupt("an object has no class"))?;
        self.assign(Handle::Other)?;
        self.listener.enter(&class.name)?;
        let mut lineage = vec![Rc::clone(&class)];
        while let Some(parent) = lineage.last().and_then(|last| last.parent.clone()) {
            lineage.push(parent);
        }
        for class in lineage.iter().rev() {
            if class.flags & SC_SERIALIZABLE != 0 {
                for field in &class.fields {
                    self.value(field.kind, &field.name)?;
                }
                if class.flags & SC_WRITE_METHOD != 0 {
                    self.annotation()?;
                }
            } else if class.flags & (SC_EXTERNALIZABLE | SC_BLOCK_DATA)
                == SC_EXTERNALIZABLE | SC_BLOCK_DATA
            {
                self.annotation()?;
            } else if class.flags & SC_EXTERNALIZABLE != 0 {
                return Err(Error::corrupt(
                    "an object of the first protocol, whose end nobody can tell",
                ));
            }
        }
        self.listener.leave(self.offset)
    }

    /// What an object has written itself.
    fn annotation(&mut self) -> Result<()> {
        loop {
            match self.byte()? {
                TC_ENDBLOCKDATA => return Ok(()),
                tag => self.content(tag)?,
            }
        }
    }

    fn value(&mut self, kind: u8, name: &str) -> Result<()> {
        match kind {
            b'B' | b'Z' => self.skip(1),
            b'C' | b'S' => self.skip(2),
            b'F' => self.skip(4),
            b'D' | b'J' => self.skip(8),
            b'I' => {
                let value = i32::from_be_bytes(self.bytes()?);
                self.listener.integer(name, value)
            }
            b'[' | b'L' => {
                let tag = self.byte()?;
                self.content(tag)
            }
            _ => Err(Error::corrupt(format!("the type {kind:#04x} of a field is none"))),
        }
    }

    fn array(&mut self) -> Result<()> {
        let class = self.class()?.ok_or_else(|| Error::corrupt("an array has no class"))?;
        self.assign(Handle::Other)?;
        let kind = class.name.as_bytes().get(1).copied();
        let kind = kind.ok_or_else(|| Error::corrupt("the class of an array is none"))?;
        let count = self.length()?;
        let width = match kind {
            b'B' | b'Z' => 1,
            b'C' | b'S' => 2,
            b'F' | b'I' => 4,
            b'D' | b'J' => 8,
            _ => {
                for _ in 0..count {
                    self.value(kind, "")?;
                }
                return Ok(());
            }
        };
        self.skip(count * width)
    }

    fn class(&mut self) -> Result<Option<Rc<Class>>> {
        match self.byte()? {
            TC_NULL => Ok(None),
            TC_REFERENCE => match self.reference()? {
                Handle::Class(class) => Ok(Some(class)),
                _ => Err(Error::corrupt("a class refers to what is none")),
            },
            tag => self.class_description(tag).map(Some),
        }
    }

    fn class_description(&mut self, tag: u8) -> Result<Rc<Class>> {
        if tag != TC_CLASSDESC {
            return Err(Error::corrupt(format!("the tag {tag:#04x} is not that of a class")));
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Error::corrupt(format!("classes in more than {DEPTH_MAX} levels")));
        }
        let name = self.short_name()?;
        // Its own version.
        self.skip(8)?;
        let own = self.assign(Handle::Other)?;
        let [flags] = self.bytes::<1>()?;
        let count = u16::from_be_bytes(self.bytes()?);
        if usize::from(count) > CLASS_FIELDS_MAX {
            return Err(Error::corrupt(format!("a class with {count} fields")));
        }
        let mut fields = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let kind = self.byte()?;
            let name = self.short_name()?;
            if matches!(kind, b'[' | b'L') {
                let tag = self.byte()?;
                self.text(tag)?;
            }
            fields.push(Field { kind, name });
        }
        self.annotation()?;
        let parent = self.class()?;
        self.depth -= 1;
        let class = Rc::new(Class { name, flags, fields, parent });
        if let Some(handle) = self.handles.get_mut(own) {
            *handle = Handle::Class(Rc::clone(&class));
        }
        Ok(class)
    }

    /// A string that nobody is told of.
    fn text(&mut self, tag: u8) -> Result<()> {
        match tag {
            TC_REFERENCE => self.reference().map(drop),
            _ => self.string(tag).map(drop),
        }
    }

    fn string(&mut self, tag: u8) -> Result<Option<Rc<str>>> {
        let length = match tag {
            TC_STRING => u64::from(u16::from_be_bytes(self.bytes()?)),
            TC_LONGSTRING => u64::from_be_bytes(self.bytes()?),
            _ => return Err(Error::corrupt(format!("the tag {tag:#04x} is not that of a string"))),
        };
        let own = self.assign(Handle::String(None))?;
        if length > NAME_BYTES_MAX {
            self.skip(length)?;
            return Ok(None);
        }
        let text: Rc<str> = self.name(length)?.into();
        if let Some(handle) = self.handles.get_mut(own) {
            *handle = Handle::String(Some(Rc::clone(&text)));
        }
        Ok(Some(text))
    }

    fn short_name(&mut self) -> Result<String> {
        let length = u64::from(u16::from_be_bytes(self.bytes()?));
        if length > NAME_BYTES_MAX {
            return Err(Error::corrupt(format!("a name of {length} bytes")));
        }
        self.name(length)
    }

    /// Java's own form of UTF-8 differs from the real one in NUL and beyond the first plane, which names do not have.
    fn name(&mut self, length: u64) -> Result<String> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.fill(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn reference(&mut self) -> Result<Handle> {
        let number = u32::from_be_bytes(self.bytes()?);
        let known = number.checked_sub(BASE_HANDLE).and_then(|at| self.handles.get(at as usize));
        known.cloned().ok_or_else(|| Error::corrupt("a reference to what did not come yet"))
    }

    fn assign(&mut self, handle: Handle) -> Result<usize> {
        if self.handles.len() >= HANDLES_MAX {
            return Err(Error::corrupt(format!("more than {HANDLES_MAX} objects")));
        }
        self.handles.push(handle);
        Ok(self.handles.len() - 1)
    }

    fn length(&mut self) -> Result<u64> {
        let length = i32::from_be_bytes(self.bytes()?);
        u64::try_from(length).map_err(|_| Error::corrupt("a length below zero"))
    }

    fn data(&mut self, start: u64, length: u64) -> Result<()> {
        let mut piece = vec![0; PIECE_BYTES.min(usize::try_from(length).unwrap_or(PIECE_BYTES))];
        let mut rest = length;
        while rest > 0 {
            let count = PIECE_BYTES.min(usize::try_from(rest).unwrap_or(PIECE_BYTES));
            let piece = piece.get_mut(..count).unwrap_or_default();
            self.fill(piece)?;
            self.listener.data(start, piece)?;
            rest -= count as u64;
        }
        Ok(())
    }

    fn skip(&mut self, length: u64) -> Result<()> {
        let skipped = std::io::copy(&mut self.source.by_ref().take(length), &mut std::io::sink())?;
        self.offset += skipped;
        if skipped < length { Err(cut()) } else { Ok(()) }
    }

    fn byte(&mut self) -> Result<u8> {
        let [byte] = self.bytes::<1>()?;
        Ok(byte)
    }

    fn bytes<const COUNT: usize>(&mut self) -> Result<[u8; COUNT]> {
        let mut bytes = [0; COUNT];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        match self.source.read_exact(bytes) {
            Ok(()) => {
                self.offset += bytes.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(cut()),
            Err(error) => Err(error).context("reading the snapshot"),
        }
    }
}

fn cut() -> Error {
    Error::corrupt("the stream ends too early")
}
