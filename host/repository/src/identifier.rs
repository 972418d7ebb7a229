//! Objects by the first digits of their names.

use lockgate_types::Digest;

use crate::error::{Error, ErrorKind, Result};

/// Digits in a name.
const DIGITS: usize = 64;
/// Names that an error shows of those that are meant.
const SHOWN_MAX: usize = 8;
/// Digits of each of them: enough to tell them apart.
const SHOWN_DIGITS: usize = 16;

/// The one of `ids` whose name begins with `prefix`; `noun` says what they are. The same id may come twice.
///
/// # Errors
/// `Invalid` when `prefix` is none, `NotFound`, `Ambiguous`.
pub(crate) fn find(
    noun: &str,
    ids: impl IntoIterator<Item = Digest>,
    prefix: &str,
) -> Result<Digest> {
    let digits = nibbles(prefix).ok_or_else(|| {
        let text = format!("{prefix:?} names no {noun}: expected the first digits of its id");
        Error::new(ErrorKind::Invalid, text)
    })?;
    let mut found: Vec<Digest> = ids.into_iter().filter(|id| begins_with(id, &digits)).collect();
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [] => {
            let text = format!("no {noun} {prefix:?} in the repository");
            Err(Error::new(ErrorKind::NotFound, text))
        }
        [id] => Ok(*id),
        several => {
            let shorten = |id: &Digest| id.to_string().chars().take(SHOWN_DIGITS).collect();
            let shown: Vec<String> = several.iter().take(SHOWN_MAX).map(shorten).collect();
            let text = format!("{prefix:?} begins more than one {noun}: {}", shown.join(", "));
            Err(Error::new(ErrorKind::Ambiguous, text))
        }
    }
}

fn nibbles(prefix: &str) -> Option<Vec<u8>> {
    if prefix.is_empty() || prefix.len() > DIGITS {
        return None;
    }
    let value = |digit: char| digit.to_digit(16).and_then(|value| u8::try_from(value).ok());
    prefix.chars().map(value).collect()
}

fn begins_with(id: &Digest, digits: &[u8]) -> bool {
    let nibbles = id.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.zip(digits).all(|(own, wanted)| own == *wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_names_one_or_the_error_names_all() {
        let mut twin = [0xab; 32];
        twin[20] = 0;
        let ids = [Digest([0xab; 32]), Digest(twin), Digest([0xcd; 32]), Digest([0xcd; 32])];
        let find = |prefix: &str| find("thing", ids, prefix);
        assert_eq!(find("C").unwrap(), ids[2]);
        assert_eq!(find(&ids[1].to_string()).unwrap(), ids[1]);
        let error = find("abab").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ambiguous);
        assert_eq!(error.to_string().matches("abababababababab").count(), 2);
        assert_eq!(find("00").unwrap_err().kind(), ErrorKind::NotFound);
        for prefix in ["", "xyz", "ab/../cd", "é", &"a".repeat(65)] {
            assert_eq!(find(prefix).unwrap_err().kind(), ErrorKind::Invalid, "{prefix}");
        }
    }
}
