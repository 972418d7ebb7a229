//! Replaces texts in a stream that comes in pieces.

/// Texts to replace, and the end of the stream that may be the beginning of one.
#[derive(Debug)]
pub(super) struct Replacer {
    texts: Vec<(Vec<u8>, Vec<u8>)>,
    kept: Vec<u8>,
}

impl Replacer {
    /// The texts of a pair are of equal length, and not empty.
    pub(super) fn new(texts: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        Self { texts, kept: Vec::new() }
    }

    pub(super) fn keeps_something(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Takes the next piece; what can be passed on of it and what was kept before, and how often something was replaced.
    pub(super) fn feed(&mut self, piece: &[u8]) -> (Vec<u8>, u64) {
        let mut bytes = std::mem::take(&mut self.kept);
        bytes.extend_from_slice(piece);
        let (mut at, mut replaced) = (0, 0);
        while at < bytes.len() {
            let rest = bytes.get(at..).unwrap_or_default();
            let found = self.texts.iter().find(|(old, _)| rest.starts_with(old));
            if let Some((old, new)) = found {
                let end = at + old.len();
                bytes.splice(at..end, new.iter().copied());
                at = end;
                replaced += 1;
            } else if self.texts.iter().any(|(old, _)| old.starts_with(rest)) {
                self.kept = bytes.split_off(at);
            } else {
                at += 1;
            }
        }
        (bytes, replaced)
    }

    /// Gives up waiting for the rest of a text.
    pub(super) fn flush(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_replaced_wherever_the_stream_is_cut() {
        let stream = b"version 10.11.3 and 10.1 and 10.11.10.11.3.";
        for first in 0..stream.len() {
            for second in first..stream.len() {
                let mut replacer = Replacer::new(vec![(b"10.11.3".into(), b"99.11.3".into())]);
                let mut out = Vec::new();
                let mut replaced = 0;
                for piece in [&stream[..first], &stream[first..second], &stream[second..]] {
                    let (bytes, count) = replacer.feed(piece);
                    out.extend(bytes);
                    replaced += count;
                }
                out.extend(replacer.flush());
                assert_eq!(out, b"version 99.11.3 and 10.1 and 10.11.99.11.3.");
                assert_eq!(replaced, 2);
            }
        }
    }

    #[test]
    fn what_cannot_become_a_text_is_not_kept() {
        let mut replacer = Replacer::new(vec![(b"abc".into(), b"xyz".into())]);
        assert_eq!(replacer.feed(b"hello").0, b"hello");
        assert!(!replacer.keeps_something());
        assert_eq!(replacer.feed(b"hellab").0, b"hell");
        assert!(replacer.keeps_something());
        assert_eq!(replacer.flush(), b"ab");
    }
}
