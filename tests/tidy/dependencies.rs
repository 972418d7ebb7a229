//! Who may depend on whom.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::top;

/// Our crates in the host, and which of ours each may name. Everything points down this list.
const MAY_NAME: [(&str, &[&str]); 12] = [
    ("lockgate-types", &[]),
    // It knows lockgate from the outside only.
    ("lockgate-conformance", &[]),
    ("lockgate-trust", &["lockgate-types"]),
    ("lockgate-storage", &["lockgate-types"]),
    ("lockgate-sandbox", &["lockgate-trust", "lockgate-types"]),
    ("lockgate-repository", &["lockgate-storage", "lockgate-types"]),
    ("lockgate-mount", &["lockgate-repository", "lockgate-types"]),
    (
        "lockgate-engine",
        &[
            "lockgate-api",
            "lockgate-repository",
            "lockgate-sandbox",
            "lockgate-storage",
            "lockgate-trust",
            "lockgate-types",
        ],
    ),
    ("lockgate-api", &["lockgate-types"]),
    (
        "lockgate-operations",
        &["lockgate-api", "lockgate-engine", "lockgate-repository", "lockgate-types"],
    ),
    (
        "lockgate-service",
        &[
            "lockgate-api",
            "lockgate-engine",
            "lockgate-operations",
            "lockgate-repository",
            "lockgate-types",
        ],
    ),
    (
        "lockgate-cli",
        &[
            "lockgate-api",
            "lockgate-conformance",
            "lockgate-engine",
            "lockgate-mount",
            "lockgate-operations",
            "lockgate-repository",
            "lockgate-service",
            "lockgate-types",
        ],
    ),
];

/// Crates of others that only some of ours may name: what is replaceable stays in one place.
const RESERVED: [(&str, &[&str]); 18] = [
    ("wasmtime", &["lockgate-sandbox"]),
    ("wasmtime-wasi", &["lockgate-sandbox"]),
    ("opendal", &["lockgate-storage"]),
    ("rustic_core", &["lockgate-repository", "lockgate-servers"]),
    ("aes", &["lockgate-repository"]),
    ("ctr", &["lockgate-repository"]),
    ("poly1305", &["lockgate-repository"]),
    ("scrypt", &["lockgate-repository"]),
    ("zstd", &["lockgate-repository"]),
    (
        "rustls",
        &["lockgate-operations", "lockgate-sandbox", "lockgate-service", "lockgate-storage"],
    ),
    ("tokio-rustls", &["lockgate-sandbox", "lockgate-service"]),
    ("axum", &["lockgate-service"]),
    ("fuser", &["lockgate-mount"]),
    ("nix", &["lockgate-mount"]),
    ("sqlx", &["lockgate-operations"]),
    (
        "ring",
        &[
            "lockgate-repository",
            "lockgate-sandbox",
            "lockgate-service",
            "lockgate-trust",
            "lockgate-bench-sdk",
        ],
    ),
    ("clap", &["lockgate-build", "lockgate-cli"]),
    (
        "anyhow",
        &[
            "lockgate-bench-native",
            "lockgate-build",
            "lockgate-cli",
            "lockgate-conformance",
            "lockgate-servers",
            "lockgate-stand-ins",
            "lockgate-tests",
        ],
    ),
];

/// For each of our crates, what it names in its normal dependencies.
fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(top())
        .output()
        .expect("cargo metadata runs");
    let metadata: Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let named = |package: &Value| {
        let dependencies = package["dependencies"].as_array().cloned().unwrap_or_default();
        let normal = dependencies.into_iter().filter(|dependency| dependency["kind"].is_null());
        normal.filter_map(|dependency| dependency["name"].as_str().map(str::to_owned)).collect()
    };
    let name = |package: &Value| package["name"].as_str().unwrap_or_default().to_owned();
    packages.iter().map(|package| (name(package), named(package))).collect()
}

#[test]
fn our_crates_depend_in_one_direction() {
    let graph = graph();
    for (name, allowed) in MAY_NAME {
        let named = graph.get(name).unwrap_or_else(|| panic!("{name} is not in the workspace"));
        for other in named.iter().filter(|other| other.starts_with("lockgate-")) {
            assert!(allowed.contains(&other.as_str()), "{name} must not depend on {other}");
        }
    }
}

#[test]
fn what_is_replaceable_is_named_in_one_place() {
    let graph = graph();
    for (reserved, allowed) in RESERVED {
        for (name, named) in &graph {
            let may = !named.contains(reserved) || allowed.contains(&name.as_str());
            assert!(may, "{name} must not depend on {reserved}: only {allowed:?} may");
        }
    }
}

#[test]
fn every_dependency_has_its_line() {
    let document =
        std::fs::read_to_string(top().join("docs/dependencies.md")).expect("the document exists");
    let manifest = std::fs::read_to_string(top().join("Cargo.toml")).expect("the manifest exists");
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    for line in
        section.lines().filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
    {
        let name = line.split([' ', '=']).next().unwrap_or_default();
        if !name.starts_with("lockgate-") {
            assert!(
                document.contains(&format!("| {name} |")),
                "docs/dependencies.md has no line for {name}"
            );
        }
    }
}
