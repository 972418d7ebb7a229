//! Paths as the contract has them: bytes, relative, `/` between components.

/// `name` inside of `folder`; the empty path is the top.
#[must_use]
pub fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() { name.to_vec() } else { [folder, b"/", name].concat() }
}

/// Whether `path` is inside of `folder`, at any depth.
#[must_use]
pub fn is_inside(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with(b"/"))
}

/// One line that is safe on a terminal: bytes that are not printable text are escaped.
#[must_use]
pub fn shown(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().escape_ascii().map(char::from));
    }
    text
}

/// A name as one component of a path that is portable and shows nothing odd: most bytes that are no letter and no digit become
/// `%XX`, a dot and an underscore only in front.
#[must_use]
pub fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for (index, byte) in name.bytes().enumerate() {
        let portable = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'$' | b'@' | b'+' | b'=' | b',')
            || (matches!(byte, b'_' | b'.') && index > 0);
        if portable {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// The bytes of a text in which `%XX` stands for any byte; none when a `%` stands for nothing.
#[must_use]
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
        bytes.push(u8::try_from(high? * 16 + low?).ok()?);
        rest = after;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_make_components_that_are_portable_and_differ() {
        let odd = [
            "", ".", "..", ".kibana", "a/b", "a%2Fb", "_schema", "ä", "a b", "A", "a", "\u{1}",
            "a.b", "名前", "a'b", "a;b", "a&b",
        ];
        let mut escaped = odd.map(escape);
        for (name, id) in odd.iter().zip(&escaped) {
            assert!(id.is_ascii() && !id.contains('/') && !id.starts_with(['.', '_']), "{id}");
            assert_eq!(unescape(id).as_deref(), Some(name.as_bytes()));
        }
        assert_eq!(
            (escape("orders_2024.v1").as_str(), escape("..").as_str()),
            ("orders_2024.v1", "%2E.")
        );
        escaped.sort();
        assert!(escaped.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!(unescape("ü%2f%FF"), Some([&b"\xc3\xbc/"[..], &[0xff]].concat()));
        assert!(["%", "%zz", "%+1", "%1"].into_iter().all(|text| unescape(text).is_none()));
    }

    #[test]
    fn a_name_at_the_top_has_no_slash() {
        assert_eq!(join(b"", b"a"), b"a");
        assert_eq!(join(b"a", b"b"), b"a/b");
    }

    #[test]
    fn inside_is_of_components() {
        assert!(is_inside(b"a/b/c", b"a"));
        assert!(!is_inside(b"ab", b"a") && !is_inside(b"a", b"a"));
    }

    #[test]
    fn names_cannot_command_a_terminal() {
        assert_eq!(shown("a\x1b[2Jé".as_bytes()), r"a\u{1b}[2Jé");
        assert_eq!(shown(b"a\xff"), r"a\xff");
    }
}
