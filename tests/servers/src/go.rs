use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::install::{Prerequisite, install, require};
use crate::process::run;
use crate::tools::cached;

/// The language version that the programs need, as `go.mod` writes it.
pub(crate) const LANGUAGE: &str = "1.25";
/// The toolchain that is fetched when the machine's own is older.
const TOOLCHAIN: &str = "1.25.5";

/// A Go program that is new enough: the machine's own, or one of Go's own toolchains, which are Go modules too. Debian's
/// Go is old, but can fetch and check modules.
pub(crate) fn go() -> Result<PathBuf> {
    install(&[Prerequisite::Go])?;
    let own = require("go", "golang-go")?;
    if is_new_enough(&own)? {
        return Ok(own);
    }
    Ok(cached(&format!("go-{TOOLCHAIN}"), |work| fetch(&own, work))?.join("bin/go"))
}

fn is_new_enough(go: &Path) -> Result<bool> {
    let said = run(Command::new(go).env("GOTOOLCHAIN", "local").arg("version"))?;
    let version = said.split_whitespace().find_map(|word| word.strip_prefix("go1."));
    let minor: Option<u32> = version
        .and_then(|rest| rest.split(|letter: char| !letter.is_ascii_digit()).next())
        .and_then(|digits| digits.parse().ok());
    let needed = LANGUAGE.trim_start_matches("1.").parse()?;
    Ok(minor.is_some_and(|minor| minor >= needed))
}

fn fetch(own: &Path, work: &Path) -> Result<PathBuf> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => bail!("install Go {LANGUAGE} or newer: no toolchain is known for {other}"),
    };
    eprintln!("fetching Go {TOOLCHAIN}, because the machine's own is older than {LANGUAGE}");
    fs::write(work.join("go.mod"), "module pin\n")?;
    let module = format!("golang.org/toolchain@v0.0.1-go{TOOLCHAIN}.linux-{architecture}");
    let modules = work.join("modules");
    let mut command = Command::new(own);
    command
        .current_dir(work)
        .env("GOMODCACHE", &modules)
        // Otherwise the modules could not be deleted.
        .env("GOFLAGS", "-mod=mod -modcacherw")
        .args(["mod", "download", &module]);
    run(&mut command)?;
    let unpacked = modules.join(&module);
    make_executable(&unpacked.join("bin"))?;
    make_executable(&unpacked.join("pkg/tool"))?;
    Ok(unpacked)
}

/// Modules hold no modes.
fn make_executable(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            make_executable(&path)?;
        } else {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}
