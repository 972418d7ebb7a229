//! The packed forms of small values: listpacks, ziplists and sets of integers. They are only looked into, never changed.

use lockgate_plugin::Result;

use crate::error::malformed;

/// An element of a packed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element<'a> {
    /// A text.
    Text(&'a [u8]),
    /// A text that is an integer.
    Integer(i64),
}

impl Element<'_> {
    /// The integer, when it is one.
    ///
    /// # Errors
    /// When it is a text.
    pub fn integer(self) -> Result<i64> {
        match self {
            Self::Integer(number) => Ok(number),
            Self::Text(text) => {
                let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                number.ok_or_else(|| malformed("a packed number is none"))
            }
        }
    }
}

/// Gives the elements of a listpack or ziplist.
pub type Elements<'a> = Box<dyn Iterator<Item = Result<Element<'a>>> + 'a>;

fn short() -> lockgate_plugin::Error {
    malformed("a packed value ends too early")
}

/// Takes from the front.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        self.take(1)?.first().copied().ok_or_else(short)
    }

    /// A signed number of `count` bytes, the lowest first.
    fn signed(&mut self, count: usize) -> Result<i64> {
        let bytes = self.take(count)?;
        let mut number = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
        for byte in bytes.iter().rev() {
            number = number << 8 | i64::from(*byte);
        }
        Ok(number)
    }
}

/// The elements of a listpack.
pub fn listpack(bytes: &[u8]) -> Elements<'_> {
    let mut cursor = Cursor(bytes);
    let mut is_over = false;
    // Its own length and the number of elements, which is not to be relied on.
    let header = cursor.take(6).map(drop);
    let elements = std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let element = listpack_element(&mut cursor).transpose();
        is_over = !matches!(element, Some(Ok(_)));
        element
    });
    match header {
        Ok(()) => Box::new(elements),
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}

fn listpack_element<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Element<'a>>> {
    let before = cursor.0.len();
    let first = cursor.byte()?;
    let low = usize::from(first & 0x0f);
    let element = match first {
        0xff => return Ok(None),
        0..0x80 => Element::Integer(first.into()),
        0x80..0xc0 => Element::Text(cursor.take(usize::from(first & 0x3f))?),
        0xc0..0xe0 => {
            let number = i64::from(first & 0x1f) << 8 | i64::from(cursor.byte()?);
            Element::Integer(if number >= 1 << 12 { number - (1 << 13) } else { number })
        }
        0xe0..0xf0 => {
            let length = low << 8 | usize::from(cursor.byte()?);
            Element::Text(cursor.take(length)?)
        }
        0xf0 => {
            let length =
                cursor.take(4)?.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            Element::Text(cursor.take(length)?)
        }
        0xf1..=0xf3 => Element::Integer(cursor.signed(low + 1)?),
        0xf4 => Element::Integer(cursor.signed(8)?),
        _ => return Err(malformed("a listpack has an unknown element")),
    };
    // Behind each element stands its length, in groups of seven bits.
    let back = match before - cursor.0.len() {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    };
    cursor.take(back)?;
    Ok(Some(element))
}

/// The elements of a ziplist.
pub fn ziplist(bytes: &[u8]) -> Elements<'_> {
    let mut cursor = Cursor(bytes);
    let mut is_over = false;
    // Its own length, the place of the last element, and the number of elements.
    let header = cursor.take(10).map(drop);
    let elements = std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let element = ziplist_element(&mut cursor).transpose();
        is_over = !matches!(element, Some(Ok(_)));
        element
    });
    match header {
        Ok(()) => Box::new(elements),
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}

fn ziplist_element<'a>(cursor: &mut Cursor<'a>) -> Result<Option<Element<'a>>> {
    // The length of the element before.
    match cursor.byte()? {
        0xff => return Ok(None),
        0xfe => drop(cursor.take(4)?),
        _ => {}
    }
    let first = cursor.byte()?;
    let text = |cursor: &mut Cursor<'a>, length| cursor.take(length).map(Element::Text);
    let element = match first {
        0..0x40 => text(cursor, usize::from(first))?,
        0x40..0x80 => {
            let length = usize::from(first & 0x3f) << 8 | usize::from(cursor.byte()?);
            text(cursor, length)?
        }
        0x80 => {
            let length = cursor.take(4)?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            text(cursor, length)?
        }
        0xc0 => Element::Integer(cursor.signed(2)?),
        0xd0 => Element::Integer(cursor.signed(4)?),
        0xe0 => Element::Integer(cursor.signed(8)?),
        0xf0 => Element::Integer(cursor.signed(3)?),
        0xfe => Element::Integer(cursor.signed(1)?),
        0xf1..=0xfd => Element::Integer(i64::from(first & 0x0f) - 1),
        _ => return Err(malformed("a ziplist has an unknown element")),
    };
    Ok(Some(element))
}

/// The elements of a set of integers.
///
/// # Errors
/// When it is none.
pub fn intset(bytes: &[u8]) -> Result<Vec<i64>> {
    let mut cursor = Cursor(bytes);
    let width = cursor.signed(4)?;
    let count = cursor.signed(4)?;
    let width = usize::try_from(width).ok().filter(|width| [2, 4, 8].contains(width));
    let width =
        width.ok_or_else(|| malformed("a set of integers has integers of an unknown width"))?;
    if usize::try_from(count).ok().and_then(|count| count.checked_mul(width))
        != Some(cursor.0.len())
    {
        return Err(malformed("a set of integers has another length than it says"));
    }
    (0..count).map(|_| cursor.signed(width)).collect()
}
