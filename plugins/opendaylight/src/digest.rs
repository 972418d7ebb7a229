//! A hash of a JSON value, read as it comes: the order of members and of list entries does not count, because a server gives the entries of
//! most lists in an order of its own.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Read;

use lockgate_plugin::{Error, Hasher, Result};
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

/// What a body holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// As text.
    pub fingerprint: String,
    /// Values that are neither objects nor lists.
    pub leaves: u64,
    /// Names of models that members are named with.
    pub modules: BTreeSet<String>,
}

/// Reads `source` to its end.
///
/// # Errors
/// When it breaks off, or is no JSON.
pub fn digest(source: impl Read) -> Result<Digest> {
    let mut json = serde_json::Deserializer::from_reader(source);
    let mut state = State::default();
    let hash = json.deserialize_any(Value(&mut state)).and_then(|hash| json.end().map(|()| hash));
    let hash = hash.map_err(from_json)?;
    Ok(Digest {
        fingerprint: format!("{}-{hash:032x}", state.leaves),
        leaves: state.leaves,
        modules: state.modules,
    })
}

/// Keeps the kind of what went wrong below the JSON.
pub fn from_json(error: serde_json::Error) -> Error {
    match error.io_error_kind() {
        Some(_) => Error::from(std::io::Error::from(error)),
        None => Error::corrupt(error.to_string()),
    }
}

#[derive(Default)]
struct State {
    leaves: u64,
    modules: BTreeSet<String>,
}

struct Value<'a>(&'a mut State);

impl Value<'_> {
    fn leaf(self, kind: u8, bytes: &[u8]) -> u128 {
        self.0.leaves += 1;
        let mut hasher = Hasher::default();
        hasher.update(&[kind]);
        hasher.update(bytes);
        hasher.finish()
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = u128;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<u128, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = u128;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<u128, E> {
        Ok(self.leaf(b'b', &[u8::from(value)]))
    }

    fn visit_i64<E>(self, value: i64) -> Result<u128, E> {
        Ok(self.leaf(b'i', &i128::from(value).to_le_bytes()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<u128, E> {
        Ok(self.leaf(b'i', &i128::from(value).to_le_bytes()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<u128, E> {
        Ok(self.leaf(b'f', &value.to_bits().to_le_bytes()))
    }

    fn visit_str<E>(self, value: &str) -> Result<u128, E> {
        Ok(self.leaf(b's', value.as_bytes()))
    }

    fn visit_unit<E>(self) -> Result<u128, E> {
        Ok(self.leaf(b'n', &[]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<u128, A::Error> {
        let mut sum = 0_u128;
        while let Some(hash) = list.next_element_seed(Value(&mut *self.0))? {
            sum = sum.wrapping_add(mix(b'e', &[], hash));
        }
        Ok(mix(b'a', &[], sum))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<u128, A::Error> {
        let mut sum = 0_u128;
        while let Some(key) = object.next_key::<String>()? {
            if let Some((module, _)) = key.split_once(':')
                && !self.0.modules.contains(module)
            {
                if self.0.modules.len() >= crate::limits::MODULES_MAX {
                    return Err(A::Error::custom("members of too many models"));
                }
                self.0.modules.insert(module.to_owned());
            }
            let hash = object.next_value_seed(Value(&mut *self.0))?;
            sum = sum.wrapping_add(mix(b'm', key.as_bytes(), hash));
        }
        Ok(mix(b'o', &[], sum))
    }
}

fn mix(kind: u8, name: &[u8], hash: u128) -> u128 {
    let mut hasher = Hasher::default();
    hasher.update(&[kind]);
    hasher.update(&hash.to_le_bytes());
    hasher.update(name);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        digest(text.as_bytes()).unwrap().fingerprint
    }

    #[test]
    fn the_order_does_not_count_and_everything_else_does() {
        let one = of(r#"{"car:cars":{"car-entry":[{"id":"a","year":1},{"id":"b"}]}}"#);
        assert_eq!(
            one,
            of(r#"{ "car:cars": {"car-entry":[{"id":"b"},{"year":1,"id":"\u0061"}]} }"#)
        );
        for other in [
            r#"{"car:cars":{"car-entry":[{"id":"a","year":2},{"id":"b"}]}}"#,
            r#"{"car:cars":{"car-entry":[{"id":"a","year":"1"},{"id":"b"}]}}"#,
            r#"{"car:cars":{"car-entry":[{"id":"a"},{"id":"b","year":1}]}}"#,
            r#"{"car:cars":{"car-entry":[{"id":"a","year":1},{"id":"b"},{"id":"b"}]}}"#,
            r#"{"car:cars":{"car-entry":[[{"id":"a","year":1},{"id":"b"}]]}}"#,
        ] {
            assert_ne!(one, of(other), "{other}");
        }
    }

    #[test]
    fn models_are_those_of_members() {
        let found = digest(&br#"{"car:cars":{"x:y":[{"car:id":"z:1"}]}}"#[..]).unwrap();
        assert_eq!(found.modules.into_iter().collect::<Vec<_>>(), ["car", "x"]);
        assert_eq!(found.leaves, 1);
    }

    #[test]
    fn what_is_cut_or_no_json_is_refused() {
        let whole = br#"{"car:cars":{"car-entry":[{"id":"a","year":1}]}}"#;
        for end in 0..whole.len() {
            assert!(digest(&whole[..end]).is_err());
        }
        assert!(digest(&b"{} {}"[..]).is_err());
        assert!(digest(&[b'['; 100_000][..]).is_err());
    }
}
