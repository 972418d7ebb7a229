//! Where the keys of a restore go: prefixes take other prefixes.

use std::collections::BTreeMap;

use lockgate_plugin::path::unescape;
use lockgate_plugin::{Error, Part, RestoreRequest, Result};

use crate::keyspace::{KeyRange, shown, without};
use crate::part::Subject;

/// Archived keys that go to one range of the target, all under the same new beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Of archived keys.
    pub source: KeyRange,
    /// Where they go.
    pub target: KeyRange,
    /// The beginning that is taken away, and the one that is put there.
    old: Vec<u8>,
    new: Vec<u8>,
}

impl Segment {
    fn kept(range: KeyRange) -> Self {
        Self { source: range.clone(), target: range, old: Vec::new(), new: Vec::new() }
    }

    fn renamed(range: &KeyRange, rename: &Rename) -> Self {
        let moved = |bound: &[u8]| match bound.strip_prefix(rename.old.as_slice()) {
            Some(rest) => [&rename.new, rest].concat(),
            // The bound behind the whole prefix.
            None => KeyRange::of_prefix(&rename.new).to.unwrap_or_default(),
        };
        let to = range.to.as_deref().map(moved).filter(|to| !to.is_empty());
        Self {
            source: range.clone(),
            target: KeyRange { from: moved(&range.from), to },
            old: rename.old.clone(),
            new: rename.new.clone(),
        }
    }

    /// The new name of an archived key of this segment.
    #[must_use]
    pub fn live(&self, archived: &[u8]) -> Vec<u8> {
        [&self.new, archived.get(self.old.len()..).unwrap_or_default()].concat()
    }

    /// The archived name of a key of the target.
    #[must_use]
    pub fn archived(&self, live: &[u8]) -> Vec<u8> {
        [&self.old, live.get(self.new.len()..).unwrap_or_default()].concat()
    }

    fn is_renamed(&self) -> bool {
        self.old != self.new
    }
}

#[derive(Clone, Debug)]
struct Rename {
    text: String,
    old: Vec<u8>,
    new: Vec<u8>,
}

/// The segments of each part with keys, by the part's id and in the order of archived keys.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    segments: BTreeMap<String, Vec<Segment>>,
}

impl Targets {
    /// Of a restore's request.
    ///
    /// # Errors
    /// When a rename is of nothing that is restored, or two keys could take one name.
    pub fn new(request: &RestoreRequest) -> Result<Self> {
        let renames = renames(&request.rename)?;
        let mut segments = BTreeMap::new();
        let mut rests = Vec::new();
        for part in &request.parts {
            if let Subject::Keys { ranges, is_rest } = Subject::of(part)? {
                segments.insert(part.id.clone(), cut(&ranges, &renames));
                rests.extend(is_rest.then(|| part.id.clone()));
            }
        }
        let mut all = Self { segments };
        for rename in &renames {
            let is_used = |segment: &Segment| segment.is_renamed() && segment.old == rename.old;
            if !all.segments.values().flatten().any(is_used) {
                let text =
                    format!("rename: nothing that is restored can begin with {:?}", rename.text);
                return Err(Error::config(text));
            }
        }
        all.part_from_each_other(&rests)?;
        Ok(all)
    }

    /// What a part leads to; empty for parts without keys.
    #[must_use]
    pub fn of(&self, part: &Part) -> &[Segment] {
        self.segments.get(&part.id).map_or(&[], Vec::as_slice)
    }

    /// The rest makes room for what is renamed into it; nothing else may meet.
    fn part_from_each_other(&mut self, rests: &[String]) -> Result<()> {
        let renamed: Vec<KeyRange> = self
            .segments
            .values()
            .flatten()
            .filter(|segment| segment.is_renamed())
            .map(|segment| segment.target.clone())
            .collect();
        for (index, range) in renamed.iter().enumerate() {
            if renamed.iter().skip(index + 1).any(|other| other.meets(range)) {
                return Err(collision(range));
            }
        }
        for (id, segments) in &mut self.segments {
            let (moved, kept): (Vec<Segment>, Vec<Segment>) =
                segments.drain(..).partition(Segment::is_renamed);
            let mut ranges: Vec<KeyRange> =
                kept.into_iter().map(|segment| segment.source).collect();
            for target in &renamed {
                if ranges.iter().any(|range| range.meets(target)) {
                    if !rests.contains(id) {
                        return Err(collision(target));
                    }
                    ranges = without(&ranges, target);
                }
            }
            *segments = ranges.into_iter().map(Segment::kept).chain(moved).collect();
            segments.sort_by(|left, right| left.source.cmp(&right.source));
        }
        Ok(())
    }
}

fn collision(range: &KeyRange) -> Error {
    let name = shown(&range.from);
    Error::config(format!("rename: keys of two parts would begin with {name}: restore fewer parts"))
}

fn renames(pairs: &[(String, String)]) -> Result<Vec<Rename>> {
    let mut renames: Vec<Rename> = Vec::new();
    for (old, new) in pairs {
        let bytes = |text: &str| {
            let bytes = unescape(text).filter(|bytes| !bytes.is_empty());
            bytes.ok_or_else(|| Error::config(format!("rename: {text:?} is no beginning of keys")))
        };
        let rename = Rename { text: old.clone(), old: bytes(old)?, new: bytes(new)? };
        let range = KeyRange::of_prefix(&rename.old);
        if renames.iter().any(|other| KeyRange::of_prefix(&other.old).meets(&range)) {
            let text = format!("rename: {old:?} and another one overlap");
            return Err(Error::config(text));
        }
        renames.push(rename);
    }
    Ok(renames)
}

fn cut(ranges: &[KeyRange], renames: &[Rename]) -> Vec<Segment> {
    let mut kept = ranges.to_vec();
    let mut segments = Vec::new();
    for rename in renames {
        let prefix = KeyRange::of_prefix(&rename.old);
        for range in ranges {
            let moved = range.both(&prefix);
            if !moved.is_empty() {
                segments.push(Segment::renamed(&moved, rename));
            }
        }
        kept = without(&kept, &prefix);
    }
    segments.extend(kept.into_iter().map(Segment::kept));
    segments.sort_by(|left, right| left.source.cmp(&right.source));
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::part::of_piece;
    use crate::split::Piece;

    fn request(prefixes: &[&str], with_rest: bool, rename: &[(&str, &str)]) -> RestoreRequest {
        let mut rest = vec![KeyRange::all()];
        let mut parts = Vec::new();
        for prefix in prefixes {
            let piece = Piece::of_prefix(prefix.as_bytes(), 1);
            rest = without(&rest, &piece.ranges[0]);
            parts.push(of_piece(&piece));
        }
        if with_rest {
            let name = "~rest".to_owned();
            parts.push(of_piece(&Piece { name, ranges: rest, items: 0, is_rest: true }));
        }
        let rename =
            rename.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
        RestoreRequest { parts, rename, ..RestoreRequest::default() }
    }

    /// The new name of a key, wherever it is.
    fn goes(request: &RestoreRequest, key: &str) -> Option<String> {
        let targets = Targets::new(request).unwrap();
        let all = request.parts.iter().flat_map(|part| targets.of(part));
        let holds: Vec<&Segment> = all.filter(|it| it.source.contains(key.as_bytes())).collect();
        assert!(holds.len() <= 1);
        let segment = holds.first()?;
        let live = segment.live(key.as_bytes());
        assert!(segment.target.contains(&live));
        assert_eq!(segment.archived(&live), key.as_bytes());
        Some(String::from_utf8(live).unwrap())
    }

    #[test]
    fn prefixes_take_new_prefixes_of_any_length() {
        let same = request(&["a/", "b/"], true, &[]);
        assert_eq!(goes(&same, "a/x").as_deref(), Some("a/x"));
        assert_eq!(goes(&same, "zz").as_deref(), Some("zz"));
        let other =
            request(&["a/", "b/"], true, &[("a/", "copy/of/"), ("b/sub/", "e/"), ("zz", "y")]);
        for (key, new) in
            [("a/x", "copy/of/x"), ("b/sub/1", "e/1"), ("b/s", "b/s"), ("zzz", "yz"), ("d", "d")]
        {
            assert_eq!(goes(&other, key).as_deref(), Some(new), "{key}");
        }
        // The rest makes room for what is renamed into it.
        assert_eq!(goes(&other, "copy/of/x"), None);
    }

    #[test]
    fn a_rename_can_gather_several_parts() {
        let both = request(&["r/a/", "r/b/"], false, &[("r/", "new/r/")]);
        assert_eq!(goes(&both, "r/a/1").as_deref(), Some("new/r/a/1"));
        assert_eq!(goes(&both, "r/b/1").as_deref(), Some("new/r/b/1"));
    }

    #[test]
    fn renames_that_cannot_be_are_refused() {
        for rename in [
            &[("x", "y")][..],
            &[("a/", "b/")],
            &[("a/", "b")],
            &[("a/", "c/"), ("b/", "c/d")],
            &[("a/", "c/"), ("a/b", "d/")],
            &[("a/", "")],
            &[("", "b/")],
            &[("a/", "%")],
        ] {
            assert!(Targets::new(&request(&["a/", "b/"], false, rename)).is_err(), "{rename:?}");
        }
    }
}
