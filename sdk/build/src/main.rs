//! Builds plugins into components: compiles each for WebAssembly, turns the core module into a component, and checks that
//! what it imports is what its `plugin.toml` asks for, and puts that file into it for the host to read.

mod compile;
mod component;
mod manifest;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Parser;

use compile::Compilation;
use manifest::Manifest;
use toolchain::Toolchain;

/// Builds lockgate plugins into WebAssembly components.
#[derive(Parser)]
struct Arguments {
    /// Names of folders in `plugins/`, or paths of folders elsewhere that hold a Cargo.toml and a plugin.toml
    #[arg(value_name = "PLUGIN", required_unless_present = "all")]
    plugins: Vec<String>,
    /// Every folder in `plugins/`
    #[arg(long, conflicts_with = "plugins")]
    all: bool,
    /// Where to write NAME.wasm
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Cargo profile
    #[arg(long, default_value = "plugin")]
    profile: String,
    /// Where cargo keeps what it compiled
    #[arg(long, value_name = "FOLDER")]
    target_dir: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let folders = folders(arguments)?;
    let toolchain = Toolchain::find()?;
    fs::create_dir_all(&arguments.out)
        .with_context(|| format!("could not make the folder {}", arguments.out.display()))?;
    for folder in folders {
        let manifest = Manifest::read(&folder)?;
        build(&folder, &manifest, &toolchain, arguments)
            .with_context(|| format!("plugin {}", manifest.declaration.name))?;
    }
    Ok(())
}

fn build(
    folder: &Path,
    manifest: &Manifest,
    toolchain: &Toolchain,
    arguments: &Arguments,
) -> Result<()> {
    let compilation = Compilation {
        folder,
        profile: &arguments.profile,
        target_dir: arguments.target_dir.as_deref(),
    };
    let module = compilation.run(toolchain)?;
    let module =
        fs::read(&module).with_context(|| format!("could not read {}", module.display()))?;
    let component = component::encode(&module)?;
    let imports = component::imports(&component)?;
    manifest.compare(&imports)?;
    let component = lockgate_trust::embed_declaration(component, &manifest.text);
    // What the host would refuse is not written at all.
    lockgate_trust::admit(component.clone())?;
    let target = arguments.out.join(format!("{}.wasm", manifest.declaration.name));
    // Renamed into place, so that nobody ever loads half a component.
    let unfinished = target.with_extension("wasm.tmp");
    fs::write(&unfinished, &component)
        .and_then(|()| fs::rename(&unfinished, &target))
        .with_context(|| format!("could not write {}", target.display()))?;
    println!("{}: {} bytes", target.display(), component.len());
    for import in imports {
        println!("  imports {import}");
    }
    for sentence in manifest.declaration.sentences() {
        println!("  {sentence}");
    }
    Ok(())
}

fn folders(arguments: &Arguments) -> Result<Vec<PathBuf>> {
    if !arguments.all {
        let is_path = |plugin: &str| plugin.contains(std::path::is_separator);
        let needs_workspace = arguments.plugins.iter().any(|plugin| !is_path(plugin));
        let plugins = if needs_workspace { plugins_folder()? } else { PathBuf::new() };
        let folder = |plugin: &String| {
            if is_path(plugin) { PathBuf::from(plugin) } else { plugins.join(plugin) }
        };
        return Ok(arguments.plugins.iter().map(folder).collect());
    }
    let plugins = plugins_folder()?;
    let mut folders = Vec::new();
    for folder in
        fs::read_dir(&plugins).with_context(|| format!("could not list {}", plugins.display()))?
    {
        let folder = folder?.path();
        if folder.join(manifest::FILE).is_file() {
            folders.push(folder);
        }
    }
    folders.sort();
    Ok(folders)
}

/// The folder `plugins` of the workspace that holds the current folder.
fn plugins_folder() -> Result<PathBuf> {
    let output = Command::new("cargo")
        .args(["locate-project", "--workspace", "--message-format=plain"])
        .output()
        .context("could not run cargo")?;
    if !output.status.success() {
        bail!("not inside a cargo workspace; name plugins by their paths");
    }
    let root = PathBuf::from(String::from_utf8(output.stdout)?.trim_end());
    Ok(root.with_file_name("plugins"))
}
