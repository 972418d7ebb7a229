use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// Name of the file in a plugin's folder.
pub const FILE: &str = "plugin.toml";

/// Interfaces that every job offers; they need no reason.
const ALWAYS: [&str; 2] = ["archive", "job"];

/// What a plugin says of itself before it is built.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Also the name of the component's file.
    pub name: String,
    /// Checked to be there; the component's own `describe` reports it.
    #[serde(rename = "version")]
    _version: String,
    /// One line for people.
    #[serde(rename = "summary")]
    _summary: String,
    /// For each interface that the plugin imports, why it needs it, for the operator who grants it.
    #[serde(default)]
    capabilities: BTreeMap<String, String>,
}

impl Manifest {
    /// Reads the one in `folder`.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("could not read {}", path.display()))?;
        let manifest: Self =
            toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
        manifest.check().with_context(|| format!("{}", path.display()))?;
        Ok(manifest)
    }

    fn check(&self) -> Result<()> {
        let is_allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !self.name.bytes().all(is_allowed) || !(1..=64).contains(&self.name.len()) {
            bail!("name {:?}: use 1 to 64 of a-z, 0-9 and -", self.name);
        }
        if let Some((capability, _)) =
            self.capabilities.iter().find(|(_, reason)| reason.is_empty())
        {
            bail!("capabilities.{capability}: say why the plugin needs it");
        }
        Ok(())
    }

    /// Checks that the component imports what is declared, no more and no less.
    pub fn compare(&self, imports: &[String]) -> Result<()> {
        let mut used = BTreeSet::new();
        for import in imports {
            let Some(interface) = import.strip_prefix("lockgate:datastore/") else {
                bail!("imports {import}, which is not of the contract");
            };
            let name = interface.split('@').next().unwrap_or(interface);
            if !ALWAYS.contains(&name) {
                used.insert(name);
            }
        }
        let declared: BTreeSet<&str> = self.capabilities.keys().map(String::as_str).collect();
        if let Some(missing) = used.difference(&declared).next() {
            bail!("uses {missing}; add the reason to [capabilities] of {FILE}");
        }
        if let Some(unused) = declared.difference(&used).next() {
            bail!("does not use {unused}; remove it from [capabilities] of {FILE}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(capabilities: &str) -> Manifest {
        let head = "name = 'x'\nversion = '1'\nsummary = 's'\n[capabilities]\n";
        toml::from_str(&format!("{head}{capabilities}")).unwrap()
    }

    #[test]
    fn what_is_declared_and_what_is_imported_must_be_equal() {
        let imports =
            ["lockgate:datastore/job@0.1.0", "lockgate:datastore/net@0.1.0"].map(String::from);
        assert!(manifest("net = 'dials'").compare(&imports).is_ok());
        assert!(manifest("").compare(&imports).is_err());
        assert!(manifest("net = 'dials'\nclock = 'waits'").compare(&imports).is_err());
    }

    #[test]
    fn imports_outside_of_the_contract_are_refused() {
        assert!(manifest("").compare(&["wasi:cli/environment@0.2.0".into()]).is_err());
    }

    #[test]
    fn a_capability_needs_a_reason() {
        assert!(manifest("net = ''").check().is_err());
    }
}
