//! What is said of one name: to the archive, and to the fingerprint.

use lockgate_plugin::{Entry, Fingerprint, Kind, Metadata};

/// The entry of the name `path`.
pub fn entry(path: Vec<u8>, metadata: Metadata) -> Entry {
    let size_hint = (metadata.kind == Kind::Regular).then_some(metadata.size);
    Entry { path, size_hint, metadata: Some(metadata), ..Entry::default() }
}

/// What stands for the content of a regular file in a fingerprint.
pub enum Content<'a> {
    /// The name has none.
    None,
    /// SHA-256 of the bytes.
    Digest(&'a [u8]),
    /// It is that of another name of the same inode.
    SameAs(&'a [u8]),
    /// It could not be read.
    Unreadable,
}

/// Adds all that a faithful restore brings back of one name. Inode, number of links, change and access times it cannot
/// bring back; the size of a folder and the mode of a symbolic link are the file system's choice.
pub fn add(fingerprint: &mut Fingerprint, path: &[u8], metadata: &Metadata, content: &Content<'_>) {
    fingerprint.add(path);
    fingerprint.add_number(kind_number(metadata.kind));
    if metadata.kind != Kind::Symlink {
        fingerprint.add_number(metadata.mode.into());
    }
    fingerprint.add_number(metadata.owner.into());
    fingerprint.add_number(metadata.group.into());
    fingerprint.add(metadata.modified.seconds.to_le_bytes());
    fingerprint.add_number(metadata.modified.nanoseconds.into());
    fingerprint.add_number(metadata.device_number);
    fingerprint.add(metadata.link_target.as_deref().unwrap_or_default());
    fingerprint.add_extended_attributes(&metadata.extended_attributes);
    match content {
        Content::None => fingerprint.add("none"),
        Content::Unreadable => fingerprint.add("unreadable"),
        Content::Digest(digest) => {
            fingerprint.add("digest");
            fingerprint.add(digest);
        }
        Content::SameAs(first) => {
            fingerprint.add("same");
            fingerprint.add(first);
        }
    }
}

/// Stays what it is in all versions, so that fingerprints of old backups still compare.
fn kind_number(kind: Kind) -> u64 {
    match kind {
        Kind::Regular => 0,
        Kind::Directory => 1,
        Kind::Symlink => 2,
        Kind::Fifo => 3,
        Kind::Socket => 4,
        Kind::CharacterDevice => 5,
        Kind::BlockDevice => 6,
    }
}

#[cfg(test)]
pub mod tests {
    use lockgate_plugin::{ExtendedAttribute, Timestamp};

    use super::*;

    pub fn metadata(kind: Kind) -> Metadata {
        Metadata {
            owner: 1000,
            group: 1000,
            size: 5,
            modified: Timestamp { seconds: -1, nanoseconds: 500 },
            inode: 3,
            device: 4,
            ..Metadata::new(kind, 0o644)
        }
    }

    fn of(metadata: &Metadata, content: &Content<'_>) -> String {
        let mut fingerprint = Fingerprint::new();
        add(&mut fingerprint, b"a", metadata, content);
        fingerprint.finish()
    }

    #[test]
    fn what_a_restore_cannot_bring_back_does_not_count() {
        let before = metadata(Kind::Regular);
        let after = Metadata {
            inode: 9,
            device: 9,
            links: 2,
            // That of the content is in its digest.
            size: 6,
            owner_name: "other".into(),
            accessed: Timestamp { seconds: 9, nanoseconds: 9 },
            changed: Timestamp { seconds: 9, nanoseconds: 9 },
            ..before.clone()
        };
        let content = Content::Digest(b"digest");
        assert_eq!(of(&before, &content), of(&after, &content));
    }

    #[test]
    fn every_difference_that_matters_counts() {
        let base = metadata(Kind::Regular);
        let attribute = |name: &str| ExtendedAttribute { name: name.into(), value: vec![1] };
        let others = [
            Metadata { kind: Kind::Fifo, ..base.clone() },
            Metadata { mode: 0o600, ..base.clone() },
            Metadata { owner: 0, ..base.clone() },
            Metadata { group: 0, ..base.clone() },
            Metadata { modified: Timestamp { seconds: -1, nanoseconds: 501 }, ..base.clone() },
            Metadata { device_number: 1, ..base.clone() },
            Metadata { link_target: Some(b"x".to_vec()), ..base.clone() },
            Metadata { extended_attributes: vec![attribute("user.a")], ..base.clone() },
            Metadata { extended_attributes: vec![attribute("user.b")], ..base.clone() },
        ];
        let content = Content::Digest(b"digest");
        let mut seen = std::collections::BTreeSet::from([of(&base, &content)]);
        for other in &others {
            assert!(seen.insert(of(other, &content)), "{other:?}");
        }
        for content in [Content::None, Content::SameAs(b"digest"), Content::Digest(b"other")] {
            assert!(seen.insert(of(&base, &content)));
        }
    }
}
