//! One value: copied in a form that is always the same, and hashed by what it means.

use std::io::{self, Read, Write};

use lockgate_plugin::Result;

use super::input::{Length, write_length};
use super::packed::{Element, Elements, intset, listpack, ziplist};
use super::{Input, lzf, stream};
use crate::error::malformed;
use crate::hash::Hasher;
use crate::limits::{ELEMENT_SORT_BYTES, PACKED_BYTES_MAX, PIECE_BYTES};

/// What a value means, whatever its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// Over the type and all elements.
    pub hash: u128,
    /// Whether parts of it expire by themselves.
    pub is_volatile: bool,
}

/// Types of values, from `src/rdb.h` of Redis 7.4 and Valkey 9.
pub mod kinds {
    #![allow(missing_docs, reason = "the names are those of the source")]
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    pub const ZSET: u8 = 3;
    pub const HASH: u8 = 4;
    pub const ZSET_2: u8 = 5;
    pub const MODULE_2: u8 = 7;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const ZSET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const ZSET_LISTPACK: u8 = 17;
    pub const LIST_QUICKLIST_2: u8 = 18;
    pub const STREAM_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    pub const STREAM_3: u8 = 21;
    /// Of Valkey 9: fields with times of expiry.
    pub const HASH_2: u8 = 22;
    /// Of Redis 7.4: the same.
    pub const HASH_METADATA: u8 = 24;
    pub const HASH_LISTPACK_EX: u8 = 25;
}

/// Copies the value of type `kind` behind that byte, and says what it means.
///
/// # Errors
/// When it does not parse, is of an unknown type, or reading or writing fails.
pub fn copy_value<R: Read>(input: &mut Input<R>, kind: u8, to: &mut dyn Write) -> Result<Meaning> {
    let mut is_volatile = false;
    let hash = match kind {
        kinds::STRING => {
            let mut hasher = Hasher::new("string");
            copy_text(input, to, &mut hasher)?;
            hasher.finish()
        }
        kinds::LIST | kinds::LIST_ZIPLIST | kinds::LIST_QUICKLIST | kinds::LIST_QUICKLIST_2 => {
            copy_list(input, kind, to)?
        }
        kinds::SET => finish("set", copy_elements(input, to, copy_text)?),
        kinds::SET_INTSET => {
            let packed = copy_packed(input, to)?;
            let numbers = intset(&packed)?.into_iter().map(|number| Ok(Element::Integer(number)));
            finish("set", sum(Box::new(numbers), 1)?)
        }
        kinds::SET_LISTPACK => finish("set", sum(listpack(&copy_packed(input, to)?), 1)?),
        kinds::HASH => finish(
            "hash",
            copy_elements(input, to, |input, to, hasher| {
                copy_text(input, to, hasher)?;
                copy_text(input, to, hasher)
            })?,
        ),
        kinds::HASH_ZIPLIST => finish("hash", sum(ziplist(&copy_packed(input, to)?), 2)?),
        kinds::HASH_LISTPACK => finish("hash", sum(listpack(&copy_packed(input, to)?), 2)?),
        kinds::HASH_2 | kinds::HASH_METADATA | kinds::HASH_LISTPACK_EX => {
            is_volatile = true;
            finish("hash", copy_expiring_hash(input, kind, to)?)
        }
        kinds::ZSET | kinds::ZSET_2 => finish(
            "zset",
            copy_elements(input, to, |input, to, hasher| {
                copy_text(input, to, hasher)?;
                let score = if kind == kinds::ZSET {
                    copy_old_score(input, to)?
                } else {
                    f64::from_le_bytes(input.copy(to)?)
                };
                hasher.number(score.to_bits());
                Ok(())
            })?,
        ),
        kinds::ZSET_ZIPLIST => finish("zset", sum_scored(ziplist(&copy_packed(input, to)?))?),
        kinds::ZSET_LISTPACK => finish("zset", sum_scored(listpack(&copy_packed(input, to)?))?),
        kinds::STREAM | kinds::STREAM_2 | kinds::STREAM_3 => stream::copy(input, kind, to)?,
        _ => {
            return Err(lockgate_plugin::Error::unsupported(format!(
                "values of type {kind} are not known to this plugin"
            )));
        }
    };
    Ok(Meaning { hash, is_volatile })
}

/// Reads over a value of a module, or what a module wrote beside the keys: pieces that say what they are.
///
/// # Errors
/// When it does not parse.
pub fn skip_module<R: Read>(input: &mut Input<R>) -> Result<()> {
    loop {
        match input.length()? {
            0 => return Ok(()),
            1 | 2 => drop(input.length()?),
            3 => drop(input.array::<4>()?),
            4 => drop(input.array::<8>()?),
            5 => copy_text(input, &mut io::sink(), &mut Hasher::default())?,
            other => {
                return Err(malformed(format!("a value of a module has a piece of type {other}")));
            }
        }
    }
}

/// Copies a text; compressed ones are expanded.
pub(super) fn copy_text<R: Read>(
    input: &mut Input<R>,
    to: &mut dyn Write,
    hasher: &mut Hasher,
) -> Result<()> {
    match input.any_length()? {
        Length::Plain(length) => {
            write_length(to, length)?;
            hasher.number(length);
            let at_once = |left: u64| usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
            // Not larger than the text: most are small, and filling a whole piece with zeros for each would cost more than they do.
            let mut piece = vec![0; at_once(length)];
            let mut left = length;
            while left > 0 {
                let count = at_once(left);
                let part = piece.get_mut(..count).unwrap_or_default();
                input.fill(part)?;
                hasher.piece(part);
                to.write_all(part)?;
                left -= count as u64;
            }
            Ok(())
        }
        Length::Integer(width) => {
            let mut bytes = [0; 4];
            let part = bytes.get_mut(..width).unwrap_or_default();
            input.fill(part)?;
            to.write_all(&[0xc0 | (width / 2) as u8])?;
            to.write_all(part)?;
            hasher.text(integer(bytes, width).to_string().as_bytes());
            Ok(())
        }
        Length::Compressed => {
            let (compressed, length) = (input.length()?, input.length()?);
            write_length(to, length)?;
            hasher.number(length);
            lzf::expand(input, compressed, length, |piece| {
                hasher.piece(piece);
                Ok(to.write_all(piece)?)
            })
        }
    }
}

/// Reads a text of at most `max` bytes.
pub(super) fn read_text<R: Read>(input: &mut Input<R>, max: u64) -> Result<Vec<u8>> {
    let too_long = |length| {
        lockgate_plugin::Error::unsupported(format!(
            "a text of {length} bytes; this plugin holds at most {max}"
        ))
    };
    match input.any_length()? {
        Length::Plain(length) if length > max => Err(too_long(length)),
        Length::Plain(length) => {
            let mut text = vec![0; length as usize];
            input.fill(&mut text)?;
            Ok(text)
        }
        Length::Integer(width) => {
            let mut bytes = [0; 4];
            input.fill(bytes.get_mut(..width).unwrap_or_default())?;
            Ok(integer(bytes, width).to_string().into_bytes())
        }
        Length::Compressed => {
            let (compressed, length) = (input.length()?, input.length()?);
            if length > max {
                return Err(too_long(length));
            }
            let mut text = Vec::new();
            lzf::expand(input, compressed, length, |piece| {
                text.extend_from_slice(piece);
                Ok(())
            })?;
            Ok(text)
        }
    }
}

/// Copies a packed value, expanded, and gives it.
pub(super) fn copy_packed<R: Read>(input: &mut Input<R>, to: &mut dyn Write) -> Result<Vec<u8>> {
    let packed = read_text(input, PACKED_BYTES_MAX)?;
    write_length(to, packed.len() as u64)?;
    to.write_all(&packed)?;
    Ok(packed)
}

fn integer(bytes: [u8; 4], width: usize) -> i32 {
    let [a, b, ..] = bytes;
    match width {
        1 => i8::from_le_bytes([a]).into(),
        2 => i16::from_le_bytes([a, b]).into(),
        _ => i32::from_le_bytes(bytes),
    }
}

pub(super) fn hash_element(hasher: &mut Hasher, element: Element<'_>) {
    match element {
        Element::Text(text) => hasher.text(text),
        Element::Integer(number) => hasher.text(number.to_string().as_bytes()),
    }
}

fn copy_list<R: Read>(input: &mut Input<R>, kind: u8, to: &mut dyn Write) -> Result<u128> {
    let mut hasher = Hasher::new("list");
    let mut all = |elements: Elements<'_>| {
        elements.into_iter().try_for_each(|element| {
            hash_element(&mut hasher, element?);
            Ok::<_, lockgate_plugin::Error>(())
        })
    };
    if kind == kinds::LIST_ZIPLIST {
        all(ziplist(&copy_packed(input, to)?))?;
        return Ok(hasher.finish());
    }
    for _ in 0..input.copy_length(to)? {
        match kind {
            kinds::LIST => copy_text(input, to, &mut hasher)?,
            kinds::LIST_QUICKLIST => {
                for element in ziplist(&copy_packed(input, to)?) {
                    hash_element(&mut hasher, element?);
                }
            }
            _ => match input.copy_length(to)? {
                1 => copy_text(input, to, &mut hasher)?,
                2 => {
                    for element in listpack(&copy_packed(input, to)?) {
                        hash_element(&mut hasher, element?);
                    }
                }
                other => return Err(malformed(format!("a list has a node of type {other}"))),
            },
        }
    }
    Ok(hasher.finish())
}

/// A number of elements and the sum of their hashes: the order makes no difference.
type Sum = (u64, u128);

fn finish(kind: &str, (count, sum): Sum) -> u128 {
    let mut hasher = Hasher::new(kind);
    hasher.number(count);
    hasher.text(&sum.to_le_bytes());
    hasher.finish()
}

/// Copies elements in the order of their bytes, when they are not too many to be held.
fn copy_elements<R: Read>(
    input: &mut Input<R>,
    to: &mut dyn Write,
    mut copy: impl FnMut(&mut Input<R>, &mut dyn Write, &mut Hasher) -> Result<()>,
) -> Result<Sum> {
    let count = input.copy_length(to)?;
    let mut gathered = Gathered { to, held: Vec::new(), ends: Vec::new(), is_holding: true };
    let mut sum: u128 = 0;
    for _ in 0..count {
        let mut hasher = Hasher::default();
        copy(input, &mut gathered, &mut hasher)?;
        gathered.ends.push(gathered.held.len());
        sum = sum.wrapping_add(hasher.finish());
    }
    gathered.finish()?;
    Ok((count, sum))
}

/// Holds elements until there are too many, which then go on in the order in which they come.
struct Gathered<'a> {
    to: &'a mut dyn Write,
    held: Vec<u8>,
    /// Of the elements in `held`.
    ends: Vec<usize>,
    is_holding: bool,
}

impl Gathered<'_> {
    fn finish(self) -> Result<()> {
        let starts = std::iter::once(&0).chain(&self.ends);
        let ranges = starts.zip(&self.ends).filter_map(|(start, end)| self.held.get(*start..*end));
        let mut elements: Vec<&[u8]> = ranges.collect();
        elements.sort_unstable();
        elements.into_iter().try_for_each(|element| self.to.write_all(element))?;
        Ok(())
    }
}

impl Write for Gathered<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_holding
            && self.held.len() + self.ends.len() * size_of::<usize>() + bytes.len()
                <= ELEMENT_SORT_BYTES
        {
            self.held.extend_from_slice(bytes);
            return Ok(bytes.len());
        }
        if self.is_holding {
            self.is_holding = false;
            self.to.write_all(&std::mem::take(&mut self.held))?;
            self.ends = Vec::new();
        }
        self.to.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The sum over groups of `width` elements.
fn sum(elements: Elements<'_>, width: u64) -> Result<Sum> {
    let (mut count, mut sum): (u64, u128) = (0, 0);
    let mut hasher = Hasher::default();
    for element in elements {
        hash_element(&mut hasher, element?);
        count += 1;
        if count % width == 0 {
            sum = sum.wrapping_add(std::mem::take(&mut hasher).finish());
        }
    }
    if count % width == 0 {
        Ok((count / width, sum))
    } else {
        Err(malformed("a packed value has half an element"))
    }
}

/// The sum over members and scores.
fn sum_scored(mut elements: Elements<'_>) -> Result<Sum> {
    let (mut count, mut sum): (u64, u128) = (0, 0);
    while let Some(member) = elements.next() {
        let score = elements.next().ok_or_else(|| malformed("a member has no score"))??;
        let score = match score {
            Element::Integer(number) => number as f64,
            Element::Text(text) => parse_score(text)?,
        };
        let mut hasher = Hasher::default();
        hash_element(&mut hasher, member?);
        hasher.number(score.to_bits());
        sum = sum.wrapping_add(hasher.finish());
        count += 1;
    }
    Ok((count, sum))
}

fn parse_score(text: &[u8]) -> Result<f64> {
    let score = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    score.ok_or_else(|| malformed("a score is no number"))
}

fn copy_old_score<R: Read>(input: &mut Input<R>, to: &mut dyn Write) -> Result<f64> {
    match input.copy::<1>(to)? {
        [253] => Ok(f64::NAN),
        [254] => Ok(f64::INFINITY),
        [255] => Ok(f64::NEG_INFINITY),
        [length] => {
            let mut text = vec![0; length.into()];
            input.fill(&mut text)?;
            to.write_all(&text)?;
            parse_score(&text)
        }
    }
}

fn copy_expiring_hash<R: Read>(input: &mut Input<R>, kind: u8, to: &mut dyn Write) -> Result<Sum> {
    if kind == kinds::HASH_2 {
        return copy_elements(input, to, |input, to, hasher| {
            copy_text(input, to, hasher)?;
            copy_text(input, to, hasher)?;
            hasher.piece(&input.copy::<8>(to)?);
            Ok(())
        });
    }
    // The first time at which a field expires; the others are relative to it.
    let first = u64::from_le_bytes(input.copy(to)?);
    if kind == kinds::HASH_LISTPACK_EX {
        return sum(listpack(&copy_packed(input, to)?), 3);
    }
    copy_elements(input, to, |input, to, hasher| {
        let relative = input.copy_length(to)?;
        hasher.number(if relative == 0 { 0 } else { first.wrapping_add(relative) });
        copy_text(input, to, hasher)?;
        copy_text(input, to, hasher)
    })
}
