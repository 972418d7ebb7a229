//! Bytes taken as a whole: serde's own way for `Vec<u8>` looks at each byte. Both have the same form on the wire.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserializer, Serializer};

pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    deserializer.deserialize_byte_buf(Whole)
}

struct Whole;

impl Visitor<'_> for Whole {
    type Value = Vec<u8>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::Answer;

    #[test]
    fn the_form_on_the_wire_is_that_of_a_vector() {
        let bytes = vec![7_u8; 300];
        let whole = postcard::to_stdvec(&Answer::Bytes(bytes.clone())).unwrap();
        assert_eq!(whole[1..], postcard::to_stdvec(&bytes).unwrap());
        let back: Answer = postcard::from_bytes(&whole).unwrap();
        assert!(matches!(back, Answer::Bytes(same) if same == bytes));
    }
}
