//! The notations of the specification (section 4), of what the plugin asks.

/// A value that is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// The column keeps what it has: nothing is written, not even a tombstone.
    Unset,
    /// As the server encodes it.
    Bytes(&'a [u8]),
}

/// A body that is written.
#[derive(Clone, Debug, Default)]
pub struct Body(pub Vec<u8>);

impl Body {
    /// `[byte]`
    pub fn byte(&mut self, number: u8) {
        self.0.push(number);
    }

    /// `[short]`
    pub fn short(&mut self, number: u16) {
        self.0.extend(number.to_be_bytes());
    }

    /// `[int]`
    pub fn int(&mut self, number: i32) {
        self.0.extend(number.to_be_bytes());
    }

    /// `[string]`; of at most 65,535 bytes.
    pub fn string(&mut self, text: &str) {
        self.short_bytes(text.as_bytes());
    }

    /// `[long string]`
    pub fn long_string(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// `[bytes]`
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.int(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        self.0.extend(bytes);
    }

    /// `[short bytes]`; of at most 65,535 bytes.
    pub fn short_bytes(&mut self, bytes: &[u8]) {
        self.short(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
        self.0.extend(bytes);
    }

    /// `[value]`
    pub fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Unset => self.int(-2),
            Value::Bytes(bytes) => self.bytes(bytes),
        }
    }
}
