//! Names as restic keeps them: the inside of a string literal of Go (`strconv.Quote` and `Unquote`), which can hold any
//! bytes.

use std::borrow::Cow;
use std::io::Write as _;

/// The inside of the literal for `bytes`.
pub(crate) fn quote(bytes: &[u8]) -> Cow<'_, [u8]> {
    let is_itself = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if bytes.iter().all(is_itself) {
        return Cow::Borrowed(bytes);
    }
    let mut quoted = Vec::with_capacity(bytes.len() * 2);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            quote_character(&mut quoted, character);
        }
        for byte in chunk.invalid() {
            write!(quoted, "\\x{byte:02x}").expect("a vector takes all");
        }
    }
    Cow::Owned(quoted)
}

fn quote_character(quoted: &mut Vec<u8>, character: char) {
    let escape: &[u8] = match character {
        '"' => b"\\\"",
        '\\' => b"\\\\",
        '\x07' => b"\\a",
        '\x08' => b"\\b",
        '\x0c' => b"\\f",
        '\n' => b"\\n",
        '\r' => b"\\r",
        '\t' => b"\\t",
        '\x0b' => b"\\v",
        _ => b"",
    };
    let code = u32::from(character);
    if !escape.is_empty() {
        quoted.extend_from_slice(escape);
    } else if is_printable(character) {
        quoted.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    } else if code < 0x80 {
        write!(quoted, "\\x{code:02x}").expect("a vector takes all");
    } else if code < 0x1_0000 {
        write!(quoted, "\\u{code:04x}").expect("a vector takes all");
    } else {
        write!(quoted, "\\U{code:08x}").expect("a vector takes all");
    }
}

/// Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space. The standard library's
/// debug escapes ask the same of every character but the first; both go by the Unicode version they were built with.
fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return matches!(character, ' '..='~');
    }
    let mut buffer = [0; 5];
    buffer[0] = b'a';
    let length = 1 + character.encode_utf8(&mut buffer[1..]).len();
    let text = std::str::from_utf8(&buffer[..length]).expect("two characters");
    text.escape_debug().nth(1) == Some(character)
}

/// The bytes that the inside of a literal stands for; none when it is not one.
pub(crate) fn unquote(quoted: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(quoted.len());
    let mut rest = quoted;
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'\\' => unquote_escape(&mut bytes, after)?,
            b'"' | b'\n' => return None,
            byte => {
                bytes.push(*byte);
                after
            }
        };
    }
    Some(bytes)
}

fn unquote_escape<'a>(bytes: &mut Vec<u8>, escape: &'a [u8]) -> Option<&'a [u8]> {
    let (kind, after) = escape.split_first()?;
    let plain = match kind {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' | b'"' => *kind,
        b'x' => return unquote_number(after, 2, 16, |value| push_byte(bytes, value)),
        b'u' => return unquote_number(after, 4, 16, |value| push_character(bytes, value)),
        b'U' => return unquote_number(after, 8, 16, |value| push_character(bytes, value)),
        b'0'..=b'7' => return unquote_number(escape, 3, 8, |value| push_byte(bytes, value)),
        _ => return None,
    };
    bytes.push(plain);
    Some(after)
}

fn unquote_number(
    text: &[u8],
    digits: usize,
    radix: u32,
    push: impl FnOnce(u32) -> Option<()>,
) -> Option<&[u8]> {
    let (number, after) = text.split_at_checked(digits)?;
    let value = number.iter().try_fold(0u32, |value, digit| {
        value.checked_mul(radix)?.checked_add(char::from(*digit).to_digit(radix)?)
    })?;
    push(value)?;
    Some(after)
}

fn push_byte(bytes: &mut Vec<u8>, value: u32) -> Option<()> {
    bytes.push(u8::try_from(value).ok()?);
    Some(())
}

fn push_character(bytes: &mut Vec<u8>, value: u32) -> Option<()> {
    let character = char::from_u32(value)?;
    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_quote_as_go_quotes_them() {
        // Expected values: `strconv.Quote` of Go 1.24.
        let golden: [(&[u8], &[u8]); 9] = [
            (b"plain name", b"plain name"),
            (b"a\"b\\c'd", b"a\\\"b\\\\c'd"),
            (b"\x07\x08\x0c\n\r\t\x0b", b"\\a\\b\\f\\n\\r\\t\\v"),
            (b"\x01\x7f\xff\xc3(", b"\\x01\\x7f\\xff\\xc3("),
            ("äöü 日本 😀".as_bytes(), "äöü 日本 😀".as_bytes()),
            ("\u{a0}\u{200b}\u{feff}\u{ad}".as_bytes(), b"\\u00a0\\u200b\\ufeff\\u00ad"),
            ("\u{e000}\u{10ffff}\u{85}".as_bytes(), b"\\ue000\\U0010ffff\\u0085"),
            ("\u{301}e\u{301}\u{fffd}".as_bytes(), "\u{301}e\u{301}\u{fffd}".as_bytes()),
            ("\u{2028}\u{3000}".as_bytes(), b"\\u2028\\u3000"),
        ];
        for (plain, quoted) in golden {
            assert_eq!(quote(plain).escape_ascii().to_string(), quoted.escape_ascii().to_string());
            assert_eq!(unquote(quoted).as_deref(), Some(plain));
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        let refused = [
            "\\",
            "\\q",
            "\\'",
            "\\x0",
            "\\xg0",
            "\\u12",
            "\\ud800",
            "\\U00110000",
            "\\400",
            "\"",
            "\n",
            "\\U",
            "\\18",
        ];
        for text in refused {
            assert_eq!(unquote(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(unquote(b"\\101\\x41").as_deref(), Some(&b"AA"[..]));
    }

    proptest! {
        #[test]
        fn names_come_back(name: Vec<u8>) {
            let quoted = quote(&name);
            prop_assert!(std::str::from_utf8(&quoted).is_ok());
            prop_assert_eq!(unquote(&quoted), Some(name));
        }

        #[test]
        fn characters_come_back(text: String) {
            prop_assert_eq!(unquote(&quote(text.as_bytes())), Some(text.into_bytes()));
        }
    }
}
