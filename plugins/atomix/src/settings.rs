//! What an agent's configuration says, and how its addresses and folders are changed.

use std::collections::BTreeMap;

use lockgate_plugin::{Context, Error, Fingerprint, Result};

use crate::hocon::{self, Value};

/// Name of the management group where the configuration gives none.
const MANAGEMENT: &str = "system";
/// Keys of values that say where something is, and that a move may change.
const PLACES: [&str; 3] = ["address", "host", "directory"];

/// What an agent's configuration says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `cluster.cluster-id`.
    pub cluster: Option<String>,
    /// `cluster.node.id`.
    pub node: Option<String>,
    /// Partition groups by their names, the management group among them.
    pub groups: BTreeMap<String, Group>,
}

/// A partition group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// `raft`, `primary-backup` or `log`; in lower case.
    pub kind: String,
    /// `disk`, `mapped` or `memory`; in lower case, empty when nothing is said, which is `disk`.
    pub level: String,
    /// Where its partitions are.
    pub directory: Option<String>,
    /// Names of its members.
    pub members: Vec<String>,
}

impl Group {
    /// Whether it has files that can be saved.
    #[must_use]
    pub fn is_on_disk(&self) -> bool {
        self.kind == "raft" && self.level != "memory"
    }
}

impl Settings {
    /// Reads a configuration.
    ///
    /// # Errors
    /// When it is no HOCON and no JSON.
    pub fn read(text: &str) -> Result<Self> {
        let mut settings = Self::default();
        for value in hocon::read(text)? {
            let path: Vec<String> = value.path.iter().map(|key| plain(key)).collect();
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            match path.as_slice() {
                ["cluster", "clusterid"] => settings.cluster = Some(value.text),
                ["cluster", "node", "id"] => settings.node = Some(value.text),
                ["managementgroup", key @ ..] => {
                    settings.group(MANAGEMENT.to_owned(), key, value.text);
                }
                ["partitiongroups", _, key @ ..] => {
                    let name = value.path.get(1).cloned().unwrap_or_default();
                    settings.group(name, key, value.text);
                }
                _ => {}
            }
        }
        Ok(settings)
    }

    fn group(&mut self, name: String, key: &[&str], text: String) {
        let group = self.groups.entry(name).or_default();
        match key {
            ["type"] => group.kind = text.to_lowercase(),
            ["members", _] => group.members.push(text),
            ["storage", "level"] => group.level = text.to_lowercase(),
            ["storage", "directory"] => group.directory = Some(text),
            _ => {}
        }
    }
}

/// A key as it is compared: Atomix takes `cluster-id` and `clusterId` for the same.
fn plain(key: &str) -> String {
    key.chars().filter(|it| *it != '-').flat_map(char::to_lowercase).collect()
}

/// What a move changes in configurations.
#[derive(Clone, Debug, Default)]
pub struct Changes<'a> {
    /// Old address, host or folder to the new one; of a folder also what is inside of it.
    pub places: Vec<(&'a str, &'a str)>,
    /// Member to its new address.
    pub addresses: Vec<(&'a str, &'a str)>,
}

impl Changes<'_> {
    /// A configuration with other places; all else stays as it stands. Also how many values were changed.
    ///
    /// # Errors
    /// When the configuration cannot be read.
    pub fn apply(&self, text: &str) -> Result<(String, usize)> {
        let values = hocon::read(text)?;
        let mut changes = Vec::new();
        for value in &values {
            let Some(key) = value.path.last().map(|key| plain(key)) else { continue };
            if !PLACES.contains(&key.as_str()) {
                continue;
            }
            let new = match self.address_of(&key, value, &values) {
                Some(new) => Some(new.to_owned()),
                None => self.moved(&value.text),
            };
            if let Some(new) = new.filter(|new| *new != value.text) {
                changes.push((value.place.clone(), new));
            }
        }
        let changed = hocon::replaced(text, &changes);
        if Settings::read(&changed)?.node != Settings::read(text)?.node {
            return Err(Error::other("the changed configuration names another member"));
        }
        Ok((changed, changes.len()))
    }

    /// The new address of the member whose `id` stands beside this value.
    fn address_of(&self, key: &str, value: &Value, values: &[Value]) -> Option<&str> {
        let beside = value.path.split_last()?.1;
        let is_id = |other: &&Value| {
            other.path.split_last().is_some_and(|(last, above)| last == "id" && above == beside)
        };
        let id = values.iter().rev().find(is_id)?;
        let mut wanted = self.addresses.iter().filter(|_| key == "address");
        wanted.find(|(member, _)| *member == id.text).map(|(_, address)| *address)
    }

    fn moved(&self, text: &str) -> Option<String> {
        self.places.iter().find_map(|(from, to)| {
            let rest = text.strip_prefix(from)?;
            let is_it = rest.is_empty() || (from.contains('/') && rest.starts_with('/'));
            is_it.then(|| format!("{to}{rest}"))
        })
    }
}

/// The fingerprint of a configuration: over all values but those that a move may change.
///
/// # Errors
/// When it cannot be read.
pub fn add_print(print: &mut Fingerprint, text: &str) -> Result<()> {
    for value in hocon::read(text).context("the configuration")? {
        print.add_number(value.path.len() as u64);
        value.path.iter().for_each(|key| print.add(key));
        let is_place = value.path.last().is_some_and(|key| PLACES.contains(&plain(key).as_str()));
        print.add(if is_place { "" } else { &value.text });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"cluster { clusterId: prod, node { id: m1, address: "10.0.0.1:5679" }
  discovery { type: bootstrap, nodes.1 { id: m1, address: "10.0.0.1:5679" }, nodes.2 { id: m2, address: "10.0.0.2:5679" } } }
management-group { type: raft, members: [m1, m2], storage { level: mapped, directory: /var/lib/atomix/system } }
partition-groups.data { type: RAFT, members: [m1, m2], storage.directory: "/var/lib/atomix/data" }
partition-groups.cache { type: primary-backup }"#;

    #[test]
    fn groups_and_names_are_found() {
        let settings = Settings::read(TEXT).unwrap();
        assert_eq!(
            (settings.cluster.as_deref(), settings.node.as_deref()),
            (Some("prod"), Some("m1"))
        );
        let on_disk = |name: &str| settings.groups[name].is_on_disk();
        assert!(on_disk("system") && on_disk("data") && !on_disk("cache"));
        assert_eq!(settings.groups["data"].members, ["m1", "m2"]);
        assert_eq!(settings.groups["data"].directory.as_deref(), Some("/var/lib/atomix/data"));
    }

    #[test]
    fn members_move_by_name_and_places_by_value() {
        let changes = Changes {
            addresses: vec![("m1", "a:1"), ("m3", "c:3")],
            places: vec![("10.0.0.2:5679", "b:2"), ("/var/lib/atomix", "/srv"), ("m1", "never")],
        };
        let (text, count) = changes.apply(TEXT).unwrap();
        assert_eq!(count, 5);
        let expected = TEXT
            .replace("10.0.0.1:5679", "a:1")
            .replace("10.0.0.2:5679", "b:2")
            .replace("/var/lib/atomix/system", "\"/srv/system\"")
            .replace("/var/lib/atomix/data", "/srv/data");
        assert_eq!(text, expected);
        let print = |text: &str| {
            let mut print = Fingerprint::new();
            add_print(&mut print, text).unwrap();
            print.finish()
        };
        assert_eq!(print(&text), print(TEXT));
        assert_ne!(print(&TEXT.replace("prod", "test")), print(TEXT));
        assert_eq!(Changes::default().apply(TEXT).unwrap(), (TEXT.to_owned(), 0));
        let near = Changes { places: vec![("/var/lib/ato", "/x")], ..Changes::default() };
        assert_eq!(near.apply(TEXT).unwrap().1, 0);
    }
}
