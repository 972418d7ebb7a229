//! Patterns of names, in the way of `.gitignore` (<https://git-scm.com/docs/gitignore>), over bytes.

use serde::Deserialize;

/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 4096;

/// One pattern. Matching takes time in proportion to the lengths of pattern and path multiplied, never more.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    /// Written with `!`: what matches is kept after all.
    pub is_exception: bool,
    /// Written with a `/` at the end.
    folders_only: bool,
    components: Vec<Component>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Component {
    /// `**`: any number of folders.
    AnyFolders,
    Name(Vec<Token>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`
    AnyByte,
    /// `*`
    AnyBytes,
    /// `[a-z]`, `[!a-z]`
    Class {
        is_negated: bool,
        ranges: Vec<(u8, u8)>,
    },
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).map_err(|reason| format!("pattern {text:?} {reason}"))
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err("is longer than 4096 bytes");
        }
        let (is_exception, text) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (folders_only, text) = match text.strip_suffix('/') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        // A slash at the start or inside ties the pattern to the top; a mere name is found at any depth.
        let is_tied = text.contains('/');
        let text = text.strip_prefix('/').unwrap_or(text);
        let mut components = Vec::new();
        if !is_tied {
            components.push(Component::AnyFolders);
        }
        for component in text.split('/') {
            components.push(match component {
                "" => return Err("has an empty component"),
                "." | ".." => return Err("has a component `.` or `..`"),
                "**" => Component::AnyFolders,
                name => Component::Name(tokens(name.as_bytes())?),
            });
        }
        // `a/**` means what is inside of `a`, not `a` itself.
        if components.len() > 1 && components.last() == Some(&Component::AnyFolders) {
            components.push(Component::Name(vec![Token::AnyBytes]));
        }
        Ok(Self { is_exception, folders_only, components })
    }

    /// Whether the pattern is about `path`, which is relative to the folder that is backed up.
    #[must_use]
    pub fn matches(&self, path: &[u8], is_folder: bool) -> bool {
        if self.folders_only && !is_folder {
            return false;
        }
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        matches_sequence(
            &self.components,
            &names,
            |component| *component == Component::AnyFolders,
            {
                |component, name| match component {
                    Component::AnyFolders => false,
                    Component::Name(tokens) => matches_name(tokens, name),
                }
            },
        )
    }
}

/// Whether the last of `patterns` that is about `path` is no exception.
#[must_use]
pub fn matches(patterns: &[Pattern], path: &[u8], is_folder: bool) -> bool {
    let decides = |pattern: &&Pattern| pattern.matches(path, is_folder);
    patterns.iter().rev().find(decides).is_some_and(|pattern| !pattern.is_exception)
}

fn matches_name(tokens: &[Token], name: &[u8]) -> bool {
    matches_sequence(
        tokens,
        name,
        |token| *token == Token::AnyBytes,
        |token, byte| match token {
            Token::Byte(expected) => expected == byte,
            Token::AnyByte => true,
            Token::AnyBytes => false,
            Token::Class { is_negated, ranges } => {
                let is_inside = ranges.iter().any(|(low, high)| (low..=high).contains(&byte));
                is_inside != *is_negated
            }
        },
    )
}

/// Matches a sequence against a pattern some of whose elements stand for any number of items. Only the last such element
/// is ever tried again: what an earlier one could take more, the last can take too.
pub(crate) fn matches_sequence<P, T>(
    pattern: &[P],
    items: &[T],
    is_any: impl Fn(&P) -> bool,
    is_match: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut element, mut item) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while item < items.len() {
        let matched = match (pattern.get(element), items.get(item)) {
            (Some(any), _) if is_any(any) => {
                retry = Some((element + 1, item));
                element += 1;
                continue;
            }
            (Some(single), Some(candidate)) => is_match(single, candidate),
            _ => false,
        };
        if matched {
            element += 1;
            item += 1;
            continue;
        }
        let Some((after, taken)) = retry else { return false };
        retry = Some((after, taken + 1));
        element = after;
        item = taken + 1;
    }
    pattern.get(element..).unwrap_or_default().iter().all(is_any)
}

fn tokens(name: &[u8]) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut bytes = name.iter().copied();
    while let Some(byte) = bytes.next() {
        tokens.push(match byte {
            b'*' if tokens.last() == Some(&Token::AnyBytes) => continue,
            b'*' => Token::AnyBytes,
            b'?' => Token::AnyByte,
            b'[' => class(&mut bytes)?,
            b'\\' => Token::Byte(bytes.next().ok_or("ends with a backslash")?),
            other => Token::Byte(other),
        });
    }
    Ok(tokens)
}

/// The rest of a class, up to its bracket. A `]` right at the start is one of its bytes.
fn class(bytes: &mut impl Iterator<Item = u8>) -> Result<Token, &'static str> {
    const UNCLOSED: &str = "has a `[` without its `]`";
    let mut members = Vec::new();
    let mut is_negated = false;
    loop {
        match bytes.next().ok_or(UNCLOSED)? {
            b'!' | b'^' if members.is_empty() && !is_negated => is_negated = true,
            b']' if !members.is_empty() => break,
            b'\\' => members.push(bytes.next().ok_or(UNCLOSED)?),
            byte => members.push(byte),
        }
    }
    Ok(Token::Class { is_negated, ranges: ranges(&members) })
}

fn ranges(members: &[u8]) -> Vec<(u8, u8)> {
    let mut ranges = Vec::new();
    let mut rest = members;
    while let Some((first, after)) = rest.split_first() {
        rest = match after {
            [b'-', last, after @ ..] => {
                ranges.push((*first, *last));
                after
            }
            _ => {
                ranges.push((*first, *first));
                after
            }
        };
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        let is_folder = path.ends_with('/');
        let pattern = Pattern::try_from(pattern.to_owned()).unwrap();
        pattern.matches(path.trim_end_matches('/').as_bytes(), is_folder)
    }

    #[test]
    fn patterns_match_as_in_gitignore() {
        let cases = [
            // A mere name at any depth.
            ("*.tmp", &["a.tmp", "b/c.tmp", ".tmp"][..], &["a.tmp.x", "tmp"][..]),
            ("cache", &["cache", "a/b/cache", "cache/"], &["cachet", "a/cache/b"]),
            // With a slash at the end only folders.
            ("target/", &["target/", "a/target/"], &["target", "a/target"]),
            // Tied to the top.
            ("/build", &["build"], &["a/build"]),
            ("a/b", &["a/b"], &["x/a/b", "a/b/c"]),
            ("a/*/c", &["a/b/c"], &["a/c", "a/b/b/c"]),
            // Any number of folders.
            ("**/x", &["x", "a/x", "a/b/x"], &["xx"]),
            ("a/**/x", &["a/x", "a/b/x", "a/b/c/x"], &["x", "b/x"]),
            ("a/**", &["a/b", "a/b/c"], &["a", "b"]),
            // Bytes and classes.
            ("?", &["a"], &["", "ab"]),
            ("[a-c]x", &["ax", "cx"], &["dx", "x"]),
            ("[!a-c]x", &["dx"], &["ax"]),
            ("[]-]", &["]", "-"], &["a"]),
            ("a*b*c", &["abc", "a1b2c", "abbcc"], &["ab", "acb"]),
            (r"\*", &["*"], &["a"]),
            (r"\!a", &["!a"], &["a"]),
        ];
        for (pattern, yes, no) in cases {
            for path in yes {
                assert!(matches(pattern, path), "{pattern} {path}");
            }
            for path in no {
                assert!(!matches(pattern, path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn names_need_not_be_text() {
        let pattern = Pattern::try_from("a?".to_owned()).unwrap();
        assert!(pattern.matches(b"a\xff", false));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in ["", "/", "a//b", "[a", "a\\", "../a", "!"] {
            assert!(Pattern::try_from(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let pattern = Pattern::try_from("a*".repeat(1000) + "b").unwrap();
        assert!(!pattern.matches("a".repeat(4000).as_bytes(), false));
    }
}
