//! How each program is called.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::measure::{self, Figures};

/// Version of rustic that is measured.
const RUSTIC: &str = "0.11.4";

/// A backup program and its commands. `{data}` and `{folder}` stand for the data and a folder of the program's own.
pub struct Rival {
    pub name: &'static str,
    program: PathBuf,
    environment: Vec<(&'static str, &'static str)>,
    /// Before everything else, when it needs it.
    pub prepare: Option<Vec<&'static str>>,
    pub init: Vec<&'static str>,
    pub backup: Vec<&'static str>,
    pub restore: Vec<&'static str>,
    /// Where the data is below the restored folder; `{data}` stands for the whole path.
    below: &'static str,
}

pub fn lockgate(program: &Path) -> Rival {
    Rival {
        name: "lockgate",
        program: program.to_owned(),
        environment: vec![
            ("LOCKGATE_REPOSITORY", "fs:{folder}/repository"),
            ("LOCKGATE_PASSWORD", "bench"),
            ("LOCKGATE_CACHE", "{folder}/../lockgate-code"),
            ("XDG_CONFIG_HOME", "{folder}/configuration"),
        ],
        prepare: Some(vec!["plugin", "lock"]),
        init: vec!["init"],
        backup: vec!["backup", "--folder", "{data}"],
        restore: vec!["restore", "latest", "--target", "{folder}/restored"],
        below: "data",
    }
}

pub fn restic() -> Result<Rival> {
    Ok(Rival {
        name: "restic",
        program: lockgate_servers::restic()?,
        environment: vec![
            ("RESTIC_REPOSITORY", "{folder}/repository"),
            ("RESTIC_PASSWORD", "bench"),
            ("RESTIC_CACHE_DIR", "{folder}/cache"),
        ],
        prepare: None,
        init: vec!["init"],
        backup: vec!["backup", "{data}"],
        restore: vec!["restore", "latest", "--target", "{folder}/restored"],
        below: "{data}",
    })
}

pub fn rustic() -> Result<Rival> {
    Ok(Rival {
        name: "rustic",
        program: installed_rustic()?,
        environment: vec![
            ("RUSTIC_REPOSITORY", "{folder}/repository"),
            ("RUSTIC_PASSWORD", "bench"),
            ("RUSTIC_NO_PROGRESS", "true"),
            ("XDG_CACHE_HOME", "{folder}/cache"),
        ],
        prepare: None,
        init: vec!["init"],
        backup: vec!["backup", "{data}"],
        restore: vec!["restore", "latest", "{folder}/restored"],
        below: "{data}",
    })
}

/// Builds rustic once, from its published crate, into the cache folder.
fn installed_rustic() -> Result<PathBuf> {
    let root = lockgate_servers::tools_folder()?.join(format!("rustic-{RUSTIC}"));
    let program = root.join("bin/rustic");
    if !program.is_file() {
        eprintln!("building rustic {RUSTIC}");
        let arguments = ["install", "rustic-rs", "--version", RUSTIC, "--locked", "--root"];
        let status = Command::new("cargo")
            .args(arguments)
            .arg(&root)
            .env_remove("CARGO_TARGET_DIR")
            .status()?;
        ensure!(status.success(), "cargo install rustic-rs: {status}");
    }
    Ok(program)
}

impl Rival {
    /// Runs one command under GNU time.
    pub fn run(&self, arguments: &[&'static str], data: &Path, folder: &Path) -> Result<Figures> {
        let fill = |text: &str| {
            text.replace("{data}", &data.display().to_string())
                .replace("{folder}", &folder.display().to_string())
        };
        let mut command = measure::timed(&self.program, &folder.join("time"));
        command.args(arguments.iter().map(|argument| fill(argument)));
        command.envs(self.environment.iter().map(|(name, value)| (name, fill(value))));
        let output = command.output().context("GNU time is not installed: apt-get install time")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} {}: {said}", self.name, arguments.join(" "));
        measure::read(&folder.join("time"))
    }

    /// Where the restored data is.
    pub fn restored(&self, data: &Path, folder: &Path) -> PathBuf {
        let below = self.below.replace("{data}", &data.display().to_string());
        folder.join("restored").join(below.trim_start_matches('/'))
    }
}
