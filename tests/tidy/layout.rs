//! Every folder of a kind has the same shape, and every document leads somewhere.

use std::path::Path;

use crate::{read, top, tracked};

/// What the document of every plugin says, in this order.
const HEADINGS: [&str; 10] = [
    "Configuration",
    "Permissions on the server",
    "What is saved",
    "What is not saved",
    "Consistency",
    "Restore",
    "Limits",
    "Servers",
    "Figures",
    "Sources",
];

#[test]
fn every_plugin_has_the_same_shape() {
    let plugins = std::fs::read_dir(top().join("plugins")).expect("plugins exist");
    for plugin in plugins {
        let folder = plugin.expect("the folder is readable").path();
        for name in ["Cargo.toml", "plugin.toml", "src/lib.rs", "tests/conformance/main.rs"] {
            assert!(folder.join(name).is_file(), "{} has no {name}", folder.display());
        }
    }
}

#[test]
fn every_plugin_has_its_document_with_the_same_headings() {
    let plugins = std::fs::read_dir(top().join("plugins")).expect("plugins exist");
    let table = read(Path::new("docs/plugins/README.md")).expect("the table of plugins exists");
    for plugin in plugins {
        let name = plugin.expect("the folder is readable").file_name();
        let name = name.to_string_lossy();
        assert!(table.contains(&format!("\n| [{name}]({name}.md) |")), "the table lacks {name}");
        let text = read(Path::new(&format!("docs/plugins/{name}.md"))).unwrap_or_default();
        assert!(text.starts_with(&format!("# {name}\n")), "docs/plugins/{name}.md is not there");
        let headings: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(headings, HEADINGS, "docs/plugins/{name}.md");
        assert!(text.contains("[sources."), "docs/plugins/{name}.md shows no source");
    }
}

#[test]
fn every_command_has_its_file_and_is_documented() {
    let reference = read(Path::new("docs/operating.md")).expect("the document exists");
    let commands = std::fs::read_dir(top().join("host/cli/src/commands")).expect("commands exist");
    for command in commands {
        let name = command
            .expect("the folder is readable")
            .file_name()
            .to_string_lossy()
            .replace(".rs", "")
            .replace('_', "-");
        assert!(
            name == "mod" || reference.contains(&format!("lockgate {name}")),
            "docs/operating.md has no {name}"
        );
    }
}

#[test]
fn links_in_documents_resolve() {
    for path in
        tracked().iter().filter(|path| path.extension().is_some_and(|ending| ending == "md"))
    {
        let text = read(path).unwrap_or_default();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let folder = path.parent().unwrap_or(Path::new(""));
            assert!(
                top().join(folder).join(target).exists(),
                "{} links to {target}",
                path.display()
            );
        }
    }
}

#[test]
fn decisions_are_short() {
    for path in tracked().iter().filter(|path| path.starts_with("docs/decisions")) {
        let lines = read(path).unwrap_or_default().lines().count();
        assert!(lines <= 60, "{} has {lines} lines", path.display());
    }
}
