use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::toolchain::{TARGET, Toolchain};

/// One run of cargo.
pub struct Compilation<'a> {
    /// Holds the plugin's Cargo.toml.
    pub folder: &'a Path,
    /// Of cargo.
    pub profile: &'a str,
    /// Cargo's own choice when none.
    pub target_dir: Option<&'a Path>,
}

/// The part of cargo's messages that is read here; see
/// <https://doc.rust-lang.org/cargo/reference/external-tools.html#artifact-messages>.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

impl Compilation<'_> {
    /// Compiles and returns the path of the core module.
    pub fn run(&self, toolchain: &Toolchain) -> Result<PathBuf> {
        let manifest = self.folder.join("Cargo.toml");
        let manifest = manifest
            .canonicalize()
            .with_context(|| format!("could not find {}", manifest.display()))?;
        let mut cargo = toolchain.cargo();
        cargo
            .args(["build", "--target", TARGET, "--profile", self.profile])
            .args(["--message-format", "json-render-diagnostics", "--manifest-path"])
            .arg(&manifest);
        if let Some(flag) = remapped_paths() {
            cargo.env("CARGO_ENCODED_RUSTFLAGS", flag);
        }
        if let Some(target_dir) = self.target_dir {
            cargo.arg("--target-dir").arg(target_dir);
        }
        let output = cargo.stderr(Stdio::inherit()).output().context("could not run cargo")?;
        if !output.status.success() {
            bail!("cargo build failed");
        }
        module(&output.stdout, &manifest)
    }
}

fn module(messages: &[u8], manifest: &Path) -> Result<PathBuf> {
    let mut modules = Vec::new();
    for line in messages.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{")) {
        let message: Message = serde_json::from_slice(line).context("cargo's message")?;
        if message.reason == "compiler-artifact" && message.manifest_path == manifest {
            let is_module = |path: &PathBuf| path.extension().is_some_and(|end| end == "wasm");
            modules.extend(message.filenames.into_iter().filter(is_module));
        }
    }
    modules.pop().context("cargo built no module: does Cargo.toml say crate-type = [\"cdylib\"]?")
}

/// Takes this machine's path of the registry out of panic messages, so that equal sources make equal components anywhere.
/// Inside of a workspace cargo gives relative paths anyway.
fn remapped_paths() -> Option<String> {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = cargo.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    Some(format!("--remap-path-prefix={}=cargo", cargo?.to_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_of_the_plugin_is_found_among_its_dependencies() {
        let line = |manifest: &str, file: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","filenames":["{file}"]}}"#
            )
        };
        let messages = [
            line("/d/Cargo.toml", "/t/d.wasm"),
            line("/p/Cargo.toml", "/t/p.wasm"),
            line("/p/Cargo.toml", "/t/build-script"),
            r#"{"reason":"build-finished","success":true}"#.into(),
        ];
        let found = module(messages.join("\n").as_bytes(), Path::new("/p/Cargo.toml"));
        assert_eq!(found.unwrap(), Path::new("/t/p.wasm"));
        assert!(module(b"", Path::new("/p/Cargo.toml")).is_err());
    }
}
