//! Joins a component to what the host offers, or says in one sentence why that cannot be done.

use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

use super::bindings::{Plugin, PluginPre};
use super::capability::{archive, net};
use super::state::State;

/// Where all interfaces of the contract come from.
const PACKAGE: &str = "lockgate:datastore";
/// The version that this host speaks. Versions with the same first number that is not zero fit each other.
const VERSION: &str = "0.1.0";
/// What the contract imports. `types` only names types.
const IMPORTS: [&str; 8] =
    ["types", "job", "archive", "net", "files", "credentials", "clock", "random"];
/// What the contract exports.
const EXPORTS: [&str; 5] = ["identity", "health", "backup", "restore", "maintenance"];
/// Versions of WASI that are offered, empty, to components that import it.
const WASI: &str = "0.2.";

/// Links the component; the error is one line for the operator.
///
/// # Errors
/// When the component imports something else, was built for another version of the contract, or does not export all of it.
pub fn link(engine: &Engine, component: &Component) -> Result<PluginPre<State>, String> {
    let mut uses_wasi = false;
    for (name, _) in component.component_type().imports(engine) {
        uses_wasi |= check_import(name)?;
    }
    check_exports(engine, component)?;
    let linked = || {
        let mut linker = Linker::new(engine);
        Plugin::add_to_linker::<_, HasSelf<State>>(&mut linker, |state: &mut State| {
            state.host_calls += 1;
            state
        })?;
        linker.allow_shadowing(true);
        archive::write_without_copy(&mut linker)?;
        net::write_without_copy(&mut linker)?;
        linker.allow_shadowing(false);
        if uses_wasi {
            wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
        }
        PluginPre::new(linker.instantiate_pre(component)?)
    };
    linked().map_err(|error: wasmtime::Error| format!("{error:#}"))
}

/// Whether the import is WASI's.
fn check_import(name: &str) -> Result<bool, String> {
    let Some(import) = Interface::parse(name) else {
        return Err(format!("it imports {name:?}, which is not part of {PACKAGE} {VERSION}"));
    };
    if import.package.starts_with("wasi:") {
        return match import.version {
            Some(version) if version.starts_with(WASI) => Ok(true),
            _ => Err(format!("it imports {name:?}; of WASI only the versions {WASI}x are offered")),
        };
    }
    check_version(&import)?;
    if import.package == PACKAGE && IMPORTS.contains(&import.name) {
        return Ok(false);
    }
    Err(format!("it imports {name:?}, which is not part of {PACKAGE} {VERSION}"))
}

fn check_exports(engine: &Engine, component: &Component) -> Result<(), String> {
    let mut missing = EXPORTS.to_vec();
    for (name, _) in component.component_type().exports(engine) {
        if let Some(export) = Interface::parse(name).filter(|it| it.package == PACKAGE) {
            check_version(&export)?;
            missing.retain(|wanted| *wanted != export.name);
        }
    }
    match missing.as_slice() {
        [] => Ok(()),
        names => Err(format!("it does not export {} of {PACKAGE} {VERSION}", names.join(", "))),
    }
}

fn check_version(interface: &Interface<'_>) -> Result<(), String> {
    if interface.package != PACKAGE {
        return Ok(());
    }
    let built_for = interface.version.unwrap_or("no version");
    if compatible(built_for) == compatible(VERSION) {
        return Ok(());
    }
    Err(format!("it was built for {PACKAGE} {built_for}, and this host speaks {VERSION}"))
}

/// The part of a version that must be equal: up to the first number that is not zero (<https://semver.org>, rules 4 and 8).
fn compatible(version: &str) -> &str {
    let mut end = 0;
    for number in version.split('.') {
        end += number.len() + 1;
        if number != "0" {
            break;
        }
    }
    version.get(..end.saturating_sub(1)).unwrap_or(version)
}

/// `package/name@version`.
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
    fn only_breaking_versions_are_told_apart() {
        assert_eq!(compatible("0.1.0"), compatible("0.1.7"));
        assert_ne!(compatible("0.1.0"), compatible("0.2.0"));
        assert_ne!(compatible("0.1.0"), compatible("0.10.0"));
        assert_eq!(compatible("1.2.3"), compatible("1.9.0"));
        assert_ne!(compatible("1.0.0"), compatible("2.0.0"));
        assert_ne!(compatible("no version"), compatible("0.1.0"));
    }
}
