//! Which nodes are meant, and how their paths are put together.

use lockgate_plugin::{Error as Told, Result, printable};

/// Where the server keeps its own nodes.
pub const SYSTEM: &str = "/zookeeper";
/// Where it keeps quotas: below it, the path of the node that has one, then [`LIMITS`] and [`USAGE`].
pub const QUOTAS: &str = "/zookeeper/quota";
/// A quota.
pub const LIMITS: &str = "zookeeper_limits";
/// What is used up of it, which the server counts itself.
pub const USAGE: &str = "zookeeper_stats";

/// A part of the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Nodes to begin with.
    pub starts: Vec<String>,
    /// What below them is taken; empty for all.
    pub include: Vec<String>,
    /// What below them is not taken.
    pub exclude: Vec<String>,
    /// Only the nodes to begin with.
    pub is_flat: bool,
}

impl Scope {
    /// A node and everything below.
    pub fn below(start: impl Into<String>) -> Self {
        Self { starts: vec![start.into()], ..Self::default() }
    }

    /// A node alone.
    pub fn only(start: impl Into<String>) -> Self {
        Self { is_flat: true, ..Self::below(start) }
    }

    /// Whether a node belongs to it, given that it is one of the starts or that its parent does.
    pub fn takes(&self, path: &str) -> bool {
        if self.starts.iter().any(|start| start == path) {
            return true;
        }
        if self.is_flat {
            return false;
        }
        if let Some(of) = path.strip_prefix(QUOTAS).filter(|of| of.starts_with('/')) {
            return name(path) != USAGE && self.wants(of);
        }
        !is_inside(path, SYSTEM) && self.wants(path)
    }

    fn wants(&self, path: &str) -> bool {
        let leads_to = |wanted: &String| is_inside(path, wanted) || is_inside(wanted, path);
        (self.include.is_empty() || self.include.iter().any(leads_to))
            && !self.exclude.iter().any(|unwanted| is_inside(path, unwanted))
    }

    /// Whether a node belongs to it, for paths that the server names out of order.
    pub fn covers(&self, path: &str) -> bool {
        self.takes(path)
            && self.starts.iter().any(|start| is_inside(path, start) && may_lead(start, path))
    }
}

/// The server's own nodes belong to nothing that begins above them, but for the quotas where they are asked for.
fn may_lead(start: &str, path: &str) -> bool {
    !is_inside(path, SYSTEM) || is_inside(start, SYSTEM)
}

/// Whether `path` is `above` or below it.
pub fn is_inside(path: &str, above: &str) -> bool {
    above == "/"
        || path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path of a child.
pub fn child(parent: &str, name: &str) -> String {
    match parent {
        "/" => format!("/{name}"),
        _ => format!("{parent}/{name}"),
    }
}

/// The path of the parent; none of the root.
pub fn parent(path: &str) -> Option<&str> {
    match path.rfind('/') {
        Some(0) if path.len() > 1 => Some("/"),
        Some(0) | None => None,
        Some(at) => path.get(..at),
    }
}

/// The last component.
pub fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Refuses what is not the path of a node.
///
/// # Errors
/// What is wrong with it.
pub fn check(path: &str) -> Result<()> {
    let fault = match path.strip_prefix('/') {
        None => "does not begin with /",
        Some("") => return Ok(()),
        Some(rest) if rest.split('/').any(|name| matches!(name, "" | "." | "..")) => {
            "has a component that is empty, . or .."
        }
        Some(rest) if rest.contains('\0') => "has a NUL",
        Some(_) => return Ok(()),
    };
    Err(Told::config(format!("the path {:?} {fault}", printable(path))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_takes_what_was_named_and_what_leads_there() {
        let scope = Scope {
            include: vec!["/app/settings".into(), "/kafka".into()],
            exclude: vec!["/kafka/tmp".into()],
            ..Scope::below("/")
        };
        for path in ["/", "/app", "/app/settings", "/app/settings/x", "/kafka", "/kafka/tmpx"] {
            assert!(scope.covers(path), "{path}");
        }
        for path in [
            "/app/other",
            "/kafkax",
            "/kafka/tmp",
            "/kafka/tmp/x",
            "/zookeeper",
            "/zookeeper/quota/a",
        ] {
            assert!(!scope.covers(path), "{path}");
        }
    }

    #[test]
    fn quotas_are_taken_when_asked_for_and_what_is_used_up_is_not() {
        let mut scope = Scope::below("/");
        scope.starts.push(QUOTAS.into());
        assert!(scope.covers("/zookeeper/quota/a/zookeeper_limits") && !scope.takes("/zookeeper"));
        assert!(
            !scope.covers("/zookeeper/quota/a/zookeeper_stats")
                && !scope.covers("/zookeeper/config")
        );
        assert!(scope.covers("/zookeeperx") && scope.covers("/a/zookeeper_stats"));
    }

    #[test]
    fn one_node_alone() {
        assert!(Scope::only("/").covers("/") && !Scope::only("/").covers("/a"));
    }

    #[test]
    fn paths_are_taken_apart() {
        assert_eq!((parent("/"), parent("/a"), parent("/a/b")), (None, Some("/"), Some("/a")));
        assert_eq!((child("/", "a"), child("/a", "b")), ("/a".into(), "/a/b".into()));
        assert!(is_inside("/a/b", "/a") && !is_inside("/ab", "/a") && is_inside("/a", "/"));
        assert!(check("/").is_ok() && check("/a/ü").is_ok());
        for path in ["", "a", "/a/", "//a", "/a/../b", "/a\0"] {
            assert!(check(path).is_err(), "{path}");
        }
    }
}
