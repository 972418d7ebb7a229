//! JSON that is read while it comes: a page of a range may be long, and only one key with its value is held.
//!
//! Grammar: RFC 8259. How the gateway writes messages: <https://protobuf.dev/programming-guides/json/>; numbers of 64 bits are
//! strings, bytes are base64.

use std::io::BufRead;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockgate_plugin::{Error, Result};

use crate::limits::{DEPTH_MAX, WORD_BYTES_MAX};

/// Reads one JSON text from the start.
#[derive(Debug)]
pub struct Json<R> {
    source: R,
    /// What stood between the quotes of the last string.
    text: Vec<u8>,
}

/// Where in an object or array the reader is: before its first member or behind one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    is_inside: bool,
}

impl<R: BufRead> Json<R> {
    /// Nothing is read yet.
    pub fn new(source: R) -> Self {
        Self { source, text: Vec::new() }
    }

    /// The next byte that is not white space; it stays.
    fn peek(&mut self) -> Result<u8> {
        loop {
            let held = self.source.fill_buf()?;
            if held.is_empty() {
                return Err(broken("it ends too early"));
            }
            match held.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
                Some(at) => {
                    let byte = held.get(at).copied().unwrap_or_default();
                    self.source.consume(at);
                    return Ok(byte);
                }
                None => {
                    let length = held.len();
                    self.source.consume(length);
                }
            }
        }
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.peek()? != byte {
            return Err(broken(&format!("there is no {:?} where one must be", char::from(byte))));
        }
        self.source.consume(1);
        Ok(())
    }

    /// Enters an object.
    ///
    /// # Errors
    /// When there is none.
    pub fn object(&mut self) -> Result<Place> {
        self.expect(b'{')?;
        Ok(Place::default())
    }

    /// Enters an array.
    ///
    /// # Errors
    /// When there is none.
    pub fn array(&mut self) -> Result<Place> {
        self.expect(b'[')?;
        Ok(Place::default())
    }

    /// The name of the object's next member; none at the object's end. The value must be read next.
    ///
    /// # Errors
    /// When the text is no object.
    pub fn member(&mut self, place: &mut Place) -> Result<Option<String>> {
        if !self.goes_on(place, b'}')? {
            return Ok(None);
        }
        let name = self.word()?;
        self.expect(b':')?;
        Ok(Some(name))
    }

    /// Whether the array has another element, which must be read next.
    ///
    /// # Errors
    /// When the text is no array.
    pub fn element(&mut self, place: &mut Place) -> Result<bool> {
        self.goes_on(place, b']')
    }

    fn goes_on(&mut self, place: &mut Place, end: u8) -> Result<bool> {
        if self.peek()? == end {
            self.source.consume(1);
            return Ok(false);
        }
        if std::mem::replace(&mut place.is_inside, true) {
            self.expect(b',')?;
        }
        Ok(true)
    }

    /// A short string.
    ///
    /// # Errors
    /// When there is none, or it is no short text.
    pub fn word(&mut self) -> Result<String> {
        self.string(WORD_BYTES_MAX)?;
        if self.text.contains(&b'\\') {
            let mut quoted = vec![b'"'];
            quoted.append(&mut self.text);
            quoted.push(b'"');
            return Ok(serde_json::from_slice(&quoted)?);
        }
        Ok(std::str::from_utf8(&self.text)?.to_owned())
    }

    /// A number, bare or as a string.
    ///
    /// # Errors
    /// When there is none.
    pub fn number<T: FromStr>(&mut self) -> Result<T> {
        let text = if self.peek()? == b'"' { self.word()? } else { self.bare()? };
        text.parse().map_err(|_| broken("a number is none"))
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// When there is neither.
    pub fn boolean(&mut self) -> Result<bool> {
        self.bare()?.parse().map_err(|_| broken("a boolean is none"))
    }

    /// Bytes in base64, at most `max` of them.
    ///
    /// # Errors
    /// When there are more, or something else.
    pub fn bytes(&mut self, max: usize) -> Result<Vec<u8>> {
        self.string(max.div_ceil(3) * 4)?;
        let mut bytes = Vec::new();
        let decoded = STANDARD.decode_vec(&self.text, &mut bytes);
        decoded.map_err(|_| broken("bytes are not in base64"))?;
        Ok(bytes)
    }

    /// Puts what is between the quotes into `text`.
    fn string(&mut self, max: usize) -> Result<()> {
        self.expect(b'"')?;
        self.text.clear();
        let mut is_escaped = false;
        loop {
            let held = self.source.fill_buf()?;
            if held.is_empty() {
                return Err(broken("it ends in a string"));
            }
            let special = held.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            let special = if is_escaped { Some(0) } else { special };
            let (taken, byte) = match special {
                Some(at) => (at + 1, held.get(at).copied()),
                None => (held.len(), None),
            };
            self.text.extend_from_slice(held.get(..taken).unwrap_or_default());
            self.source.consume(taken);
            match (is_escaped, byte) {
                (false, Some(b'"')) => {
                    self.text.pop();
                    return Ok(());
                }
                (was_escaped, byte) => is_escaped = !was_escaped && byte == Some(b'\\'),
            }
            if self.text.len() > max {
                return Err(broken(&format!("a string has more than {max} bytes")));
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn bare(&mut self) -> Result<String> {
        self.peek()?;
        let mut text = String::new();
        loop {
            let held = self.source.fill_buf()?;
            let is_part =
                |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
            match held.first().filter(|byte| is_part(byte)) {
                Some(byte) => text.push(char::from(*byte)),
                None => return Ok(text),
            }
            self.source.consume(1);
            if text.len() > WORD_BYTES_MAX {
                return Err(broken("a number is too long"));
            }
        }
    }

    /// Passes over any value.
    ///
    /// # Errors
    /// When it is none, or is too large or too deep.
    pub fn skip(&mut self) -> Result<()> {
        self.skip_at(0)
    }

    fn skip_at(&mut self, depth: u32) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(broken("values are too deep inside each other"));
        }
        match self.peek()? {
            b'{' => {
                let mut place = self.object()?;
                while self.member(&mut place)?.is_some() {
                    self.skip_at(depth + 1)?;
                }
                Ok(())
            }
            b'[' => {
                let mut place = self.array()?;
                while self.element(&mut place)? {
                    self.skip_at(depth + 1)?;
                }
                Ok(())
            }
            b'"' => self.string(WORD_BYTES_MAX),
            _ if self.bare()?.is_empty() => Err(broken("there is no value where one must be")),
            _ => Ok(()),
        }
    }

    /// Whether nothing but white space is left.
    ///
    /// # Errors
    /// When the source fails.
    pub fn is_over(&mut self) -> Result<bool> {
        loop {
            let held = self.source.fill_buf()?;
            let length = held.len();
            if length == 0 {
                return Ok(true);
            }
            if !held.iter().all(u8::is_ascii_whitespace) {
                return Ok(false);
            }
            self.source.consume(length);
        }
    }
}

fn broken(what: &str) -> Error {
    Error::corrupt(format!("the server's answer is not what it must be: {what}"))
}

/// Bytes as the gateway takes them.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    /// Gives one byte at a time, so that every boundary is met.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, target: &mut [u8]) -> std::io::Result<usize> {
            let length = self.0.len().min(1).min(target.len());
            self.0.read(&mut target[..length])
        }
    }

    fn json(text: &str) -> Json<BufReader<Drops<'_>>> {
        Json::new(BufReader::with_capacity(1, Drops(text.as_bytes())))
    }

    #[test]
    fn members_elements_and_values_are_read() {
        let mut json =
            json(r#" { "a" : [ "AP8=" , "" ] , "n":"-5", "m":7,"t":true, "e\"\\":{"x":[1,{}]}} "#);
        let mut object = json.object().unwrap();
        assert_eq!(json.member(&mut object).unwrap().as_deref(), Some("a"));
        let mut array = json.array().unwrap();
        assert!(json.element(&mut array).unwrap());
        assert_eq!(json.bytes(2).unwrap(), [0, 255]);
        assert!(json.element(&mut array).unwrap());
        assert!(json.bytes(0).unwrap().is_empty());
        assert!(!json.element(&mut array).unwrap());
        assert_eq!(json.member(&mut object).unwrap().as_deref(), Some("n"));
        assert_eq!(json.number::<i64>().unwrap(), -5);
        json.member(&mut object).unwrap();
        assert_eq!(json.number::<u64>().unwrap(), 7);
        json.member(&mut object).unwrap();
        assert!(json.boolean().unwrap());
        assert_eq!(json.member(&mut object).unwrap().as_deref(), Some("e\"\\"));
        json.skip().unwrap();
        assert_eq!(json.member(&mut object).unwrap(), None);
        assert!(json.is_over().unwrap());
    }

    #[test]
    fn what_is_no_json_is_refused_and_nothing_grows_without_end() {
        let deep = "[".repeat(100_000);
        let long = format!("\"{}\"", "a".repeat(WORD_BYTES_MAX + 1));
        for wrong in [
            "",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "[1 2]",
            "\"a",
            "\"\\",
            deep.as_str(),
            long.as_str(),
            "{a:1}",
        ] {
            assert!(json(wrong).skip().is_err(), "{wrong:.20}");
        }
        assert!(json("\"AAAA\"").bytes(2).is_ok(), "rounded up to whole groups");
        assert!(json("\"AAAAAAAA\"").bytes(3).is_err());
        assert!(json("\"!!!!\"").bytes(10).is_err());
        assert!(json("\"9x\"").number::<u64>().is_err());
    }
}
