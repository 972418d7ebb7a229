//! Where a part is, and how its id says so: `FOLDER/NAME` for a folder at the top of a granted folder, `FOLDER/@files` for the
//! files there.

use lockgate_plugin::path::unescape;
use lockgate_plugin::{Error, RestoreRequest, Result};

/// What stands for the files at the top. A folder of this name is escaped.
const FILES: &str = "@files";

/// One part's place in a granted folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Name of the granted folder.
    pub folder: String,
    /// Name of the folder at its top; none for the files at its top.
    pub top: Option<Vec<u8>>,
}

impl Place {
    /// The part's id. Bytes that are no text, control characters, `%` and an `@` at the start stand as `%` and two digits.
    pub fn id(&self) -> String {
        let name = self.top.as_deref().map_or_else(|| FILES.to_owned(), escaped);
        format!("{}/{name}", self.folder)
    }

    /// What an id stands for.
    ///
    /// # Errors
    /// When it is none of this plugin.
    pub fn parse(id: &str) -> Result<Self> {
        let wrong =
            || Error::config(format!("{id:?} is no part: expected FOLDER/NAME or FOLDER/{FILES}"));
        let (folder, name) = id.split_once('/').ok_or_else(wrong)?;
        let top = match name {
            FILES => None,
            name => Some(unescape(name).filter(|name| is_name(name)).ok_or_else(wrong)?),
        };
        if folder.is_empty() {
            return Err(wrong());
        }
        Ok(Self { folder: folder.to_owned(), top })
    }

    /// Where `part` goes in a restore: `FOLDER/NAME=FOLDER/NAME` moves one part, `FOLDER=FOLDER` all of a folder.
    ///
    /// # Errors
    /// When an id, archived or new, is none.
    pub fn of_restore(request: &RestoreRequest, part: &str) -> Result<Self> {
        let place = Self::parse(part)?;
        let renamed = request.renamed(part);
        if renamed != part {
            let target = Self::parse(renamed)?;
            if target.top.is_some() != place.top.is_some() {
                let message = format!(
                    "part {part} cannot be renamed to {renamed}: one is a folder, the other is not"
                );
                return Err(Error::config(message));
            }
            return Ok(target);
        }
        let folder = request.renamed(&place.folder).to_owned();
        Ok(Self { folder, ..place })
    }

    /// The path of an entry that was archived from `self`, in `target`.
    pub fn moved(&self, path: &[u8], target: &Self) -> Vec<u8> {
        match (&self.top, &target.top) {
            (Some(from), Some(to)) => match path.strip_prefix(from.as_slice()) {
                Some(rest) => [to, rest].concat(),
                None => path.to_vec(),
            },
            _ => path.to_vec(),
        }
    }

    /// Whether `path` lies in the place.
    pub fn holds(&self, path: &[u8]) -> bool {
        let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
        match &self.top {
            Some(top) => first == top.as_slice(),
            None => !path.contains(&b'/'),
        }
    }
}

fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.iter().any(|byte| matches!(byte, b'/' | 0))
}

fn escaped(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    let escape = |byte: u8| format!("%{byte:02x}");
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            let is_marker = character == '@' && text.is_empty();
            if character == '%' || character.is_control() || is_marker {
                let mut bytes = [0; 4];
                text.extend(character.encode_utf8(&mut bytes).bytes().map(escape));
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().iter().copied().map(escape));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(rename: &[(&str, &str)]) -> RestoreRequest {
        let rename = rename.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned()));
        RestoreRequest { rename: rename.collect(), ..RestoreRequest::default() }
    }

    #[test]
    fn every_name_has_an_id_of_its_own() {
        let names: [&[u8]; 9] =
            [b"a", b"@files", b"%40files", b"@", b"a b", "ü".as_bytes(), b"\xff", b"a\n", b".."];
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            let place = Place { folder: "tls".into(), top: Some(name.to_vec()) };
            assert!(seen.insert(place.id()), "{}", place.id());
            match Place::parse(&place.id()) {
                Ok(parsed) => assert_eq!(parsed, place),
                Err(_) => assert_eq!(name, b".."),
            }
        }
        let files = Place { folder: "tls".into(), top: None };
        assert!(seen.insert(files.id()) && files.id() == "tls/@files");
        assert_eq!(Place::parse("tls/@files").unwrap(), files);
    }

    #[test]
    fn ids_that_lead_elsewhere_are_refused() {
        for id in [
            "tls",
            "/x",
            "tls/",
            "tls/a/b",
            "tls/%2e%2e",
            "tls/a%2fb",
            "tls/a%00",
            "tls/%4",
            "tls/%zz",
        ] {
            assert!(Place::parse(id).is_err(), "{id}");
        }
    }

    #[test]
    fn parts_move_alone_or_with_their_folder() {
        let to = |rename, part| Place::of_restore(&request(rename), part).map(|place| place.id());
        assert_eq!(to(&[], "tls/www").unwrap(), "tls/www");
        assert_eq!(to(&[("tls/www", "tls/old")], "tls/www").unwrap(), "tls/old");
        assert_eq!(to(&[("tls", "other")], "tls/www").unwrap(), "other/www");
        assert_eq!(to(&[("tls", "other")], "tls/@files").unwrap(), "other/@files");
        assert!(to(&[("tls/www", "tls/@files")], "tls/www").is_err());
        assert!(to(&[("tls/www", "../x")], "tls/www").is_ok_and(|id| id == "../x"));
        let (from, target) = (Place::parse("tls/www").unwrap(), Place::parse("tls/old").unwrap());
        assert_eq!(from.moved(b"www/a/key", &target), b"old/a/key");
        assert_eq!(from.moved(b"www", &target), b"old");
        assert!(from.holds(b"www/a") && !from.holds(b"www2/a"));
    }
}
