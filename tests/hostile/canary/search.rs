//! Looks for secrets in bytes: as they are, in hexadecimal digits, and in base 64.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::planted::{COMMON, Planted};

impl Planted {
    /// The places whose secrets are in these bytes, in whatever form.
    pub fn found(&self, bytes: &[u8]) -> Vec<&'static str> {
        let mut found: Vec<&str> = Vec::new();
        for place in positions(bytes, COMMON.as_bytes()) {
            let rest = bytes.get(place..).unwrap_or_default();
            found.extend(
                self.canaries.iter().filter(|it| rest.starts_with(it.1.as_bytes())).map(|it| *it.0),
            );
        }
        for write in FORMS {
            let begins = write(COMMON);
            for place in positions(bytes, begins.as_bytes()) {
                let rest = bytes.get(place..).unwrap_or_default();
                let is_here = |canary: &str| rest.starts_with(write(canary).as_bytes());
                found.extend(self.canaries.iter().filter(|it| is_here(it.1)).map(|it| *it.0));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    pub fn none_in(&self, what: &str, bytes: &[u8]) -> Result<()> {
        let found = self.found(bytes);
        ensure!(found.is_empty(), "{what} has the secrets of {found:?}");
        Ok(())
    }
}

/// How text is written that is not written as it is. What a form makes of the beginning of a text is the beginning of what it
/// makes of the text.
const FORMS: [fn(&str) -> String; 4] = [hexadecimal, base64::<0>, base64::<1>, base64::<2>];

fn hexadecimal(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// What base 64 makes of a text that so many bytes (modulo 3) stand before: the digits that nothing else has a part in.
fn base64<const BEFORE: usize>(text: &str) -> String {
    let bytes = [&[0; BEFORE][..], text.as_bytes()].concat();
    let digits = STANDARD_NO_PAD.encode(&bytes);
    let (first, end) = ((BEFORE * 8).div_ceil(6), bytes.len() * 8 / 6);
    digits.get(first..end).unwrap_or_default().to_owned()
}

#[test]
fn each_form_is_found_wherever_it_stands() -> Result<()> {
    let planted = Planted::new()?;
    let secret = planted.of("the operator's home");
    for before in ["", "x", "xy", "xyz", "user:"] {
        let text = format!("{before}{secret} and more");
        for written in [text.clone(), hexadecimal(&text), STANDARD_NO_PAD.encode(&text)] {
            ensure!(
                planted.found(written.as_bytes()) == ["the operator's home"],
                "not in {written}"
            );
        }
    }
    Ok(())
}

pub fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    positions(bytes, wanted).next().is_some()
}

/// Where `wanted`, which is not empty, begins in `bytes`.
fn positions<'a>(bytes: &'a [u8], wanted: &'a [u8]) -> impl Iterator<Item = usize> {
    let first = wanted.first().copied().unwrap_or_default();
    let is_there = |place: &usize| bytes.get(*place..).is_some_and(|rest| rest.starts_with(wanted));
    // Most positions fail at the first byte.
    bytes
        .iter()
        .enumerate()
        .filter(move |(_, byte)| **byte == first)
        .map(|(place, _)| place)
        .filter(is_there)
}

/// Searches every file below a folder, and the names; returns how many.
pub fn search(planted: &Planted, folder: &Path) -> Result<usize> {
    let mut files = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        planted.none_in("a name", path.as_os_str().as_encoded_bytes())?;
        if path.is_dir() {
            files += search(planted, &path)?;
        } else {
            files += 1;
            planted.none_in(&path.display().to_string(), &fs::read(&path)?)?;
        }
    }
    Ok(files)
}
