//! Joins a component to what the host offers, or says in one sentence why that cannot be done.

use lockgate_trust::{CONTRACT_PACKAGE as PACKAGE, are_compatible};
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

use super::bindings::{Plugin, PluginPre};
use super::capability::{archive, net};
use super::state::State;
use crate::limits::CONTRACTS;

/// Joins components of one released version of the contract to this host.
struct Adapter {
    /// The version; those that fit it (<https://semver.org>) are joined in the same way.
    version: &'static str,
    join: fn(&mut Linker<State>) -> wasmtime::Result<()>,
}

/// One for each of [`CONTRACTS`]. A new version gets a line here and keeps the others.
const ADAPTERS: [Adapter; 1] = [Adapter { version: "0.1.0", join: join_0_1 }];

/// What the contract imports. `types` only names types.
const IMPORTS: [&str; 11] = [
    "types",
    "job",
    "archive",
    "net",
    "http",
    "files",
    "file-locks",
    "credentials",
    "credentials-reveal",
    "clock",
    "random",
];
/// What the contract exports.
const EXPORTS: [&str; 5] = ["identity", "health", "backup", "restore", "maintenance"];
/// Versions of WASI that are offered, empty, to components that import it.
const WASI: &str = "0.2.";

/// Links the component; the error is one line for the operator.
///
/// # Errors
/// When the component imports something else, was built for another version of the contract, or does not export all of it.
pub fn link(engine: &Engine, component: &Component) -> Result<PluginPre<State>, String> {
    let shape = component.component_type();
    let names: Vec<&str> =
        shape.imports(engine).chain(shape.exports(engine)).map(|(name, _)| name).collect();
    let interfaces: Vec<_> = names.iter().filter_map(|name| Interface::parse(name)).collect();
    let adapter = adapter(&interfaces)?;
    let mut uses_wasi = false;
    for (name, _) in shape.imports(engine) {
        uses_wasi |= check_import(name, adapter)?;
    }
    check_exports(&interfaces, adapter)?;
    let linked = || {
        let mut linker = Linker::new(engine);
        (adapter.join)(&mut linker)?;
        if uses_wasi {
            wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
        }
        PluginPre::new(linker.instantiate_pre(component)?)
    };
    linked().map_err(|error: wasmtime::Error| format!("{error:#}"))
}

fn join_0_1(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    Plugin::add_to_linker::<_, HasSelf<State>>(linker, |state: &mut State| {
        state.host_calls += 1;
        state
    })?;
    linker.allow_shadowing(true);
    archive::write_without_copy(linker)?;
    net::write_without_copy(linker)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The one that fits every interface of the contract.
fn adapter(interfaces: &[Interface<'_>]) -> Result<&'static Adapter, String> {
    let versions = interfaces
        .iter()
        .filter(|interface| interface.package == PACKAGE)
        .map(|interface| interface.version.unwrap_or("no version"));
    let mut found: Option<&Adapter> = None;
    for built_for in versions {
        let adapter = ADAPTERS.iter().find(|it| are_compatible(it.version, built_for));
        let Some(adapter) = adapter else {
            let spoken = CONTRACTS.join(" and ");
            return Err(format!(
                "it was built for {PACKAGE} {built_for}, and this host speaks {spoken}"
            ));
        };
        match found {
            Some(first) if first.version != adapter.version => {
                return Err(format!(
                    "it mixes versions {} and {built_for} of {PACKAGE}",
                    first.version
                ));
            }
            _ => found = Some(adapter),
        }
    }
    // Without any interface it is told below which ones are missing.
    found.or(ADAPTERS.first()).ok_or_else(|| format!("it has no interface of {PACKAGE}"))
}

/// Whether the import is WASI's.
fn check_import(name: &str, adapter: &Adapter) -> Result<bool, String> {
    let foreign =
        || format!("it imports {name:?}, which is not part of {PACKAGE} {}", adapter.version);
    let import = Interface::parse(name).ok_or_else(foreign)?;
    if import.package.starts_with("wasi:") {
        return match import.version {
            Some(version) if version.starts_with(WASI) => Ok(true),
            _ => Err(format!("it imports {name:?}; of WASI only the versions {WASI}x are offered")),
        };
    }
    let is_known = import.package == PACKAGE && IMPORTS.contains(&import.name);
    if is_known { Ok(false) } else { Err(foreign()) }
}

fn check_exports(interfaces: &[Interface<'_>], adapter: &Adapter) -> Result<(), String> {
    let is_there =
        |wanted: &&&str| interfaces.iter().any(|it| it.package == PACKAGE && it.name == **wanted);
    let missing: Vec<&str> = EXPORTS.iter().filter(|wanted| !is_there(wanted)).copied().collect();
    match missing.as_slice() {
        [] => Ok(()),
        names => {
            Err(format!("it does not export {} of {PACKAGE} {}", names.join(", "), adapter.version))
        }
    }
}

/// `package/name@version`.
#[derive(Debug)]
struct Interface<'a> {
    package: &'a str,
    name: &'a str,
    version: Option<&'a str>,
}

impl<'a> Interface<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (path, version) = match text.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (text, None),
        };
        let (package, name) = path.split_once('/')?;
        Some(Self { package, name, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_that_is_spoken_has_its_adapter() {
        let versions: Vec<&str> = ADAPTERS.iter().map(|adapter| adapter.version).collect();
        assert_eq!(versions, CONTRACTS);
    }

    #[test]
    fn an_unknown_version_is_named_beside_the_known_ones() {
        let import = Interface::parse("lockgate:datastore/job@0.2.0").unwrap();
        let error = adapter(&[import]).err().unwrap();
        assert_eq!(error, "it was built for lockgate:datastore 0.2.0, and this host speaks 0.1.0");
    }
}
