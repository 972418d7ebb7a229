//! Names of parts: `FOLDER/PATH` of a database. Bytes that are not printable text, and `%`, are written as `%XX`.

use lockgate_plugin::path::unescape;
use lockgate_plugin::{Error, RestoreRequest, Result};

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Name of the granted folder.
    pub folder: String,
    /// Relative to it.
    pub path: Vec<u8>,
}

/// The part's name of the database at `path` of `folder`.
#[must_use]
pub fn part_id(folder: &str, path: &[u8]) -> String {
    use std::fmt::Write;
    let mut id = format!("{folder}/");
    let escape = |byte: u8, id: &mut String| {
        // Writing into a string cannot fail.
        let _ = write!(id, "%{byte:02X}");
    };
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '%' || character.is_control() {
                let mut bytes = [0; 4];
                character.encode_utf8(&mut bytes).bytes().for_each(|it| escape(it, &mut id));
            } else {
                id.push(character);
            }
        }
        chunk.invalid().iter().for_each(|byte| escape(*byte, &mut id));
    }
    id
}

/// Where a part of this name is, or is to be.
///
/// # Errors
/// When it is no name of a part.
pub fn place(id: &str) -> Result<Place> {
    let wrong = || {
        Error::config(format!(
            "{id:?} names no database: use FOLDER/PATH, with `%25` for a `%` in the path"
        ))
    };
    let (folder, escaped) = id.split_once('/').ok_or_else(wrong)?;
    let path = unescape(escaped).ok_or_else(wrong)?;
    let is_path = !path.is_empty()
        && path.split(|byte| *byte == b'/').all(|it| !matches!(it, b"" | b"." | b".."))
        && !path.contains(&0);
    if is_path && !folder.is_empty() {
        Ok(Place { folder: folder.to_owned(), path })
    } else {
        Err(wrong())
    }
}

/// Where the part `id` goes: itself, another database, or the same path in another folder.
///
/// # Errors
/// When the new name is none of a database.
pub fn target(request: &RestoreRequest, id: &str) -> Result<Place> {
    let inside = |from: &str| id.strip_prefix(from).is_some_and(|it| it.starts_with('/'));
    let renames = request.rename.iter().filter(|(from, _)| from == id || inside(from));
    match renames.max_by_key(|(from, _)| from.len()) {
        None => place(id),
        Some((from, to)) => place(&format!("{to}{}", id.get(from.len()..).unwrap_or_default())),
    }
}

/// The folder above `path`; empty for the top.
#[must_use]
pub fn parent(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    path.get(..slash).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_comes_back() {
        for path in [&b"a.db"[..], b"x/y.db", b"100%.db", b"\xff\n\x7f.db", "ü ñ'\".db".as_bytes()]
        {
            let id = part_id("data", path);
            assert!(id.chars().all(|it| !it.is_control()), "{id:?}");
            assert_eq!(place(&id).unwrap(), Place { folder: "data".into(), path: path.into() });
        }
        assert_eq!(part_id("data", b"100%\n"), "data/100%25%0A");
    }

    #[test]
    fn what_leads_elsewhere_is_no_name() {
        for id in
            ["", "data", "data/", "/a", "a//b", "a/../b", "a/%2e%2e/b", "a/%0", "a/%+1", "a/%00"]
        {
            assert!(place(id).is_err(), "{id}");
        }
    }

    #[test]
    fn parts_and_folders_take_other_names() {
        let rename = [("data", "spare"), ("data/a.db", "data/b.db"), ("data/x", "data/y/z")];
        let rename = rename.map(|(from, to)| (from.to_owned(), to.to_owned())).into();
        let request = RestoreRequest { rename, ..RestoreRequest::default() };
        let to = |id: &str| {
            let place = target(&request, id).unwrap();
            part_id(&place.folder, &place.path)
        };
        assert_eq!(to("data/c.db"), "spare/c.db");
        assert_eq!(to("data/a.db"), "data/b.db");
        assert_eq!(to("data/x/a.db"), "data/y/z/a.db");
        assert_eq!(to("database/a.db"), "database/a.db");
    }

    #[test]
    fn the_top_is_above_names_without_a_slash() {
        assert_eq!((parent(b"a"), parent(b"a/b/c")), (&b""[..], &b"a/b"[..]));
    }
}
