//! Hashes of values, field by field, under the fingerprints.

/// Takes fields and gives 128 bits.
#[derive(Clone, Debug, Default)]
pub struct Hasher(lockgate_plugin::Hasher);

impl Hasher {
    /// With a first field.
    #[must_use]
    pub fn new(kind: &str) -> Self {
        let mut hasher = Self::default();
        hasher.text(kind.as_bytes());
        hasher
    }

    /// Bytes of a field whose length was taken before; how they are cut makes no difference.
    pub fn piece(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// A field: its length and its bytes, so that no two lists of fields look alike.
    pub fn text(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.piece(bytes);
    }

    /// A number.
    pub fn number(&mut self, number: u64) {
        self.piece(&number.to_le_bytes());
    }

    /// The hash of all that was taken.
    #[must_use]
    pub fn finish(&self) -> u128 {
        self.0.clone().finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_no_difference_and_fields_do() {
        let mut whole = Hasher::new("a");
        whole.text(b"bcdefghijklmnop");
        let mut pieces = Hasher::new("a");
        pieces.number(15);
        b"bcdefghijklmnop".chunks(4).for_each(|piece| pieces.piece(piece));
        assert_eq!(whole.finish(), pieces.finish());
        let mut other = Hasher::new("ab");
        other.text(b"cdefghijklmnop");
        assert_ne!(whole.finish(), other.finish());
    }
}
