//! Ids of groups, applications and pods, parts that stand for them, and other names for them.

use lockgate_plugin::{Error, Part, Result, printable};

use crate::limits::NAME_BYTES_MAX;

/// The root of the tree.
pub const ROOT: &str = "/";
/// Attribute of a part: the id of its group, application or pod.
pub const NODE: &str = "node";
/// Attribute of a part: ids outside of it that must be there before it, as JSON.
pub const NEEDS: &str = "needs";

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// A group directly below the root, with everything in it.
    Group,
    /// An application directly below the root.
    App,
    /// A pod directly below the root.
    Pod,
    /// What the root itself depends on.
    Root,
    /// A description of the server, for people.
    Info,
}

impl PartKind {
    /// All of them, in the order of a restore. The root comes last: what it depends on must be there.
    pub const ALL: [Self; 5] = [Self::Group, Self::App, Self::Pod, Self::Root, Self::Info];

    /// In the contract's terms.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::App => "app",
            Self::Pod => "pod",
            Self::Root => "root",
            Self::Info => "info",
        }
    }

    /// That of a part.
    ///
    /// # Errors
    /// When it is of no kind that this plugin makes.
    pub fn of(part: &Part) -> Result<Self> {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == part.kind);
        kind.ok_or_else(|| {
            Error::corrupt(format!("part {} is of the unknown kind {:?}", part.id, part.kind))
        })
    }

    /// A part for what has this id.
    #[must_use]
    pub fn part(self, id: &str) -> Part {
        let part_id = match self {
            Self::Root | Self::Info => self.name().to_owned(),
            _ => format!("{}{id}", self.name()),
        };
        Part::new(part_id, self.name()).with_attribute(NODE, id)
    }
}

/// The id of what a part stands for.
///
/// # Errors
/// When it does not tell.
pub fn node_of(part: &Part) -> Result<&str> {
    let node = part.attribute(NODE);
    let node = node.ok_or_else(|| Error::corrupt(format!("part {} names no node", part.id)))?;
    if node != ROOT {
        check(node)?;
    }
    Ok(node)
}

/// Whether `id` is absolute and of names as Marathon takes them (`PathId` in `types/stringTypes.raml`), so that it can stand in
/// a path of HTTP as it is.
///
/// # Errors
/// When it is not.
pub fn check(id: &str) -> Result<()> {
    let is_fit = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.'
    };
    let is_name = |name: &str| {
        (1..=NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(is_fit)
            && name.bytes().any(|byte| byte != b'.')
    };
    if id.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_name)) {
        return Ok(());
    }
    Err(Error::corrupt(format!("{:?} is no id of Marathon", printable(id))))
}

/// The name directly below the root.
#[must_use]
pub fn top(id: &str) -> &str {
    id.trim_start_matches('/').split('/').next().unwrap_or_default()
}

/// Whether it is directly below the root.
#[must_use]
pub fn is_top_level(id: &str) -> bool {
    id.len() > 1 && id.rfind('/') == Some(0)
}

/// Whether `id` is `ancestor`, or below it.
#[must_use]
pub fn is_inside(id: &str, ancestor: &str) -> bool {
    let rest = if ancestor == ROOT { Some("") } else { id.strip_prefix(ancestor) };
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Other names: from id to id, with everything below.
#[derive(Clone, Debug, Default)]
pub struct Renames(Vec<(String, String)>);

impl Renames {
    /// Of what the operator asks for.
    ///
    /// # Errors
    /// When one is no id.
    pub fn new(pairs: &[(String, String)]) -> Result<Self> {
        for id in pairs.iter().flat_map(|(old, new)| [old, new]).filter(|id| *id != ROOT) {
            check(id).map_err(|_| {
                let text = format!("rename: {:?} is no id; write it as /group/name", printable(id));
                Error::config(text)
            })?;
        }
        let mut pairs = pairs.to_vec();
        // The longest that fits counts.
        pairs.sort_by_key(|(old, _)| std::cmp::Reverse(old.len()));
        Ok(Self(pairs))
    }

    /// The new id.
    #[must_use]
    pub fn of(&self, id: &str) -> String {
        moved(id, self.0.iter().map(|(old, new)| (old, new)))
    }

    /// The other way round.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let mut pairs: Vec<_> =
            self.0.iter().map(|(old, new)| (new.clone(), old.clone())).collect();
        pairs.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        Self(pairs)
    }

    /// Whether each part goes somewhere, and to a place of its own.
    ///
    /// # Errors
    /// What is wrong with the names.
    pub fn check(&self, parts: &[Part]) -> Result<()> {
        let mut nodes = Vec::new();
        for part in parts {
            if !matches!(PartKind::of(part)?, PartKind::Root | PartKind::Info) {
                nodes.push(node_of(part)?);
            }
        }
        for (old, _) in &self.0 {
            let is_whole = *old == ROOT || nodes.contains(&old.as_str());
            if !is_whole {
                let text = format!(
                    "rename: {old} is none of the parts that are restored; what is directly below the root can have another name, with everything in it"
                );
                return Err(Error::config(text));
            }
        }
        let targets: Vec<String> = nodes.iter().map(|node| self.of(node)).collect();
        for (number, target) in targets.iter().enumerate() {
            if *target == ROOT {
                return Err(Error::config("rename: / is the root, which nothing else can become"));
            }
            let others = targets.iter().skip(number + 1);
            let meets = |other: &&String| is_inside(other, target) || is_inside(target, other);
            if let Some(other) = others.into_iter().find(meets) {
                return Err(Error::config(format!(
                    "rename: {target} and {other} would be in each other's way"
                )));
            }
        }
        Ok(())
    }
}

fn moved<'a>(id: &str, pairs: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    for (from, to) in pairs {
        if is_inside(id, from) {
            let rest =
                if from == ROOT { id } else { id.strip_prefix(from.as_str()).unwrap_or_default() };
            let moved = format!("{}{}", to.trim_end_matches('/'), rest.trim_end_matches('/'));
            return if moved.is_empty() { ROOT.to_owned() } else { moved };
        }
    }
    id.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renames(pairs: &[(&str, &str)]) -> Result<Renames> {
        let pairs: Vec<_> =
            pairs.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
        Renames::new(&pairs)
    }

    #[test]
    fn ids_are_those_of_marathon() {
        for good in ["/a", "/a/b-c/d.e", "/0"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for wrong in [
            "", "/", "a", "/a/", "//a", "/A", "/a/../b", "/.", "/a b", "/a?x", "/a%2f", "/ü",
            "/a\n",
        ] {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
        assert!(check(&format!("/{}", "a".repeat(NAME_BYTES_MAX + 1))).is_err());
        assert!(is_top_level("/a") && !is_top_level("/a/b") && !is_top_level("/"));
        assert_eq!(top("/a/b"), "a");
    }

    #[test]
    fn names_change_with_everything_below_and_back() {
        let one = renames(&[("/shop", "/old/shop"), ("/", "/all")]).unwrap();
        for (old, new) in
            [("/shop", "/old/shop"), ("/shop/db", "/old/shop/db"), ("/shopping", "/all/shopping")]
        {
            assert_eq!(one.of(old), new);
            assert_eq!(one.reversed().of(new), old);
        }
        assert!(renames(&[("shop", "/x")]).is_err() && renames(&[("/shop", "/X")]).is_err());
    }

    #[test]
    fn parts_have_places_of_their_own() {
        let parts = ["/a", "/b"].map(|id| PartKind::Group.part(id));
        let wrong = |pairs: &[(&str, &str)]| renames(pairs).unwrap().check(&parts).is_err();
        assert!(!wrong(&[("/a", "/x/y")]) && !wrong(&[("/", "/x")]));
        assert!(wrong(&[("/a", "/b")]) && wrong(&[("/a", "/b/c")]) && wrong(&[("/a/c", "/x")]));
        assert!(wrong(&[("/a", "/")]));
        assert_eq!(parts[0].id, "group/a");
        assert_eq!(node_of(&parts[0]).unwrap(), "/a");
    }
}
