//! Streams: nodes of entries, and groups with what was delivered and not acknowledged.
//!
//! The hash leaves out what servers of different versions keep differently, and what merely looking at a stream changes: counts of
//! entries ever added and read, and when consumers were seen.

use std::io::{Read, Write};

use lockgate_plugin::Result;

use super::Input;
use super::packed::{Element, Elements, listpack};
use super::value::{copy_packed, copy_text, hash_element, kinds};
use crate::error::malformed;
use crate::hash::Hasher;

/// An entry that was deleted and is still in its node.
const DELETED: i64 = 1;
/// An entry with the fields of the first one of its node.
const SAME_FIELDS: i64 = 2;

pub(super) fn copy<R: Read>(input: &mut Input<R>, kind: u8, to: &mut dyn Write) -> Result<u128> {
    let mut hasher = Hasher::new("stream");
    for _ in 0..input.copy_length(to)? {
        let first = copy_packed(input, to)?;
        let first: [u8; 16] =
            first.try_into().map_err(|_| malformed("a node of a stream has no id"))?;
        let node = copy_packed(input, to)?;
        hash_node(&mut hasher, Id::of(first), &node)?;
    }
    // Number of entries and the last id.
    for _ in 0..3 {
        hasher.number(input.copy_length(to)?);
    }
    if kind >= kinds::STREAM_2 {
        // The first id, the largest deleted one, and how many there ever were.
        for _ in 0..5 {
            input.copy_length(to)?;
        }
    }
    let groups = input.copy_length(to)?;
    hasher.number(groups);
    for _ in 0..groups {
        copy_group(input, kind, to, &mut hasher)?;
    }
    Ok(hasher.finish())
}

fn copy_group<R: Read>(
    input: &mut Input<R>,
    kind: u8,
    to: &mut dyn Write,
    hasher: &mut Hasher,
) -> Result<()> {
    copy_text(input, to, hasher)?;
    for _ in 0..2 {
        hasher.number(input.copy_length(to)?);
    }
    if kind >= kinds::STREAM_2 {
        // How many entries the group has read.
        input.copy_length(to)?;
    }
    let pending = input.copy_length(to)?;
    hasher.number(pending);
    for _ in 0..pending {
        hasher.piece(&input.copy::<16>(to)?);
        // When it was delivered last, and how often.
        hasher.piece(&input.copy::<8>(to)?);
        hasher.number(input.copy_length(to)?);
    }
    let consumers = input.copy_length(to)?;
    hasher.number(consumers);
    for _ in 0..consumers {
        copy_text(input, to, hasher)?;
        input.copy::<8>(to)?;
        if kind >= kinds::STREAM_3 {
            input.copy::<8>(to)?;
        }
        let pending = input.copy_length(to)?;
        hasher.number(pending);
        for _ in 0..pending {
            hasher.piece(&input.copy::<16>(to)?);
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Id {
    milliseconds: u64,
    sequence: u64,
}

impl Id {
    fn of(bytes: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(bytes);
        Self { milliseconds: (number >> 64) as u64, sequence: number as u64 }
    }
}

/// A node: how many entries, how many deleted ones, the fields of the first entry, then the entries. Source: the comment at
/// `streamAppendItem` in `src/t_stream.c`.
fn hash_node(hasher: &mut Hasher, first: Id, node: &[u8]) -> Result<()> {
    let mut elements = listpack(node);
    let entries = number(&mut elements)?.wrapping_add(number(&mut elements)?);
    let shared = number(&mut elements)?;
    let fields: Vec<Element<'_>> =
        (0..shared).map(|_| next(&mut elements)).collect::<Result<_>>()?;
    // Ends the first entry.
    number(&mut elements)?;
    for _ in 0..entries {
        hash_entry(hasher, first, &fields, &mut elements)?;
    }
    match elements.next() {
        None => Ok(()),
        Some(_) => Err(malformed("a node of a stream has more entries than it says")),
    }
}

fn hash_entry(
    hasher: &mut Hasher,
    first: Id,
    fields: &[Element<'_>],
    elements: &mut Elements<'_>,
) -> Result<()> {
    let flags = number(elements)?;
    let is_there = flags & DELETED == 0;
    let milliseconds = first.milliseconds.wrapping_add_signed(number(elements)?);
    let sequence = first.sequence.wrapping_add_signed(number(elements)?);
    let mut take = |element| {
        if is_there {
            hash_element(hasher, element);
        }
    };
    take(Element::Integer(milliseconds as i64));
    take(Element::Integer(sequence as i64));
    if flags & SAME_FIELDS != 0 {
        take(Element::Integer(fields.len() as i64));
        for field in fields {
            take(*field);
            take(next(elements)?);
        }
    } else {
        let count = number(elements)?;
        take(Element::Integer(count));
        for _ in 0..count {
            take(next(elements)?);
            take(next(elements)?);
        }
    }
    // The number of elements of the entry, for walking backwards.
    number(elements).map(drop)
}

fn next<'a>(elements: &mut Elements<'a>) -> Result<Element<'a>> {
    elements.next().unwrap_or_else(|| Err(malformed("a node of a stream ends too early")))
}

fn number(elements: &mut Elements<'_>) -> Result<i64> {
    next(elements)?.integer()
}
