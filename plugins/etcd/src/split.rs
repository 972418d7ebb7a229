//! Into which parts the keys are split when the operator names no prefixes: by the first component of their paths, and a
//! component with many keys by the next one. What has no component of its own is the rest.

use lockgate_plugin::Result;

use crate::keyspace::{KeyRange, component, escape, successor, without};
use crate::limits::{AHEAD_KEYS, LOOKS_MAX, NAMES_PAGE, PIECES_MAX, PREFIX_BYTES_MAX, SPLIT_KEYS};
use crate::window::Window;

/// What a split must know of the keys.
pub trait Index {
    /// How many there are in the range.
    fn count(&mut self, range: &KeyRange) -> Result<u64>;
    /// The first of the range, at most `limit`, in their order.
    fn names(&mut self, range: &KeyRange, limit: u64) -> Result<Vec<Vec<u8>>>;
}

/// Keys that become one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// One component of a path.
    pub name: String,
    /// In order, and apart from each other.
    pub ranges: Vec<KeyRange>,
    /// How many keys there are.
    pub items: u64,
    /// Whether it is what other pieces leave over.
    pub is_rest: bool,
}

impl Piece {
    /// All keys that begin with `prefix`.
    #[must_use]
    pub fn of_prefix(prefix: &[u8], items: u64) -> Self {
        let ranges = vec![KeyRange::of_prefix(prefix)];
        Self { name: escape(prefix), ranges, items, is_rest: false }
    }
}

/// Pieces that hold every key once.
///
/// # Errors
/// Those of `index`.
pub fn split(index: &mut impl Index) -> Result<Vec<Piece>> {
    let items = index.count(&KeyRange::all())?;
    let mut splitting = Splitting { index, pieces: Vec::new(), coming: 0 };
    splitting.level(b"", items, &SPLIT_KEYS)?;
    Ok(splitting.pieces)
}

struct Splitting<'a, I> {
    index: &'a mut I,
    pieces: Vec<Piece>,
    /// Pieces that are sure to come, in levels that are not finished.
    coming: usize,
}

impl<I: Index> Splitting<'_, I> {
    /// `limits` are those of the components of this level and of the levels below.
    fn level(&mut self, prefix: &[u8], items: u64, limits: &[u64]) -> Result<()> {
        let room = PIECES_MAX.saturating_sub(self.pieces.len() + self.coming + 1);
        let components = components(self.index, prefix, items, room)?;
        if components.is_empty() && !prefix.is_empty() {
            self.pieces.push(Piece::of_prefix(prefix, items));
            return Ok(());
        }
        let mut rest = vec![KeyRange::of_prefix(prefix)];
        let mut left = items;
        self.coming += components.len() + 1;
        for (component, items) in components {
            self.coming -= 1;
            rest = without(&rest, &KeyRange::of_prefix(&component));
            left = left.saturating_sub(items);
            match limits {
                [limit, below @ ..] if items > *limit => self.level(&component, items, below)?,
                _ => self.pieces.push(Piece::of_prefix(&component, items)),
            }
        }
        self.coming -= 1;
        // No escaped name has a tilde.
        let name = format!("{}~rest", escape(prefix));
        self.pieces.push(Piece { name, ranges: rest, items: left, is_rest: true });
        Ok(())
    }
}

/// The components below `prefix` with the number of their keys, as many as there is room and patience for. Jumps from one to
/// the next and looks at the names between them only.
fn components(
    index: &mut impl Index,
    prefix: &[u8],
    items: u64,
    room: usize,
) -> Result<Vec<(Vec<u8>, u64)>> {
    let mut rest = KeyRange::of_prefix(prefix);
    let mut window = Window::default();
    let mut last = prefix.to_vec();
    let mut found: Vec<(Vec<u8>, u64)> = Vec::new();
    let (mut seen, mut looks) = (0, 0);
    while seen < items && !rest.is_empty() && found.len() < room && looks < LOOKS_MAX {
        let ahead = if items - seen > AHEAD_KEYS { window.of(&rest) } else { rest.clone() };
        let names = index.names(&ahead, NAMES_PAGE)?;
        let is_used_up = (names.len() as u64) < NAMES_PAGE;
        looks += usize::from(!names.is_empty());
        let (before, components) = (last.clone(), found.len());
        for name in names {
            if name < rest.from {
                continue;
            }
            let own = component(&name, prefix.len()).filter(|own| own.len() <= PREFIX_BYTES_MAX);
            let own = own.map(<[u8]>::to_vec);
            let next = match own {
                Some(_) if found.len() >= room => return Ok(found),
                Some(own) => {
                    let range = KeyRange::of_prefix(&own);
                    let count = index.count(&range)?;
                    seen = count.saturating_add(seen);
                    found.push((own, count));
                    range.to
                }
                None => {
                    seen += 1;
                    Some(successor(name.clone()))
                }
            };
            last = name;
            // No end: nothing comes behind.
            let Some(next) = next else { return Ok(found) };
            rest.from = next;
        }
        if !is_used_up || found.len() > components {
            window.fit(&before, &last);
        }
        if is_used_up {
            let Some(end) = ahead.to else { break };
            if found.len() == components {
                window.widen(&end);
            }
            rest.from = rest.from.max(end);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[derive(Default)]
    struct Keys {
        keys: BTreeSet<Vec<u8>>,
        questions: usize,
        /// Keys that a server goes through for the answers.
        walked: u64,
    }

    impl Keys {
        fn add(&mut self, prefix: &str, count: u64) {
            self.keys.extend((0..count).map(|number| format!("{prefix}{number:06}").into_bytes()));
        }

        fn inside<'a>(&'a self, range: &'a KeyRange) -> impl Iterator<Item = &'a Vec<u8>> {
            self.keys.range(range.from.clone()..).take_while(|key| range.contains(key))
        }
    }

    impl Index for Keys {
        fn count(&mut self, range: &KeyRange) -> Result<u64> {
            self.questions += 1;
            let count = self.inside(range).count() as u64;
            self.walked += count;
            Ok(count)
        }
        fn names(&mut self, range: &KeyRange, limit: u64) -> Result<Vec<Vec<u8>>> {
            self.count(range)?;
            Ok(self.inside(range).take(limit as usize).cloned().collect())
        }
    }

    fn names(pieces: &[Piece]) -> Vec<(&str, u64)> {
        pieces.iter().map(|piece| (piece.name.as_str(), piece.items)).collect()
    }

    /// Every key is in exactly one piece, and the numbers are true.
    fn check(keys: &Keys, pieces: &[Piece]) {
        let total: u64 = pieces.iter().map(|piece| piece.items).sum();
        assert_eq!(total, keys.keys.len() as u64);
        for key in &keys.keys {
            let holders =
                pieces.iter().flat_map(|piece| &piece.ranges).filter(|range| range.contains(key));
            assert_eq!(holders.count(), 1);
        }
        assert!(pieces.len() <= PIECES_MAX);
    }

    #[test]
    fn components_become_pieces_and_the_rest_is_one() {
        let mut keys = Keys::default();
        for (prefix, count) in
            [("/app/", 3), ("/app", 2), ("plain", 70), ("users/", 1), ("\0/", 1), ("users0/", 2)]
        {
            keys.add(prefix, count);
        }
        let pieces = split(&mut keys).unwrap();
        check(&keys, &pieces);
        let expected =
            [("%00%2F", 1), ("%2Fapp%2F", 3), ("users%2F", 1), ("users0%2F", 2), ("~rest", 72)];
        assert_eq!(names(&pieces), expected);
        assert!(pieces.last().unwrap().is_rest);
    }

    #[test]
    fn nothing_is_one_empty_rest() {
        let pieces = split(&mut Keys::default()).unwrap();
        assert_eq!(names(&pieces), [("~rest", 0)]);
        assert_eq!(pieces[0].ranges, [KeyRange::all()]);
    }

    #[test]
    fn a_large_component_is_split_by_the_next() {
        let mut keys = Keys::default();
        keys.add("/registry/pods/", SPLIT_KEYS[0]);
        keys.add("/registry/events/", SPLIT_KEYS[0] + 1);
        keys.add("/registry/loose", 1);
        let pieces = split(&mut keys).unwrap();
        check(&keys, &pieces);
        let expected = [
            ("%2Fregistry%2Fevents%2F", SPLIT_KEYS[0] + 1),
            ("%2Fregistry%2Fpods%2F", SPLIT_KEYS[0]),
            ("%2Fregistry%2F~rest", 1),
            ("~rest", 0),
        ];
        assert_eq!(names(&pieces), expected);
    }

    #[test]
    fn a_component_of_a_component_is_split_when_it_is_larger_still() {
        let mut keys = Keys::default();
        keys.add("/registry/leases/node/", SPLIT_KEYS[1] + 1);
        keys.add("/registry/pods/shop/", SPLIT_KEYS[1]);
        let pieces = split(&mut keys).unwrap();
        check(&keys, &pieces);
        let expected = [
            ("%2Fregistry%2Fleases%2Fnode%2F", SPLIT_KEYS[1] + 1),
            ("%2Fregistry%2Fleases%2F~rest", 0),
            ("%2Fregistry%2Fpods%2F", SPLIT_KEYS[1]),
            ("%2Fregistry%2F~rest", 0),
            ("~rest", 0),
        ];
        assert_eq!(names(&pieces), expected);
    }

    #[test]
    fn a_server_does_not_walk_over_all_that_is_left_for_each_component() {
        let mut keys = Keys::default();
        for number in 0..200_u64 {
            keys.add(&format!("tenant{number}/"), 300);
            // Names that have little in common.
            keys.add(&format!("{:016x}/", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)), 1);
        }
        let pieces = split(&mut keys).unwrap();
        check(&keys, &pieces);
        assert_eq!(pieces.len(), PIECES_MAX);
        let all = keys.keys.len() as u64;
        assert!(keys.walked < 20 * all, "{} of {all}", keys.walked);
        assert!(keys.questions < 1_000, "{}", keys.questions);
    }

    #[test]
    fn many_components_and_many_loose_keys_end_the_search() {
        let mut keys = Keys::default();
        for number in 0..2_000 {
            keys.add(&format!("tenant{number:05}/"), 1);
        }
        keys.add("flat", 100_000);
        for number in 0..200 {
            keys.add(&format!("a/{number:05}/"), SPLIT_KEYS[0] / 100);
        }
        let pieces = split(&mut keys).unwrap();
        check(&keys, &pieces);
        assert!(keys.questions < 1_000, "{}", keys.questions);
    }

    #[test]
    fn a_name_too_long_for_a_path_is_in_the_rest() {
        let mut keys = Keys::default();
        keys.add(&format!("{}/", "a".repeat(PREFIX_BYTES_MAX)), 2);
        assert_eq!(names(&split(&mut keys).unwrap()), [("~rest", 2)]);
    }
}
