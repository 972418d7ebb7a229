//! A row as it is archived: the server's own encoding of each value, with the moment at which it was written and that at which it
//! expires. Equal rows are equal bytes, whenever and from whichever node they are read.
//!
//! A record is its length (4 bytes, big-endian, as all numbers) and: 0 for what all rows of a partition share or 1 for a row; the
//! values of the key, each with its length (4 bytes); then for each column a byte: 0 for no value, 1 for one cell, 2 for elements.
//! A cell is a stamp and a value; elements are their number (4 bytes), and for each a stamp, a key (of a list: empty, of a type's
//! fields: 2 bytes with the place) and a value (of a set: empty). A stamp is a byte, with bit 0 when 8 bytes with the microsecond of
//! writing follow, with bit 1 when 4 bytes with the second of expiry follow.

use crate::cql::{Body, Reader};
use crate::error::Error;
use crate::logical::shape::{Cell, Cells, Shape};

/// When something was written and expires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Microseconds since 1970; none when the server does not tell.
    pub written: Option<i64>,
    /// Seconds since 1970; none for never.
    pub expires: Option<i32>,
}

/// An element of a collection, or a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// Of the element.
    pub stamp: Stamp,
    /// The element of a set, the key in a map, the place of a field.
    pub key: &'a [u8],
    /// The element of a list, the value in a map, the field.
    pub value: &'a [u8],
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// Nothing.
    Null,
    /// One cell.
    Single(Stamp, &'a [u8]),
    /// Some.
    Elements(Vec<Element<'a>>),
}

/// A row, or what all rows of a partition share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Whether it is a row.
    pub is_row: bool,
    /// The whole key, or that of the partition.
    pub keys: Vec<&'a [u8]>,
    /// By column: [`Shape::regulars`] or [`Shape::statics`].
    pub contents: Vec<Content<'a>>,
}

/// The largest record that is read back, in bytes: a message of the server's, twice.
const RECORD_BYTES_MAX: usize = 2 * crate::limits::MESSAGE_BYTES_MAX;

impl<'a> Record<'a> {
    /// Appends the record with its length.
    ///
    /// # Errors
    /// When it is too large.
    pub fn encode(&self, output: &mut Vec<u8>) -> Result<(), Error> {
        let start = output.len();
        let mut body = Body(std::mem::take(output));
        body.int(0);
        body.byte(self.is_row.into());
        self.keys.iter().for_each(|key| body.bytes(key));
        for content in &self.contents {
            match content {
                Content::Null => body.byte(0),
                Content::Single(stamp, value) => {
                    body.byte(1);
                    stamp.encode(&mut body);
                    body.bytes(value);
                }
                Content::Elements(elements) => {
                    body.byte(2);
                    body.int(i32::try_from(elements.len()).unwrap_or(i32::MAX));
                    for element in elements {
                        element.stamp.encode(&mut body);
                        body.bytes(element.key);
                        body.bytes(element.value);
                    }
                }
            }
        }
        *output = body.0;
        let length = output.len() - start - 4;
        let length = u32::try_from(length).map_err(|_| Error::Protocol("a row is too large"))?;
        if let Some(place) = output.get_mut(start..start + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }

    /// Reads a record behind its length.
    ///
    /// # Errors
    /// When it is not one of a table of this shape.
    pub fn decode(shape: &Shape, bytes: &'a [u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let is_row = match reader.byte()? {
            0 => false,
            1 => true,
            _ => return Err(damaged()),
        };
        let clustering = if is_row { shape.clustering.len() } else { 0 };
        let mut keys = Vec::new();
        for _ in 0..shape.partition_key.len() + clustering {
            keys.push(reader.bytes()?.ok_or_else(damaged)?);
        }
        let columns = if is_row { &shape.regulars } else { &shape.statics };
        let mut contents = Vec::new();
        for _ in columns {
            contents.push(match reader.byte()? {
                0 => Content::Null,
                1 => {
                    let stamp = Stamp::decode(&mut reader)?;
                    Content::Single(stamp, reader.bytes()?.ok_or_else(damaged)?)
                }
                2 => {
                    let count = reader.count(bytes.len())?;
                    let elements: Result<Vec<Element<'_>>, Error> = (0..count)
                        .map(|_| {
                            let stamp = Stamp::decode(&mut reader)?;
                            let key = reader.bytes()?.ok_or_else(damaged)?;
                            let value = reader.bytes()?.ok_or_else(damaged)?;
                            Ok(Element { stamp, key, value })
                        })
                        .collect();
                    Content::Elements(elements?)
                }
                _ => return Err(damaged()),
            });
        }
        if reader.rest().is_empty() { Ok(Self { is_row, keys, contents }) } else { Err(damaged()) }
    }
}

/// Reads the length that stands before a record.
///
/// # Errors
/// When it is out of range.
pub fn length(bytes: [u8; 4]) -> Result<usize, Error> {
    let length = u32::from_be_bytes(bytes) as usize;
    if length > RECORD_BYTES_MAX { Err(damaged()) } else { Ok(length) }
}

fn damaged() -> Error {
    Error::Told(lockgate_plugin::Error::corrupt("the archived rows are damaged"))
}

impl Stamp {
    fn encode(self, body: &mut Body) {
        body.byte(u8::from(self.written.is_some()) | u8::from(self.expires.is_some()) << 1);
        body.0.extend(self.written.map(i64::to_be_bytes).into_iter().flatten());
        body.0.extend(self.expires.map(i32::to_be_bytes).into_iter().flatten());
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let flags = reader.byte()?;
        let mut stamp = Self::default();
        if flags & 1 != 0 {
            let (high, low) = (reader.int()?, reader.int()?);
            stamp.written = Some(i64::from(high) << 32 | i64::from(low.cast_unsigned()));
        }
        if flags & 2 != 0 {
            stamp.expires = Some(reader.int()?);
        }
        if flags > 3 { Err(damaged()) } else { Ok(stamp) }
    }

    /// Of what the server tells; `rest` is counted from `now`.
    fn of(written: Option<&[u8]>, rest: Option<&[u8]>, now: i32) -> Result<Self, Error> {
        const NO: Error = Error::Protocol("a time is not a number");
        let written = written.map(|bytes| bytes.try_into().map(i64::from_be_bytes)).transpose();
        let rest = rest.map(|bytes| bytes.try_into().map(i32::from_be_bytes)).transpose();
        let expires = rest.map_err(|_| NO)?.map(|rest| now.saturating_add(rest));
        Ok(Self { written: written.map_err(|_| NO)?, expires })
    }
}

/// Makes records of rows in the order of the tokens.
#[derive(Debug)]
pub struct Recorder<'s> {
    shape: &'s Shape,
    of_elements: bool,
    now: i32,
    /// The key of the last partition.
    partition: Vec<Vec<u8>>,
}

impl<'s> Recorder<'s> {
    /// For rows of [`Shape::select`].
    pub fn new(shape: &'s Shape, of_elements: bool, now: i32) -> Self {
        Self { shape, of_elements, now, partition: Vec::new() }
    }

    /// The records of one row: what its partition shares, when it is the first row of it, and itself.
    ///
    /// # Errors
    /// When the values do not fit the table.
    pub fn records<'a>(
        &mut self,
        values: &[Option<&'a [u8]>],
    ) -> Result<(Option<Record<'a>>, Option<Record<'a>>), Error> {
        const CUT: Error = Error::Protocol("a row has another number of values than columns");
        let shape = self.shape;
        let partition: Option<Vec<&[u8]>> =
            values.iter().take(shape.partition_key.len()).copied().collect();
        let partition = partition.ok_or(Error::Protocol("a key has a null"))?;
        let mut rest = values.get(partition.len()..).ok_or(CUT)?.iter().copied();
        // The clustering columns are null where a partition has nothing but what its rows would share.
        let clustering: Option<Vec<&[u8]>> = shape
            .clustering
            .iter()
            .map(|_| rest.next().flatten())
            .collect::<Vec<_>>()
            .into_iter()
            .collect();
        let mut contents = Vec::new();
        for cell in shape.cells() {
            let mut next = || rest.next().ok_or(CUT);
            let value = next()?;
            let times =
                if cell.has_times(self.of_elements) { (next()?, next()?) } else { (None, None) };
            contents.push(content(cell, value, times, self.now)?);
        }
        if rest.next().is_some() {
            return Err(CUT);
        }
        let regulars = contents.split_off(shape.statics.len());
        let is_first = !shape.statics.is_empty() && self.partition != partition;
        let shared = contents.iter().any(|content| *content != Content::Null);
        let shared = (is_first && shared).then(|| Record {
            is_row: false,
            keys: partition.clone(),
            contents,
        });
        if is_first {
            self.partition = partition.iter().map(|key| key.to_vec()).collect();
        }
        let row = clustering.map(|clustering| Record {
            is_row: true,
            keys: [partition, clustering].concat(),
            contents: regulars,
        });
        Ok((shared, row))
    }
}

fn content<'a>(
    cell: &Cell,
    value: Option<&'a [u8]>,
    (written, rest): (Option<&[u8]>, Option<&[u8]>),
    now: i32,
) -> Result<Content<'a>, Error> {
    let Some(value) = value else { return Ok(Content::Null) };
    let is_map = match cell.cells {
        Cells::Single | Cells::Counter => {
            return Ok(Content::Single(Stamp::of(written, rest, now)?, value));
        }
        Cells::Fields(_) => return fields(value, list(written)?, list(rest)?, now),
        Cells::List | Cells::Set => false,
        Cells::Map => true,
    };
    let mut reader = Reader::new(value);
    let count = reader.count(value.len())?;
    let (written, rest) = (list(written)?, list(rest)?);
    let mut elements = Vec::with_capacity(count);
    for place in 0..count {
        const NULL: Error = Error::Protocol("a collection has a null");
        let stamp = stamp_at(&written, &rest, place, now)?;
        let first = reader.bytes()?.ok_or(NULL)?;
        let (key, value): (&[u8], &[u8]) = match (&cell.cells, is_map) {
            (_, true) => (first, reader.bytes()?.ok_or(NULL)?),
            (Cells::Set, _) => (first, &[]),
            _ => (&[], first),
        };
        elements.push(Element { stamp, key, value });
    }
    Ok(if elements.is_empty() { Content::Null } else { Content::Elements(elements) })
}

/// Places of fields as keys. A type of more is not read.
static PLACES: [[u8; 2]; 4096] = {
    let mut places = [[0; 2]; 4096];
    let mut place = 0;
    while place < places.len() {
        places[place] = (place as u16).to_be_bytes();
        place += 1;
    }
    places
};

/// Fields stand one behind the other; a null has the length -1, and those at the end may lack.
fn fields<'a>(
    value: &'a [u8],
    written: Times<'_>,
    rest: Times<'_>,
    now: i32,
) -> Result<Content<'a>, Error> {
    let mut reader = Reader::new(value);
    let (mut elements, mut place) = (Vec::new(), 0);
    while !reader.rest().is_empty() {
        if let Some(value) = reader.bytes()? {
            let stamp = stamp_at(&written, &rest, place, now)?;
            let key = PLACES.get(place).ok_or(Error::Protocol("a type has too many fields"))?;
            elements.push(Element { stamp, key, value });
        }
        place += 1;
    }
    Ok(if elements.is_empty() { Content::Null } else { Content::Elements(elements) })
}

/// Times by element, each of which may lack; none when the server tells none.
type Times<'a> = Option<Vec<Option<&'a [u8]>>>;

fn list(bytes: Option<&[u8]>) -> Result<Times<'_>, Error> {
    let Some(bytes) = bytes else { return Ok(None) };
    let mut reader = Reader::new(bytes);
    let count = reader.count(bytes.len())?;
    (0..count).map(|_| reader.bytes()).collect::<Result<_, _>>().map(Some)
}

fn stamp_at(written: &Times<'_>, rest: &Times<'_>, place: usize, now: i32) -> Result<Stamp, Error> {
    Stamp::of(time_at(written, place)?, time_at(rest, place)?, now)
}

fn time_at<'a>(times: &Times<'a>, place: usize) -> Result<Option<&'a [u8]>, Error> {
    let Some(times) = times else { return Ok(None) };
    times.get(place).copied().ok_or(Error::Protocol("an element has no time"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logical::shape::Key;

    fn shape() -> Shape {
        let cell = |name: &str, cells| Cell { name: name.into(), cql_type: String::new(), cells };
        let key = |name: &str| Key { name: name.into(), cql_type: "int".into() };
        Shape {
            partition_key: vec![key("k")],
            clustering: vec![key("c")],
            statics: vec![cell("s", Cells::Single)],
            regulars: vec![
                cell("m", Cells::Map),
                cell("u", Cells::Fields(vec![])),
                cell("v", Cells::Single),
            ],
        }
    }

    fn bytes(pieces: &[Option<&[u8]>]) -> Vec<u8> {
        let mut body = Body::default();
        for piece in pieces {
            match piece {
                Some(piece) => body.bytes(piece),
                None => body.int(-1),
            }
        }
        body.0
    }

    fn list_of(pieces: &[Option<&[u8]>]) -> Vec<u8> {
        [&(pieces.len() as u32).to_be_bytes()[..], &bytes(pieces)].concat()
    }

    #[test]
    fn rows_become_records_and_records_are_read_back() {
        let shape = shape();
        let (time, rest) = (7_i64.to_be_bytes(), 5_i32.to_be_bytes());
        let map = [&[0, 0, 0, 1][..], &bytes(&[Some(b"key"), Some(b"value")])].concat();
        let udt = bytes(&[None, Some(b"x")]);
        let one = list_of(&[Some(&time)]);
        let no_rest = list_of(&[None]);
        let field = list_of(&[None, Some(&time)]);
        let field_rest = list_of(&[None, Some(&rest)]);
        let values: Vec<Option<&[u8]>> = vec![
            Some(b"k"),
            Some(b"c"),
            Some(b"s"),
            Some(&time),
            None,
            Some(&map),
            Some(&one),
            Some(&no_rest),
            Some(&udt),
            Some(&field),
            Some(&field_rest),
            Some(b""),
            Some(&time),
            Some(&rest),
        ];
        let mut recorder = Recorder::new(&shape, true, 100);
        let (shared, row) = recorder.records(&values).unwrap();
        let (shared, row) = (shared.unwrap(), row.unwrap());
        let stamp = |expires| Stamp { written: Some(7), expires };
        assert_eq!(shared.contents, [Content::Single(stamp(None), b"s")]);
        let field = Element { stamp: stamp(Some(105)), key: &[0, 1], value: b"x" };
        let entry = Element { stamp: stamp(None), key: b"key", value: b"value" };
        assert_eq!(row.contents[0], Content::Elements(vec![entry]));
        assert_eq!(row.contents[1], Content::Elements(vec![field]));
        assert_eq!(row.contents[2], Content::Single(stamp(Some(105)), b""));
        assert!(recorder.records(&values).unwrap().0.is_none(), "the partition is the same");
        for record in [shared, row] {
            let mut encoded = Vec::new();
            record.encode(&mut encoded).unwrap();
            let (head, body) = encoded.split_first_chunk::<4>().unwrap();
            assert_eq!(length(*head).unwrap(), body.len());
            assert_eq!(Record::decode(&shape, body).unwrap(), record);
            for end in 0..body.len() {
                assert!(Record::decode(&shape, &body[..end]).is_err(), "{end}");
            }
            for at in 0..body.len() {
                let mut damaged = body.to_vec();
                damaged[at] ^= 0x81;
                // Must come to an end, whatever it is.
                let _ = Record::decode(&shape, &damaged);
            }
        }
        assert!(recorder.records(&values[..13]).is_err());
        let odd: Vec<Option<&[u8]>> =
            values.iter().map(|value| value.map(|_| &b"\xff\xff"[..])).collect();
        assert!(recorder.records(&odd).is_err());
        assert!(length([0xff; 4]).is_err());
    }

    #[test]
    fn a_partition_without_rows_has_what_they_would_share() {
        let mut values: Vec<Option<&[u8]>> = vec![None; 14];
        let time = 7_i64.to_be_bytes();
        values[0] = Some(b"k");
        values[2] = Some(b"s");
        values[3] = Some(&time);
        let shape = shape();
        let (shared, row) = Recorder::new(&shape, true, 0).records(&values).unwrap();
        assert!(shared.is_some() && row.is_none());
    }
}
