//! Names of parts, and where they go in a restore.

use lockgate_plugin::{Error as Told, Fingerprint, Part, Result};

use crate::limits::PART_NAME_BYTES_MAX;
use crate::scope::{self, QUOTAS, SYSTEM, is_inside};

/// Attribute of a part: the path of its uppermost node.
pub const NODE: &str = "node";
/// Attribute of a part: what was left out of it, as JSON of a list of paths.
pub const EXCLUDE: &str = "exclude";
/// Attribute of a part: what alone was taken of it, as JSON of a list of paths.
pub const INCLUDE: &str = "include";
/// Attribute of a part: version of the server that it was saved from.
pub const SERVER: &str = "server";

/// What a part holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PartKind {
    /// A node below the root, and all below it.
    Tree,
    /// The root alone.
    Root,
    /// Quotas.
    Quota,
}

impl PartKind {
    /// The kind in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Root => "root",
            Self::Quota => "quota",
        }
    }

    /// The kind of an archived part.
    ///
    /// # Errors
    /// When it is none of this plugin.
    pub fn of(part: &Part) -> Result<Self> {
        [Self::Tree, Self::Root, Self::Quota]
            .into_iter()
            .find(|kind| kind.name() == part.kind)
            .ok_or_else(|| Told::corrupt(format!("part {} is of no kind of this plugin", part.id)))
    }
}

/// Id of the root's part.
pub const ROOT_ID: &str = "tree/_root";
/// Id of the quotas' part.
pub const QUOTA_ID: &str = "quota";

/// The part of a node below the root.
pub fn tree_id(name: &str) -> String {
    let mut id = String::new();
    for (at, character) in name.chars().enumerate() {
        // An underscore in front is ours.
        match character {
            '%' | '\\' => id.extend(format!("%{:02X}", character as u32).chars()),
            '_' if at == 0 => id.push_str("%5F"),
            _ => id.push(character),
        }
    }
    if id.len() > PART_NAME_BYTES_MAX {
        let mut fingerprint = Fingerprint::new();
        fingerprint.add(name);
        let digest = fingerprint.finish();
        let digest: String = digest.chars().skip("sha256:".len()).take(32).collect();
        let mut end = PART_NAME_BYTES_MAX - digest.len();
        while !id.is_char_boundary(end) {
            end -= 1;
        }
        id.truncate(end);
        id = format!("{id}%-{digest}");
    }
    format!("tree/{id}")
}

/// Where an archived part begins: its node's path.
///
/// # Errors
/// When the part does not say, or says something impossible.
pub fn node_of(part: &Part) -> Result<&str> {
    let node = part.attribute(NODE);
    let node =
        node.ok_or_else(|| Told::corrupt(format!("part {} does not name its node", part.id)))?;
    scope::check(node).map_err(|error| Told::corrupt(format!("part {}: {error}", part.id)))?;
    let is_fit = match PartKind::of(part)? {
        PartKind::Tree => scope::parent(node) == Some("/") && !is_inside(node, SYSTEM),
        PartKind::Root => node == "/",
        PartKind::Quota => node == QUOTAS,
    };
    if is_fit {
        Ok(node)
    } else {
        Err(Told::corrupt(format!("part {} cannot be of the node {node:?}", part.id)))
    }
}

/// Where nodes go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets(Vec<(String, String)>);

impl Targets {
    /// Checks the renames of a request for `parts`: each is of the root or of a node below it, and no two parts meet.
    ///
    /// # Errors
    /// When one is impossible; names it.
    pub fn new(rename: &[(String, String)], parts: &[Part]) -> Result<Self> {
        let targets = Self(rename.to_vec());
        for (from, to) in rename {
            scope::check(from)
                .and_then(|()| scope::check(to))
                .map_err(|error| error.context("rename"))?;
            if from != "/" && scope::parent(from) != Some("/") {
                let text = format!(
                    "rename: {from} is not directly below the root; only / and whole parts are renamed"
                );
                return Err(Told::config(text));
            }
            if is_inside(to, SYSTEM) {
                return Err(Told::config(format!("rename: {to} belongs to the server")));
            }
            let is_restored = parts.iter().any(|part| part.attribute(NODE) == Some(from.as_str()));
            if from != "/" && !is_restored {
                return Err(Told::config(format!(
                    "rename: no part that is restored is of the node {from}"
                )));
            }
            if from != "/" && to == "/" {
                return Err(Told::config(format!("rename: {from} cannot become the root")));
            }
        }
        targets.check_meetings(parts)?;
        Ok(targets)
    }

    fn check_meetings(&self, parts: &[Part]) -> Result<()> {
        let mut places = Vec::new();
        for part in parts {
            if PartKind::of(part)? == PartKind::Tree {
                places.push(self.of(node_of(part)?));
            }
        }
        places.sort();
        // What is inside another one need not stand right after it, but then something that is inside does.
        for (at, place) in places.iter().enumerate() {
            let after = places.get(at + 1..).unwrap_or_default();
            let met = after
                .iter()
                .take_while(|other| other.starts_with(place.as_str()))
                .find(|other| is_inside(other, place));
            if let Some(other) = met {
                return Err(Told::config(format!("rename: {other} and {place} would meet")));
            }
        }
        Ok(())
    }

    /// Where an archived path goes.
    pub fn of(&self, path: &str) -> String {
        if let Some(of) = path.strip_prefix(QUOTAS) {
            return if of.is_empty() {
                path.to_owned()
            } else {
                format!("{QUOTAS}{}", self.of(of))
            };
        }
        let exact = self.0.iter().find(|(from, _)| from != "/" && is_inside(path, from));
        let all = || self.0.iter().find(|(from, _)| from == "/");
        match exact.or_else(all) {
            None => path.to_owned(),
            Some((from, to)) => {
                let rest = if from == "/" {
                    path
                } else {
                    path.strip_prefix(from.as_str()).unwrap_or_default()
                };
                match (to.as_str(), rest) {
                    (_, "" | "/") => to.clone(),
                    ("/", rest) => rest.to_owned(),
                    (to, rest) => format!("{to}{rest}"),
                }
            }
        }
    }

    /// Where what is at `path` was when it was archived.
    pub fn back(&self, path: &str) -> String {
        if let Some(of) = path.strip_prefix(QUOTAS) {
            return if of.is_empty() {
                path.to_owned()
            } else {
                format!("{QUOTAS}{}", self.back(of))
            };
        }
        let fitting = self.0.iter().filter(|(_, to)| is_inside(path, to));
        let Some((from, to)) = fitting.max_by_key(|(_, to)| to.len()) else {
            return path.to_owned();
        };
        let rest =
            if to == "/" { path } else { path.strip_prefix(to.as_str()).unwrap_or_default() };
        match (from.as_str(), rest) {
            (from, "" | "/") => from.to_owned(),
            ("/", rest) => rest.to_owned(),
            (from, rest) => format!("{from}{rest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(node: &str) -> Part {
        Part::new(tree_id(node.trim_start_matches('/')), "tree").with_attribute(NODE, node)
    }

    fn targets(rename: &[(&str, &str)], nodes: &[&str]) -> Result<Targets> {
        let rename: Vec<_> =
            rename.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        Targets::new(&rename, &nodes.iter().map(|node| part(node)).collect::<Vec<_>>())
    }

    #[test]
    fn names_of_parts_are_unlike_each_other() {
        assert_eq!(tree_id("app"), "tree/app");
        assert_eq!(tree_id("_root"), "tree/%5Froot");
        assert_eq!(tree_id("a%b c_ü"), "tree/a%25b c_ü");
        let long = tree_id(&"ü".repeat(1000));
        assert!(
            long.len() <= PART_NAME_BYTES_MAX + 8 && long != tree_id(&"ü".repeat(1001)),
            "{long}"
        );
    }

    #[test]
    fn paths_go_where_their_prefix_goes() {
        let one = targets(&[("/a", "/x/y")], &["/a", "/ab"]).unwrap();
        assert_eq!(
            (one.of("/a"), one.of("/a/b"), one.of("/ab"), one.of("/")),
            ("/x/y".into(), "/x/y/b".into(), "/ab".into(), "/".into())
        );
        assert_eq!(
            one.of("/zookeeper/quota/a/zookeeper_limits"),
            "/zookeeper/quota/x/y/zookeeper_limits"
        );
        let all = targets(&[("/", "/old"), ("/b", "/b2")], &["/a", "/b"]).unwrap();
        for path in ["/", "/a", "/a/c", "/b", "/b/c", "/zookeeper/quota", "/zookeeper/quota/b/c"] {
            assert_eq!(
                (one.back(&one.of(path)), all.back(&all.of(path))),
                (path.to_owned(), path.to_owned())
            );
        }
        assert_eq!(
            (all.of("/"), all.of("/a/c"), all.of("/b/c")),
            ("/old".into(), "/old/a/c".into(), "/b2/c".into())
        );
    }

    #[test]
    fn impossible_renames_are_refused() {
        for rename in [
            ("/a/b", "/c"),
            ("/a", "c"),
            ("/a", "/zookeeper/x"),
            ("/nobody", "/c"),
            ("/a", "/"),
            ("/a", "/b"),
            ("/a", "/b/c"),
            ("/", "/zookeeper"),
        ] {
            assert!(targets(&[rename], &["/a", "/b"]).is_err(), "{rename:?}");
        }
        assert!(targets(&[("/a", "/b")], &["/a"]).is_ok());
    }

    #[test]
    fn a_part_of_an_impossible_node_is_corrupt() {
        for node in ["/a/b", "a", "/zookeeper", "/"] {
            assert!(
                node_of(&Part::new("tree/a", "tree").with_attribute(NODE, node)).is_err(),
                "{node}"
            );
        }
        assert!(node_of(&Part::new("tree/a", "tree")).is_err());
        assert!(PartKind::of(&Part::new("tree/a", "table")).is_err());
    }
}
