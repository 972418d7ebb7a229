//! Prints JSON exactly as Go's `encoding/json` does, HTML escapes included.

use std::io::Write as _;

/// Appends `bytes` as a JSON string; bytes that are not UTF-8 become `\ufffd`.
pub(crate) fn print_string(json: &mut Vec<u8>, bytes: &[u8]) {
    json.push(b'"');
    for chunk in bytes.utf8_chunks() {
        print_valid(json, chunk.valid());
        for _ in 0..chunk.invalid().len() {
            json.extend_from_slice(b"\\ufffd");
        }
    }
    json.push(b'"');
}

fn print_valid(json: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut printed = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let (escape, length): (&[u8], usize) = match byte {
            b'"' => (b"\\\"", 1),
            b'\\' => (b"\\\\", 1),
            0x08 => (b"\\b", 1),
            0x0c => (b"\\f", 1),
            b'\n' => (b"\\n", 1),
            b'\r' => (b"\\r", 1),
            b'\t' => (b"\\t", 1),
            b'<' => (b"\\u003c", 1),
            b'>' => (b"\\u003e", 1),
            b'&' => (b"\\u0026", 1),
            0..0x20 => (b"", 1),
            // U+2028 and U+2029, which JavaScript takes for line ends.
            0xe2 if bytes.get(at + 1..at + 3) == Some(&[0x80, 0xa8]) => (b"\\u2028", 3),
            0xe2 if bytes.get(at + 1..at + 3) == Some(&[0x80, 0xa9]) => (b"\\u2029", 3),
            _ => continue,
        };
        json.extend_from_slice(&bytes[printed..at]);
        if escape.is_empty() {
            json.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
        } else {
            json.extend_from_slice(escape);
        }
        printed = at + length;
    }
    json.extend_from_slice(&bytes[printed..]);
}

/// Prints the members of one JSON object in the order they are given.
pub(super) struct ObjectPrinter<'a> {
    json: &'a mut Vec<u8>,
    is_first: bool,
}

impl<'a> ObjectPrinter<'a> {
    pub(super) fn begin(json: &'a mut Vec<u8>) -> Self {
        json.push(b'{');
        Self { json, is_first: true }
    }

    /// The place for the value of `key`, which must need no escapes.
    pub(super) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.is_first {
            self.json.push(b',');
        }
        self.is_first = false;
        self.json.push(b'"');
        self.json.extend_from_slice(key.as_bytes());
        self.json.extend_from_slice(b"\":");
        self.json
    }

    /// The place for the value of a `key` that may hold anything.
    pub(super) fn foreign_key(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.is_first {
            self.json.push(b',');
        }
        self.is_first = false;
        print_string(self.json, key.as_bytes());
        self.json.push(b':');
        self.json
    }

    pub(super) fn string(&mut self, key: &str, text: &[u8]) {
        print_string(self.key(key), text);
    }

    /// Leaves out an empty text.
    pub(super) fn string_unless_empty(&mut self, key: &str, text: &[u8]) {
        if !text.is_empty() {
            self.string(key, text);
        }
    }

    /// `value` must print without anything that needs an escape.
    pub(super) fn plain_string(&mut self, key: &str, value: impl std::fmt::Display) {
        let json = self.key(key);
        // Memory takes all that is written.
        let _ = write!(json, "\"{value}\"");
    }

    pub(super) fn number(&mut self, key: &str, value: u64) {
        // Faster than the formatter, and every node has six.
        let _ = serde_json::to_writer(self.key(key), &value);
    }

    /// Leaves out 0.
    pub(super) fn number_unless_zero(&mut self, key: &str, value: u64) {
        if value != 0 {
            self.number(key, value);
        }
    }

    pub(super) fn list<T>(
        &mut self,
        key: &str,
        items: impl IntoIterator<Item = T>,
        mut print: impl FnMut(&mut Vec<u8>, T),
    ) {
        let json = self.key(key);
        json.push(b'[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            print(json, item);
        }
        json.push(b']');
    }

    /// Bytes of all JSON so far, of what stands before the object too.
    pub(super) fn length(&self) -> usize {
        self.json.len()
    }

    pub(super) fn end(self) {
        self.json.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(bytes: &[u8]) -> String {
        let mut json = Vec::new();
        print_string(&mut json, bytes);
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn strings_print_as_go_prints_them() {
        // Expected values: `json.Marshal` of Go 1.24.
        let golden: [(&[u8], &str); 8] = [
            (b"plain", r#""plain""#),
            (b"<a href=\"x\">&", r#""\u003ca href=\"x\"\u003e\u0026""#),
            (b"\x00\x01\x1f\x7f", "\"\\u0000\\u0001\\u001f\u{7f}\""),
            (b"\x08\x0c\n\r\t\x0b", r#""\b\f\n\r\t\u000b""#),
            ("\u{2027}\u{2028}\u{2029}\u{202a}".as_bytes(), "\"\u{2027}\\u2028\\u2029\u{202a}\""),
            (b"\xff\xc3(", r#""\ufffd\ufffd(""#),
            (b"\xe2\x80", r#""\ufffd\ufffd""#),
            ("\u{fffd}\u{1f600}".as_bytes(), "\"\u{fffd}\u{1f600}\""),
        ];
        for (bytes, json) in golden {
            assert_eq!(printed(bytes), json);
        }
    }

    proptest! {
        #[test]
        fn strings_come_back(text: String) {
            let back: String = serde_json::from_str(&printed(text.as_bytes())).unwrap();
            prop_assert_eq!(back, text);
        }
    }
}
