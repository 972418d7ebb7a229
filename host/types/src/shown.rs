//! Text from plugins and servers, made fit for a terminal, a log and a single line.

use std::borrow::Cow;

/// Whether a character has no place in a line of text: it controls the terminal, or turns or hides what is around it.
#[must_use]
pub fn is_unfit(character: char) -> bool {
    character.is_control() || is_deceptive(character)
}

/// Characters that turn or hide the text around them: the bidirectional controls and zero-width characters of Unicode
/// (Unicode Standard Annex 9, and "Trojan Source", CVE-2021-42574).
fn is_deceptive(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` on one line without control characters, cut to about `bytes_max` bytes.
#[must_use]
pub fn shown(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max && !text.contains(is_unfit) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len().min(bytes_max));
    for character in text.trim_end().chars() {
        if line.len() >= bytes_max {
            line.push('…');
            break;
        }
        if is_unfit(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    Cow::Owned(line)
}

/// [`shown`] for a text that is owned.
#[must_use]
pub fn into_shown(text: String, bytes_max: usize) -> String {
    match shown(&text, bytes_max) {
        Cow::Borrowed(_) => text,
        Cow::Owned(line) => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_cannot_be_driven() {
        assert_eq!(shown("\x1b[31mred\x07\r\n", 100), "\\u{1b}[31mred\\u{7}");
        assert_eq!(shown("a\nb\tc\u{9b}", 100), "a\\nb\\tc\\u{9b}");
        assert_eq!(shown("safe\u{202e}txt", 100), "safe\\u{202e}txt");
        assert_eq!(shown("größe 表", 100), "größe 表");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(shown(&"é".repeat(100), 10), format!("{}…", "é".repeat(5)));
        assert_eq!(shown("short", 5), "short");
    }
}
