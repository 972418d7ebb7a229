//! Which node it is: the version of its controller, and the models that it knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use lockgate_plugin::{Error, Result, printable};
use serde::Deserialize;

use crate::client;
use crate::config::Config;

/// What was run in the tests.
pub const TESTED: &str = "controller 9.0 (Calcium)";
/// Attribute of a part: the controller that it was saved from.
pub const CONTROLLER: &str = "controller";
/// Attribute of a part: the models that a node must know to take it, as `NAME@REVISION`.
pub const MODULES: &str = "modules";

/// The bundle that keeps the datastore.
const BUNDLE: &str = "org.opendaylight.controller.sal-distributed-datastore";
const BUNDLES: &str = "/jolokia/read/org.apache.karaf:type=bundle,name=root/Bundles";
const LIBRARY: &str =
    "/rests/data/ietf-yang-library:yang-library?fields=module-set(name;module(name;revision))";

/// A node that answers.
#[derive(Clone, Debug)]
pub struct Node {
    /// Major, minor, patch of the controller; none where there is no Jolokia.
    pub version: Option<(u32, u32, u32)>,
    /// Revisions by the names of models; empty for a model that has none.
    pub modules: BTreeMap<String, String>,
}

/// The controller's version, for people.
impl fmt::Display for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some((major, minor, patch)) => write!(formatter, "controller {major}.{minor}.{patch}"),
            None => formatter.write_str("controller of an unknown version"),
        }
    }
}

#[derive(Deserialize)]
struct Bundle {
    #[serde(rename = "Symbolic Name", default)]
    symbolic_name: String,
    #[serde(rename = "Version", default)]
    version: String,
}

#[derive(Deserialize)]
struct Library {
    #[serde(rename = "ietf-yang-library:yang-library")]
    library: ModuleSets,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ModuleSets {
    #[serde(default)]
    module_set: Vec<ModuleSet>,
}

#[derive(Deserialize)]
struct ModuleSet {
    #[serde(default)]
    module: Vec<Module>,
}

#[derive(Deserialize)]
struct Module {
    name: String,
    #[serde(default)]
    revision: String,
}

impl Node {
    /// Asks the node what it is.
    ///
    /// # Errors
    /// When it does not answer, or is not one that this plugin works with.
    pub fn probe(config: &Config) -> Result<Self> {
        let library: Option<Library> = client::read(LIBRARY)?;
        let library = library.ok_or_else(|| {
            Error::unsupported(
                "the node has no YANG library (RFC 8525), so that its models are not known",
            )
        })?;
        let modules = library.library.modules();
        let bundles: Option<BTreeMap<String, Bundle>> = client::jolokia(BUNDLES)?;
        let version = bundles.as_ref().and_then(version_of);
        let node = Self { version, modules };
        node.admit(config.allow_untested_version)?;
        Ok(node)
    }

    /// Whether this version was run in the tests.
    pub fn is_tested(&self) -> bool {
        matches!(self.version, Some((9, 0, _)))
    }

    fn admit(&self, is_untested_allowed: bool) -> Result<()> {
        if is_untested_allowed || matches!(self.version, Some((7..=10, _, _))) {
            return Ok(());
        }
        let what = match self.version {
            Some(_) => format!("{self} is not known to this plugin"),
            None => {
                "the node does not tell its version (Jolokia, feature odl-jolokia, does)".to_owned()
            }
        };
        Err(Error::unsupported(format!(
            "{what}: it was tested with {TESTED} and takes controller 7 to 10; `allow-untested-version = true` in `config` \
             tries all the same"
        )))
    }

    /// A model by its name, as `NAME@REVISION`.
    pub fn module(&self, name: &str) -> String {
        match self.modules.get(name) {
            Some(revision) if !revision.is_empty() => format!("{name}@{revision}"),
            _ => name.to_owned(),
        }
    }

    /// All models.
    pub fn all_modules(&self) -> String {
        let all: Vec<String> = self.modules.keys().map(|name| self.module(name)).collect();
        all.join(" ")
    }

    /// Those of `needed` (the attribute [`MODULES`]) that are not here, and those that are here in another revision.
    pub fn compare(&self, needed: &str) -> (Vec<String>, Vec<String>) {
        let (mut missing, mut other) = (Vec::new(), Vec::new());
        let unique: BTreeSet<&str> = needed.split_whitespace().collect();
        for module in unique {
            let name = module.split_once('@').map_or(module, |(name, _)| name);
            if !self.modules.contains_key(name) {
                missing.push(printable(module));
            } else if self.module(name) != module {
                other.push(format!("{} (here {})", printable(module), self.module(name)));
            }
        }
        (missing, other)
    }
}

impl ModuleSets {
    fn modules(self) -> BTreeMap<String, String> {
        let modules = self.module_set.into_iter().flat_map(|set| set.module);
        let named = modules.map(|Module { name, revision }| {
            // Some releases put the revision behind the name.
            let bare = name.strip_suffix(&revision).and_then(|name| name.strip_suffix('_'));
            let bare = if revision.is_empty() { None } else { bare };
            (printable(bare.unwrap_or(&name)), printable(&revision))
        });
        named.collect()
    }
}

fn version_of(bundles: &BTreeMap<String, Bundle>) -> Option<(u32, u32, u32)> {
    let bundle = bundles.values().find(|bundle| bundle.symbolic_name == BUNDLE)?;
    let mut numbers = bundle.version.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(version: Option<(u32, u32, u32)>) -> Node {
        let text = r#"{"ietf-yang-library:yang-library":{"module-set":[{"name":"ODL_modules","module":[
            {"name":"car_2014-08-18","revision":"2014-08-18"},{"name":"people","revision":"2014-08-18"},{"name":"plain"}]}]}}"#;
        let library: Library = serde_json::from_str(text).unwrap();
        Node { version, modules: library.library.modules() }
    }

    #[test]
    fn models_are_compared_by_name_and_revision() {
        let node = node(None);
        assert_eq!(node.all_modules(), "car@2014-08-18 people@2014-08-18 plain");
        let (missing, other) = node.compare("car@2014-08-18 people@2015-01-01 gone@1 plain gone@1");
        assert_eq!(missing, ["gone@1"]);
        assert_eq!(other, ["people@2015-01-01 (here people@2014-08-18)"]);
    }

    #[test]
    fn versions_are_known_or_refused() {
        for (version, is_known) in [
            (Some((9, 0, 4)), true),
            (Some((7, 0, 0)), true),
            (Some((6, 0, 0)), false),
            (Some((11, 0, 0)), false),
            (None, false),
        ] {
            assert_eq!(node(version).admit(false).is_ok(), is_known, "{version:?}");
            assert!(node(version).admit(true).is_ok());
        }
    }

    #[test]
    fn the_version_is_that_of_the_datastore() {
        let text = r#"{"1":{"Symbolic Name":"other","Version":"1.2.3"},
            "2":{"Symbolic Name":"org.opendaylight.controller.sal-distributed-datastore","Version":"9.0.4"}}"#;
        let bundles = serde_json::from_str(text).unwrap();
        assert_eq!(version_of(&bundles), Some((9, 0, 4)));
        let odd = text.replace("9.0.4", "9.x");
        assert_eq!(version_of(&serde_json::from_str(&odd).unwrap()), None);
    }
}
