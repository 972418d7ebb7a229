//! Short ways to make the values of the contract.

use crate::bindings::exports::lockgate::datastore::{backup, restore};
use crate::bindings::lockgate::datastore::archive::Entry;
use crate::bindings::lockgate::datastore::types::{
    Attribute, Finding, Kind, Metadata, Part, Severity, Timestamp,
};

/// Makes attributes out of pairs.
pub fn attributes<K: Into<String>, V: Into<String>>(
    pairs: impl IntoIterator<Item = (K, V)>,
) -> Vec<Attribute> {
    pairs.into_iter().map(|(key, value)| Attribute::new(key, value)).collect()
}

/// The value of the attribute `key`.
#[must_use]
pub fn attribute<'a>(attributes: &'a [Attribute], key: &str) -> Option<&'a str> {
    attributes.iter().find(|attribute| attribute.key == key).map(|found| found.value.as_str())
}

impl Attribute {
    /// A named value.
    pub fn new(key: impl Into<String>, value: impl Into<String>) -> Self {
        Self { key: key.into(), value: value.into() }
    }
}

impl Part {
    /// A part without estimates and attributes. `id` is a relative path.
    pub fn new(id: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { id: id.into(), kind: kind.into(), ..Self::default() }
    }

    /// With one more attribute.
    #[must_use]
    pub fn with_attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push(Attribute::new(key, value));
        self
    }

    /// The value of the attribute `key`.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&str> {
        attribute(&self.attributes, key)
    }
}

impl Finding {
    /// `code` is for programs, `message` for people.
    pub fn new(severity: Severity, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity, code: code.into(), message: message.into(), attributes: Vec::new() }
    }

    /// With one more attribute.
    #[must_use]
    pub fn with_attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push(Attribute::new(key, value));
        self
    }
}

impl Metadata {
    /// Of something that a plugin makes: permission bits, owned by root, with no time.
    #[must_use]
    pub fn new(kind: Kind, mode: u32) -> Self {
        Self {
            kind,
            mode,
            owner: 0,
            group: 0,
            owner_name: String::new(),
            group_name: String::new(),
            size: 0,
            modified: Timestamp::default(),
            accessed: Timestamp::default(),
            changed: Timestamp::default(),
            inode: 0,
            device: 0,
            links: 1,
            device_number: 0,
            link_target: None,
            extended_attributes: Vec::new(),
        }
    }

    /// The same with owner, group and time of `other`: a folder that is made for a file has what its file has.
    #[must_use]
    pub fn beside(self, other: Option<&Self>) -> Self {
        let Some(other) = other else { return self };
        let time = other.modified;
        Self {
            owner: other.owner,
            group: other.group,
            modified: time,
            accessed: time,
            changed: time,
            ..self
        }
    }
}

impl Entry {
    /// An entry at `path`, relative to the part.
    pub fn new(path: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    /// With a media type (RFC 6838), for example `application/json`.
    #[must_use]
    pub fn with_media_type(mut self, media_type: impl Into<String>) -> Self {
        self.media_type = media_type.into();
        self
    }

    /// With the number of bytes that are likely to come.
    #[must_use]
    pub fn with_size_hint(mut self, bytes: u64) -> Self {
        self.size_hint = Some(bytes);
        self
    }

    /// With what a file system knows about it.
    #[must_use]
    pub fn with_metadata(mut self, metadata: Metadata) -> Self {
        self.metadata = Some(metadata);
        self
    }

    /// With one more attribute. The attribute `etag` lets [`crate::archive::reuse`] recognise unchanged content.
    #[must_use]
    pub fn with_attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push(Attribute::new(key, value));
        self
    }

    /// The value of the attribute `key`.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&str> {
        attribute(&self.attributes, key)
    }
}

impl backup::Plan {
    /// Lets at most `count` workers join, when more could not help.
    #[must_use]
    pub fn with_workers_max(self, count: u32) -> Self {
        self.with_attribute("workers-max", count.to_string())
    }

    /// What is saved is as it is when it is exported, and does not stand still once all workers have joined. In a set of several
    /// sources it is exported while the others hold still.
    #[must_use]
    pub fn with_moment_of_export(self) -> Self {
        self.with_attribute("moment", "export")
    }

    /// A plan that exports `parts`, with an empty mark.
    #[must_use]
    pub fn new(parts: Vec<Part>) -> Self {
        Self { parts, ..Self::default() }
    }

    /// With the mark that every `join` gets.
    #[must_use]
    pub fn with_mark(mut self, mark: impl Into<Vec<u8>>) -> Self {
        self.mark = mark.into();
        self
    }

    /// With one more attribute for the manifest.
    #[must_use]
    pub fn with_attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push(Attribute::new(key, value));
        self
    }
}

impl backup::Summary {
    /// The number of rows, keys or files in the part.
    #[must_use]
    pub fn of_items(items: u64) -> Self {
        Self { items, ..Self::default() }
    }

    /// With the fingerprint of what was exported.
    #[must_use]
    pub fn with_fingerprint(mut self, fingerprint: impl Into<String>) -> Self {
        self.fingerprint = Some(fingerprint.into());
        self
    }

    /// With one more attribute.
    #[must_use]
    pub fn with_attribute(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push(Attribute::new(key, value));
        self
    }
}

impl restore::Step {
    /// One line of a restore's plan: does `action` with `part` to `target`.
    pub fn new(
        part: impl Into<String>,
        action: impl Into<String>,
        target: impl Into<String>,
    ) -> Self {
        Self { part: part.into(), action: action.into(), target: target.into(), ..Self::default() }
    }
}

impl restore::Request {
    /// The new name of what was archived as `name`: itself unless the operator renames it.
    #[must_use]
    pub fn renamed<'a>(&'a self, name: &'a str) -> &'a str {
        self.rename.iter().find(|(from, _)| from == name).map_or(name, |(_, to)| to.as_str())
    }

    /// Whether the part `id` is to be restored.
    #[must_use]
    pub fn asks_for(&self, id: &str) -> bool {
        self.parts.iter().any(|part| part.id == id)
    }
}

impl backup::Request {
    /// Whether the part `id` is to be exported.
    #[must_use]
    pub fn asks_for(&self, id: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|part| part == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_backup_request_asks_for_everything() {
        assert!(backup::Request::default().asks_for("a"));
        let one = backup::Request { parts: vec!["a".into()], ..Default::default() };
        assert!(one.asks_for("a") && !one.asks_for("b"));
    }

    #[test]
    fn names_that_are_not_renamed_stay() {
        let rename = vec![("shop".into(), "shop_old".into())];
        let request = restore::Request { rename, ..Default::default() };
        assert_eq!(request.renamed("shop"), "shop_old");
        assert_eq!(request.renamed("crm"), "crm");
    }
}
