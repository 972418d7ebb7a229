//! Names that the kernel may see. Hosts, tags and paths of snapshots are any text, and a tree may have been written by
//! whoever holds the key: a name that leads elsewhere, or that the kernel chokes on, never gets to it.

use crate::limits;

/// Whether bytes can be a name in a folder.
pub(crate) fn is_name(bytes: &[u8]) -> bool {
    !matches!(bytes, b"" | b"." | b"..")
        && bytes.len() <= limits::NAME_BYTES_MAX
        && !bytes.iter().any(|byte| matches!(byte, b'/' | 0))
}

/// A name as much like `text` as may be: `_` for what cannot be in one, and for what drives a terminal.
pub(crate) fn of_text(text: &str) -> String {
    let fit = |character: char| match character {
        '/' => '_',
        character if lockgate_types::is_unfit(character) => '_',
        character => character,
    };
    let mut name = String::with_capacity(text.len().min(limits::NAME_BYTES_MAX));
    for character in text.chars().map(fit) {
        if name.len() + character.len_utf8() > limits::NAME_BYTES_MAX {
            break;
        }
        name.push(character);
    }
    match name.as_str() {
        "" | "." => "_".to_owned(),
        ".." => "__".to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_elsewhere_is_no_name() {
        for bytes in [&b""[..], b".", b"..", b"a/b", b"/", b"a\0b", &[b'x'; 256]] {
            assert!(!is_name(bytes), "{bytes:?}");
        }
        for bytes in [&b"a"[..], b"...", b".hidden", b"\xff\n", &[b'x'; 255]] {
            assert!(is_name(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn any_text_becomes_a_name() {
        let long = "ä".repeat(200);
        let texts = ["", ".", "..", "/", "../../etc", "a\0b", "a\nb", "\u{202e}x", &long, "plain"];
        let names = texts.map(of_text);
        assert!(names.iter().all(|name| is_name(name.as_bytes())), "{names:?}");
        let expected = ["_", "_", "__", "_", ".._.._etc", "a_b", "a_b", "_x"];
        assert_eq!(names[..8], expected);
        assert_eq!((names[8].len(), names[9].as_str()), (254, "plain"));
    }
}
