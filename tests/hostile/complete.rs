//! A function that the host offers and no plugin attacks, a capability that no plugin was denied, a behaviour that no case
//! expects anything of: each fails here.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use wit_parser::{FunctionKind, Resolve, WorldItem};

use crate::cases;

/// Functions of the contract's imports, as `interface.function` or `interface.resource.function`.
fn offered() -> Result<BTreeSet<String>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit"))?;
    let world = resolve.select_world(&[package], Some("plugin"))?;
    let mut functions = BTreeSet::new();
    for item in resolve.worlds[world].imports.values() {
        let WorldItem::Interface { id, .. } = item else { continue };
        let interface = &resolve.interfaces[*id];
        let name = interface.name.as_deref().context("an interface without a name")?;
        for function in interface.functions.values() {
            let short = function.item_name();
            functions.insert(match function.kind {
                FunctionKind::Method(resource) => {
                    let resource = resolve.types[resource].name.as_deref().unwrap_or_default();
                    format!("{name}.{resource}.{short}")
                }
                _ => format!("{name}.{short}"),
            });
        }
    }
    Ok(functions)
}

#[test]
fn every_function_of_the_host_is_attacked() -> Result<()> {
    let offered = offered()?;
    ensure!(offered.len() > 30, "the contract was not read: {offered:?}");
    let attacked: BTreeSet<String> =
        cases::all().flat_map(|case| case.attacks).map(|name| (*name).to_owned()).collect();
    let missed: Vec<_> = offered.difference(&attacked).collect();
    ensure!(missed.is_empty(), "no plugin attacks {missed:?}");
    let unknown: Vec<_> = attacked.difference(&offered).collect();
    ensure!(unknown.is_empty(), "the contract has no {unknown:?}");
    Ok(())
}

#[test]
fn every_capability_is_denied_to_somebody() -> Result<()> {
    // `job` is always there; `archive` is there in its own direction only.
    for function in offered()? {
        let interface = function.split('.').next().unwrap_or_default();
        let is_denied = cases::all().any(|case| {
            let attacks = case.attacks.iter().any(|name| name.split('.').next() == Some(interface));
            let denials = ["-denied", "-ungranted", "wrong-way"];
            attacks && denials.iter().any(|denial| case.name.ends_with(denial))
        });
        ensure!(interface == "job" || is_denied, "{interface} is denied to nobody");
    }
    Ok(())
}

#[test]
fn there_are_enough_and_each_has_its_case() -> Result<()> {
    let named: BTreeSet<&str> = cases::all().map(|case| case.name).collect();
    for direction in ["backup", "restore"] {
        let count = cases::all()
            .filter(|case| if direction == "backup" { case.backup } else { case.restore }.is_some())
            .count();
        println!("{count} cases of a {direction}");
        ensure!(count >= 50, "{count} cases of a {direction}");
    }
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile/plugin/src");
    for file in std::fs::read_dir(sources)? {
        let text = std::fs::read_to_string(file?.path())?;
        // A line of a table: the name in quotes and a function.
        let names = text.lines().filter_map(|line| line.strip_prefix("    (\"")?.split('"').next());
        for name in names {
            let is_used = named.contains(name) || ["good", "odd-names", "wait"].contains(&name);
            ensure!(is_used, "no case expects anything of {name}");
        }
    }
    Ok(())
}
