use sha2::{Digest, Sha256};

use crate::ExtendedAttribute;

/// Computes a fingerprint: SHA-256 over fields, each with its length before it, so that no two sequences of fields look alike.
///
/// ```
/// use lockgate_plugin::Fingerprint;
///
/// let of = |fields: &[&str]| {
///     let mut fingerprint = Fingerprint::new();
///     fields.iter().for_each(|field| fingerprint.add(field));
///     fingerprint.finish()
/// };
/// assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
/// assert_eq!(of(&["a"]).len(), "sha256:".len() + 64);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    pub fn add(&mut self, field: impl AsRef<[u8]>) {
        let field = field.as_ref();
        self.0.update((field.len() as u64).to_le_bytes());
        self.0.update(field);
    }

    /// Adds a number.
    pub fn add_number(&mut self, number: u64) {
        self.add(number.to_le_bytes());
    }

    /// Adds extended attributes, whose order makes no difference.
    pub fn add_extended_attributes(&mut self, attributes: &[ExtendedAttribute]) {
        let mut attributes: Vec<&ExtendedAttribute> = attributes.iter().collect();
        attributes.sort_by(|left, right| left.name.cmp(&right.name));
        self.add_number(attributes.len() as u64);
        for attribute in attributes {
            self.add(&attribute.name);
            self.add(&attribute.value);
        }
    }

    /// `sha256:` and 64 hexadecimal digits.
    #[must_use]
    pub fn finish(self) -> String {
        use std::fmt::Write;
        let mut text = String::from("sha256:");
        for byte in self.0.finalize() {
            // Writing into a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}
