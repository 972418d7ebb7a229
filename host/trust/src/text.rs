//! Texts of strangers, before a person reads them.

use lockgate_types::is_unfit;

/// Whether the text can be printed anywhere.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.chars().any(is_unfit)
}

/// The text with what is not plain escaped, at most `length` characters.
pub(crate) fn plain(text: &str, length: usize) -> String {
    let mut shown = String::new();
    for character in text.chars().take(length) {
        if is_unfit(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Names in quotes, with "and" before the last.
pub(crate) fn listed(names: impl IntoIterator<Item = String>) -> String {
    let mut names: Vec<String> = names.into_iter().collect();
    match names.pop() {
        None => "nothing".to_owned(),
        Some(last) if names.is_empty() => last,
        Some(last) => format!("{} and {last}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_deceive_is_escaped() {
        for text in ["\u{1b}[31m", "a\nb", "safe\u{202e}txt", "\u{200b}", "\0", "\u{9b}"] {
            assert!(!is_plain(text) && is_plain(&plain(text, 99)), "{text:?}");
        }
        assert!(is_plain("Grüße, 世界 — fine"));
        assert_eq!(plain("abcdef", 3), "abc");
        assert_eq!(listed(["a", "b", "c"].map(str::to_owned)), "a, b and c");
    }
}
