use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::install::{Prerequisite, install, require};
use crate::process::run;

/// A pair of keys of age, made by `age-keygen` in a folder of the test's: the referee of what a plugin seals.
#[derive(Clone, Debug)]
pub struct Age {
    /// The public key.
    pub recipient: String,
    /// File with the identity, as `age-keygen` writes it.
    pub identity: PathBuf,
}

impl Age {
    /// Makes a pair of keys.
    ///
    /// # Errors
    /// When age is not installed and cannot be.
    pub fn create(identity: &Path) -> Result<Self> {
        install(&[Prerequisite::Age])?;
        let program = require("age-keygen", "age")?;
        run(Command::new(program).arg("-o").arg(identity))?;
        let text = fs::read_to_string(identity)?;
        let recipient = text.lines().find_map(|line| line.strip_prefix("# public key: "));
        let recipient = recipient.context("age-keygen told no public key")?.to_owned();
        Ok(Self { recipient, identity: identity.to_owned() })
    }

    /// Opens a sealed file with `age` and returns its content.
    ///
    /// # Errors
    /// What age said.
    pub fn open(&self, sealed: &Path) -> Result<Vec<u8>> {
        let program = require("age", "age")?;
        let mut command = Command::new(program);
        let output = command.arg("-d").arg("-i").arg(&self.identity).arg(sealed).output()?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        anyhow::ensure!(output.status.success(), "age: {}", told.trim());
        Ok(output.stdout)
    }
}
