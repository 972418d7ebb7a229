//! Patterns of names and paths, over bytes.

use serde::Deserialize;

/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 4096;

/// `*` stands for any bytes but `/`, `?` for one of them, `**` for any bytes. Without a slash the pattern is about names at any
/// depth, with one about paths in the folder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    is_of_names: bool,
    tokens: Vec<Token>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    One,
    Many,
    ManyWithSlashes,
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).map_err(|reason| format!("pattern {text:?} {reason}"))
    }
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// In words, to be read behind the pattern.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err("is longer than 4096 bytes");
        }
        let is_of_names = !text.contains('/');
        let path = text.strip_prefix('/').unwrap_or(text);
        if path.split('/').any(|component| matches!(component, "" | "." | "..")) {
            return Err("has a component that is empty, `.` or `..`");
        }
        let mut tokens = Vec::new();
        for byte in path.bytes() {
            match (byte, tokens.last_mut()) {
                (b'*', Some(last @ Token::Many)) => *last = Token::ManyWithSlashes,
                (b'*', Some(Token::ManyWithSlashes)) => {}
                (b'*', _) => tokens.push(Token::Many),
                (b'?', _) => tokens.push(Token::One),
                (byte, _) => tokens.push(Token::Byte(byte)),
            }
        }
        Ok(Self { is_of_names, tokens })
    }

    /// Whether the pattern is about `path`, which is relative to the folder.
    #[must_use]
    pub fn matches(&self, path: &[u8]) -> bool {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        self.fits(if self.is_of_names { name } else { path })
    }

    /// Takes time in proportion to the product of the lengths: all positions of the pattern that the bytes so far can have led to
    /// are gone through side by side.
    fn fits(&self, text: &[u8]) -> bool {
        let mut reached = self.skipping(vec![true; 1]);
        for &byte in text {
            let mut next = vec![false; self.tokens.len() + 1];
            for (at, token) in self.tokens.iter().enumerate() {
                if reached.get(at) != Some(&true) {
                    continue;
                }
                let (moves, stays) = match token {
                    Token::Byte(wanted) => (*wanted == byte, false),
                    Token::One => (byte != b'/', false),
                    Token::Many => (false, byte != b'/'),
                    Token::ManyWithSlashes => (false, true),
                };
                mark(&mut next, at + 1, moves);
                mark(&mut next, at, stays);
            }
            reached = self.skipping(next);
        }
        reached.last() == Some(&true)
    }

    /// What can be reached without another byte: stars may stand for none.
    fn skipping(&self, mut reached: Vec<bool>) -> Vec<bool> {
        reached.resize(self.tokens.len() + 1, false);
        for (at, token) in self.tokens.iter().enumerate() {
            let is_star = matches!(token, Token::Many | Token::ManyWithSlashes);
            let here = reached.get(at) == Some(&true);
            mark(&mut reached, at + 1, is_star && here);
        }
        reached
    }
}

fn mark(positions: &mut [bool], at: usize, is_reached: bool) {
    if let Some(position) = positions.get_mut(at) {
        *position |= is_reached;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names_or_paths() {
        for (pattern, path, fits) in [
            ("*.db", "a.db", true),
            ("*.db", "x/y/a.db", true),
            ("*.db", ".db", true),
            ("*.db", "a.db-wal", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("/a.db", "a.db", true),
            ("/a.db", "x/a.db", false),
            ("x/*.db", "x/a.db", true),
            ("x/*.db", "x/y/a.db", false),
            ("x/**.db", "x/y/a.db", true),
            ("**/a.db", "x/y/a.db", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
        ] {
            let read = Pattern::parse(pattern).unwrap();
            assert_eq!(read.matches(path.as_bytes()), fits, "{pattern} {path}");
        }
        assert!(Pattern::parse("*").unwrap().matches(b"\xff\n"));
    }

    #[test]
    fn many_stars_take_no_longer() {
        let pattern = Pattern::parse(&"*a".repeat(1000)).unwrap();
        assert!(!pattern.matches(&[b'a'; 999]) && pattern.matches(&[b'a'; 1000]));
    }
}
