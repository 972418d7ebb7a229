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

#[cfg(test)]
mod tests {
    use super::*;

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
