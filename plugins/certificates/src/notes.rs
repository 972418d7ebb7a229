//! What was found out about the files of a part: for `lockgate show`, and for health.

use std::collections::{BTreeMap, HashMap};

use lockgate_plugin::path::shown;
use lockgate_plugin::{Metadata, Summary};

use crate::date::shown_date;
use crate::inspect::{Certificate, Inspection, PublicHalf, What};

/// Most files of a part that are remembered. Files without keys and certificates do not count.
const FILES_MAX: usize = 10_000;
/// Most files whose expiry a snapshot tells: those that expire first.
const TOLD_MAX: usize = 100;

/// A file with keys or certificates, or one that is secret.
#[derive(Clone, Debug)]
pub struct Note {
    /// Folder and path, safe on a terminal.
    pub path: String,
    pub what: What,
    /// Whether others than owner and group may read or write it.
    pub is_open: bool,
    /// The certificate of the file that expires first.
    pub first: Option<Certificate>,
    /// How many certificates the file holds.
    pub certificates: usize,
    /// Of its first certificate.
    pub leaf: Option<PublicHalf>,
    pub keys: Vec<PublicHalf>,
    pub list_expires: Option<i64>,
}

/// The notes of a part.
#[derive(Debug, Default)]
pub struct Notes {
    pub files: Vec<Note>,
    /// Files of each kind.
    pub counts: BTreeMap<What, u64>,
    pub certificates: u64,
    /// Files that were not remembered any more.
    pub passed_over: u64,
}

impl Notes {
    /// Takes note of one file.
    pub fn add(
        &mut self,
        folder: &str,
        path: &[u8],
        metadata: &Metadata,
        what: What,
        found: Inspection,
    ) {
        *self.counts.entry(what).or_default() += 1;
        self.certificates += found.certificates.len() as u64;
        let is_open = metadata.mode & 0o006 != 0;
        let is_plain =
            found.certificates.is_empty() && found.keys.is_empty() && found.list_expires.is_none();
        if is_plain && !what.is_secret() {
            return;
        }
        if self.files.len() >= FILES_MAX {
            self.passed_over += 1;
            return;
        }
        self.files.push(Note {
            path: format!("{folder}/{}", shown(path)),
            what,
            is_open,
            certificates: found.certificates.len(),
            leaf: found.certificates.first().map(|first| first.half.clone()),
            first: found.certificates.into_iter().min_by_key(|one| one.expires),
            keys: found.keys,
            list_expires: found.list_expires,
        });
    }

    /// What a snapshot tells of the part.
    pub fn tell(&self, mut summary: Summary) -> Summary {
        for (what, count) in &self.counts {
            summary = summary.with_attribute(what.name(), count.to_string());
        }
        summary = summary.with_attribute("certificates", self.certificates.to_string());
        let mut expiring: Vec<(&Note, &Certificate)> =
            self.files.iter().filter_map(|note| Some((note, note.first.as_ref()?))).collect();
        expiring.sort_by_key(|(_, first)| first.expires);
        for (note, first) in expiring.into_iter().take(TOLD_MAX) {
            let more = match note.certificates {
                1 => String::new(),
                all => format!(" (first of {all})"),
            };
            let text = format!("{} {}{more}", shown_date(first.expires), first.subject);
            summary = summary.with_attribute(format!("expires {}", note.path), text);
        }
        for (key, certificate) in self.strangers() {
            summary =
                summary.with_attribute(format!("mismatch {}", key.path), certificate.path.clone());
        }
        summary
    }

    /// Keys with a certificate that by its name goes with it, and does not: no certificate of that name is the key's.
    pub fn strangers(&self) -> Vec<(&Note, &Note)> {
        let mut named: HashMap<&str, Vec<&Note>> = HashMap::new();
        for note in self.files.iter().filter(|note| note.leaf.is_some()) {
            named.entry(folder_of(&note.path)).or_default().push(note);
        }
        let mut found = Vec::new();
        for key in self.files.iter().filter(|note| !note.keys.is_empty()) {
            let near = named.get(folder_of(&key.path)).map(Vec::as_slice).unwrap_or_default();
            let is_same = |note: &&Note| stem(&note.path) == stem(&key.path);
            let same: Vec<&Note> = near.iter().copied().filter(is_same).collect();
            let belongs =
                |note: &Note| note.leaf.as_ref().is_some_and(|leaf| key.keys.contains(leaf));
            if let Some(first) = same.first().filter(|_| !same.iter().any(|note| belongs(note))) {
                found.push((key, *first));
            }
        }
        found
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// A name without what tells keys from certificates: the same for `www.key` and `www.crt`, for `privkey.pem` and
/// `fullchain.pem`, for `www-key.pem` and `www-cert.pem`.
fn stem(path: &str) -> String {
    const WORDS: [&str; 15] = [
        "key",
        "privkey",
        "private",
        "cert",
        "certificate",
        "fullchain",
        "crt",
        "cer",
        "pem",
        "der",
        "p8",
        "pk8",
        "pub",
        "tls",
        "x509",
    ];
    let name = path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let words = name.split(['.', '-', '_']).filter(|word| !WORDS.contains(word));
    words.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_go_together_have_one_stem() {
        for (key, certificate) in [
            ("a/www.key", "a/www.crt"),
            ("a/privkey.pem", "a/fullchain.pem"),
            ("a/privkey1.pem", "a/privkey1.pem"),
            ("a/tls.key", "a/tls.crt"),
            ("a/www-key.pem", "a/www-cert.pem"),
            ("a/WWW_private_key.DER", "a/www.cer"),
        ] {
            assert_eq!(stem(key), stem(certificate), "{key}");
        }
        for (key, certificate) in [("a/www.key", "a/ca.crt"), ("a/privkey.pem", "a/chain.pem")] {
            assert_ne!(stem(key), stem(certificate), "{key}");
        }
    }
}
