//! Compares what two servers hold.

use crate::datastore::Contents;

/// Characters of a value that a difference shows.
const SHOWN_CHARACTERS_MAX: usize = 200;

/// Characters before the place where two values begin to differ.
const CONTEXT_CHARACTERS: usize = 20;

/// The first difference, and how many objects differ; none when both hold the same.
pub(crate) fn difference(source: &Contents, restored: &Contents) -> Option<String> {
    let of_source = source.iter().filter(|(name, value)| restored.get(*name) != Some(value));
    let too_many = restored.keys().filter(|name| !source.contains_key(*name));
    let count = of_source.clone().count() + too_many.clone().count();
    let first = match (of_source.clone().next(), too_many.clone().next()) {
        (Some((name, value)), _) => match restored.get(name) {
            Some(other) => {
                let same = common(value, other);
                let from = |text: &str| shown(text.get(same..).unwrap_or(text));
                format!("{} is {} and was {}", shown(name), from(other), from(value))
            }
            None => format!("{} is missing", shown(name)),
        },
        (None, Some(name)) => format!("{} is too much", shown(name)),
        (None, None) => return None,
    };
    Some(format!("{first} ({count} of {} objects)", source.len().max(restored.len())))
}

/// Where the texts begin to differ, less some characters so that the place can be found.
fn common(left: &str, right: &str) -> usize {
    let pairs = left.char_indices().zip(right.chars());
    let same: Vec<usize> =
        pairs.take_while(|((_, left), right)| left == right).map(|((at, _), _)| at).collect();
    let start = same.len().saturating_sub(CONTEXT_CHARACTERS);
    same.get(start).copied().unwrap_or(0)
}

fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(pairs: &[(&str, &str)]) -> Contents {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn differences_are_named() {
        let source = contents(&[("a", "1"), ("b", "2")]);
        assert_eq!(difference(&source, &source.clone()), None);
        for (restored, words) in [
            (contents(&[("a", "1")]), "\"b\" is missing"),
            (contents(&[("a", "1"), ("b", "3")]), "\"b\" is \"3\" and was \"2\""),
            (contents(&[("a", "1"), ("b", "2"), ("c", "")]), "\"c\" is too much"),
        ] {
            let found = difference(&source, &restored).unwrap();
            assert!(found.contains(words), "{found}");
        }
    }
}
