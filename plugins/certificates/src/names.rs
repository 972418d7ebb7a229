//! Names in the archive: a sealed file is `NAME.age`, as age itself would call it, and nothing else has such a name.

use crate::seal::ENDING;

/// Added to a name that is not sealed and looks as if it were.
const MARK: u8 = b'%';

/// The archived path of `path`.
pub fn archived(path: &[u8], is_sealed: bool) -> Vec<u8> {
    let mut archived = Vec::with_capacity(path.len() + ENDING.len());
    let mut names = path.split(|byte| *byte == b'/').peekable();
    while let Some(name) = names.next() {
        archived.extend_from_slice(name);
        if names.peek().is_none() && is_sealed {
            archived.extend_from_slice(ENDING);
        } else if looks_sealed(name) {
            archived.push(MARK);
        }
        if names.peek().is_some() {
            archived.push(b'/');
        }
    }
    archived
}

/// The path that was archived under this one, and whether it is sealed. Only regular files are.
pub fn original(archived: &[u8], is_regular: bool) -> (Vec<u8>, bool) {
    let sealed = archived
        .strip_suffix(ENDING)
        .filter(|rest| is_regular && !rest.is_empty() && !rest.ends_with(b"/"));
    let names = sealed.unwrap_or(archived).split(|byte| *byte == b'/');
    let count = names.clone().count();
    let plain = |(index, name): (usize, &[u8])| {
        let is_marked = looks_sealed(name) && name.last() == Some(&MARK);
        let is_sealed = sealed.is_some() && index + 1 == count;
        let end = name.len() - usize::from(is_marked && !is_sealed);
        name.get(..end).unwrap_or_default().to_vec()
    };
    let names: Vec<Vec<u8>> = names.enumerate().map(plain).collect();
    (names.join(&b'/'), sealed.is_some())
}

/// Whether a name ends in `.age`, with any number of marks behind it.
fn looks_sealed(name: &[u8]) -> bool {
    let marks = name.iter().rev().take_while(|byte| **byte == MARK).count();
    name.get(..name.len() - marks).is_some_and(|name| name.ends_with(ENDING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back_and_none_meets_another() {
        let paths =
            ["a", "a.age", "a.age%", "a.age%%", "a%", ".age", "d.age/a", "d.age%/a.age", "d/.age"];
        let mut seen = std::collections::BTreeSet::new();
        for path in paths {
            for is_sealed in [true, false] {
                let archived = archived(path.as_bytes(), is_sealed);
                assert_eq!(
                    original(&archived, true),
                    (path.as_bytes().to_vec(), is_sealed),
                    "{path}"
                );
                assert!(seen.insert(archived), "{path}");
            }
        }
        assert_eq!(archived(b"key.pem", true), b"key.pem.age");
        assert_eq!(archived(b"www.crt", false), b"www.crt");
    }
}
