//! RESP, version 2, over any byte stream: <https://redis.io/docs/latest/develop/reference/protocol-spec/>.
//!
//! Nothing that the server says is trusted: every length is checked, every size is bounded.

use std::io::{BufRead, Read, Write};

use lockgate_plugin::{Error, Result, printable};

use crate::error::{protocol, told};
use crate::limits::{BULK_BYTES_MAX, DEPTH_MAX, ELEMENTS_MAX, LINE_BYTES_MAX};

/// What the server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// One line.
    Simple(String),
    /// A refusal; its first word is the kind.
    Error(String),
    /// A number.
    Integer(i64),
    /// Bytes.
    Bulk(Vec<u8>),
    /// Nothing, of whatever type.
    Nil,
    /// A list.
    Array(Vec<Reply>),
}

impl Reply {
    /// Itself, unless it is a refusal.
    ///
    /// # Errors
    /// The refusal.
    pub fn accepted(self) -> Result<Self> {
        match self {
            Self::Error(text) => Err(told(&text)),
            other => Ok(other),
        }
    }

    /// The bytes of a text.
    ///
    /// # Errors
    /// When it is none.
    pub fn bytes(self) -> Result<Vec<u8>> {
        match self.accepted()? {
            Self::Bulk(bytes) => Ok(bytes),
            Self::Simple(text) => Ok(text.into_bytes()),
            other => Err(protocol(format!("a text is expected and not {other:.60?}"))),
        }
    }

    /// A text in UTF-8.
    ///
    /// # Errors
    /// When it is none.
    pub fn text(self) -> Result<String> {
        Ok(String::from_utf8(self.bytes()?)?)
    }

    /// A number, also one that is written as text.
    ///
    /// # Errors
    /// When it is none.
    pub fn integer(self) -> Result<i64> {
        match self.accepted()? {
            Self::Integer(number) => Ok(number),
            Self::Bulk(bytes) => {
                let number = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
                number.ok_or_else(|| protocol("a text that should be a number is none"))
            }
            other => Err(protocol(format!("a number is expected and not {other:.60?}"))),
        }
    }

    /// The elements of a list.
    ///
    /// # Errors
    /// When it is none.
    pub fn array(self) -> Result<Vec<Self>> {
        match self.accepted()? {
            Self::Array(elements) => Ok(elements),
            other => Err(protocol(format!("a list is expected and not {other:.60?}"))),
        }
    }
}

/// Writes a command: its name and its arguments.
///
/// # Errors
/// When the connection breaks.
pub fn write_command<W: Write + ?Sized>(to: &mut W, words: &[&[u8]]) -> Result<()> {
    write!(to, "*{}\r\n", words.len())?;
    for word in words {
        write!(to, "${}\r\n", word.len())?;
        to.write_all(word)?;
        to.write_all(b"\r\n")?;
    }
    Ok(())
}

/// Reads an answer.
///
/// # Errors
/// When the connection breaks, or the server says something else or too much.
pub fn read_reply<R: BufRead + ?Sized>(from: &mut R) -> Result<Reply> {
    let mut budget = Budget { bytes: BULK_BYTES_MAX, elements: ELEMENTS_MAX };
    read_within(from, &mut budget, 0)
}

/// The length of a text whose bytes (and then a line end) follow; none when there is nothing.
///
/// # Errors
/// The refusal of the server, or that the connection breaks.
pub fn read_bulk_head<R: BufRead + ?Sized>(from: &mut R) -> Result<Option<u64>> {
    let line = read_line(from)?;
    match line.split_first() {
        Some((b'$', b"-1")) => Ok(None),
        Some((b'$', digits)) => Ok(Some(number(digits)?)),
        Some((b'-', text)) => Err(told(&printable(text))),
        _ => Err(protocol("a text is expected")),
    }
}

/// One line without its end.
///
/// # Errors
/// When the connection breaks or the line is too long.
pub fn read_line<R: BufRead + ?Sized>(from: &mut R) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    from.take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(if line.len() + 1 >= LINE_BYTES_MAX {
            protocol("a line is too long")
        } else {
            Error::unreachable("the server closed the connection")
        });
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

/// What one reply may still hold.
struct Budget {
    bytes: usize,
    elements: usize,
}

fn read_within<R: BufRead + ?Sized>(
    from: &mut R,
    budget: &mut Budget,
    depth: usize,
) -> Result<Reply> {
    let line = read_line(from)?;
    let Some((kind, rest)) = line.split_first() else { return Err(protocol("an empty line")) };
    match kind {
        b'+' => Ok(Reply::Simple(printable(rest))),
        b'-' => Ok(Reply::Error(printable(rest))),
        b':' => Ok(Reply::Integer(number(rest)?)),
        b'$' | b'*' if rest == b"-1" => Ok(Reply::Nil),
        b'$' => {
            let length: usize = number(rest)?;
            budget.bytes =
                budget.bytes.checked_sub(length).ok_or_else(|| protocol("a reply is too large"))?;
            let mut bytes = vec![0; length];
            from.read_exact(&mut bytes)?;
            expect_line_end(from)?;
            Ok(Reply::Bulk(bytes))
        }
        b'*' => {
            let count: usize = number(rest)?;
            let left = budget.elements.checked_sub(count).filter(|_| depth < DEPTH_MAX);
            budget.elements = left.ok_or_else(|| protocol("a reply has too many elements"))?;
            (0..count)
                .map(|_| read_within(from, budget, depth + 1))
                .collect::<Result<_>>()
                .map(Reply::Array)
        }
        _ => Err(protocol(format!("a reply begins with {:?}", char::from(*kind)))),
    }
}

/// The line end behind a text.
///
/// # Errors
/// When there is something else.
pub fn expect_line_end<R: Read + ?Sized>(from: &mut R) -> Result<()> {
    let mut end = [0; 2];
    from.read_exact(&mut end)?;
    if end == *b"\r\n" {
        Ok(())
    } else {
        Err(protocol("a text has another length than was announced"))
    }
}

fn number<N: std::str::FromStr>(digits: &[u8]) -> Result<N> {
    let number = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| protocol(format!("{:?} is no number", printable(digits))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_read_and_hostile_ones_refused() {
        let read = |mut bytes: &[u8]| read_reply(&mut bytes);
        assert_eq!(read(b"+OK\r\n").unwrap(), Reply::Simple("OK".into()));
        assert_eq!(read(b"$-1\r\n").unwrap(), Reply::Nil);
        let nested = read(b"*2\r\n:-7\r\n*1\r\n$2\r\n\0\n\r\n").unwrap();
        let expected = vec![Reply::Integer(-7), Reply::Array(vec![Reply::Bulk(b"\0\n".to_vec())])];
        assert_eq!(nested, Reply::Array(expected));
        for hostile in [
            &b"$99999999999\r\n"[..],
            b"*1048577\r\n",
            b"$5\r\nab",
            b"$2\r\nabc\r\n",
            b"?\r\n",
            b"\r\n",
            b":x\r\n",
            b"+never ends",
            b"$-2\r\n",
        ] {
            assert!(read(hostile).is_err(), "{hostile:?}");
        }
        assert!(read(&b"*1\r\n".repeat(DEPTH_MAX + 2)).is_err());
        assert!(read(&vec![b'+'; LINE_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn a_refusal_keeps_its_kind() {
        let error = read_reply(&mut &b"-NOPERM no\r\n"[..]).unwrap().accepted().unwrap_err();
        assert!(matches!(error.failure(), lockgate_plugin::Failure::Auth(_)), "{error}");
    }

    #[test]
    fn commands_are_lists_of_texts() {
        let mut sent = Vec::new();
        write_command(&mut sent, &[b"SET", b"a b", b""]).unwrap();
        assert_eq!(sent, b"*3\r\n$3\r\nSET\r\n$3\r\na b\r\n$0\r\n\r\n");
    }
}
