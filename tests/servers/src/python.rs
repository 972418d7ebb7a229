//! Clients in Python, from the package index.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::install::{Prerequisite, install};
use crate::process::run;
use crate::tools::cached;

/// A folder for `PYTHONPATH` with `packages` (`NAME==VERSION`) and what they need, fetched once. `name` is the folder's.
///
/// # Errors
/// When they cannot be had.
pub fn python_packages(name: &str, packages: &[&str]) -> Result<PathBuf> {
    cached(name, |work| {
        install(&[Prerequisite::Python, Prerequisite::Pip])?;
        eprintln!("fetching {} with pip", packages.join(" "));
        let folder = work.join("packages");
        let mut command = Command::new("python3");
        command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        command.arg("--target").arg(&folder).args(packages);
        run(&mut command).context("pip and the package index are needed")?;
        Ok(folder)
    })
}
