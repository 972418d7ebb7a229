use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::install::{Prerequisite, install, require};
use crate::process::run;

/// The `openssl` program, which makes and reads keys and certificates: the referee of what a plugin says of them.
#[derive(Clone, Debug)]
pub struct OpenSsl {
    program: PathBuf,
}

/// What a key is made as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA with 2048 bits.
    Rsa,
    /// On the curve P-256.
    P256,
    /// Ed25519.
    Ed25519,
}

impl OpenSsl {
    /// Finds the program.
    ///
    /// # Errors
    /// When it is not installed and cannot be.
    pub fn find() -> Result<Self> {
        install(&[Prerequisite::OpenSsl])?;
        Ok(Self { program: require("openssl", "openssl")? })
    }

    /// Name and version, as `OpenSSL 3.0.17`.
    ///
    /// # Errors
    /// When the program fails.
    pub fn version(&self) -> Result<String> {
        let text = self.run(&["version"])?;
        Ok(text.split(' ').take(2).collect::<Vec<_>>().join(" "))
    }

    /// Runs the program and returns its output.
    ///
    /// # Errors
    /// What the program said.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        run(Command::new(&self.program).args(arguments))
    }

    /// Makes a private key, readable by its owner only, and a certificate for it that is valid for `days` from now.
    ///
    /// # Errors
    /// When the program fails or the disk refuses.
    pub fn pair(&self, key: &Path, certificate: &Path, kind: KeyKind, days: u32) -> Result<()> {
        let algorithm: &[&str] = match kind {
            KeyKind::Rsa => &["-newkey", "rsa:2048"],
            KeyKind::P256 => &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
            KeyKind::Ed25519 => &["-newkey", "ed25519"],
        };
        let name = certificate.file_stem().and_then(|stem| stem.to_str()).unwrap_or("test");
        let subject = format!("/CN={name}.example.org");
        let (key, certificate, days) = (text(key)?, text(certificate)?, days.to_string());
        let files =
            ["-nodes", "-subj", &subject, "-days", &days, "-keyout", key, "-out", certificate];
        self.run(&[&["req", "-x509"], algorithm, &files].concat())?;
        private(Path::new(key))
    }

    /// Puts a key and its certificate into a PKCS #12 file.
    ///
    /// # Errors
    /// When the program fails.
    pub fn pkcs12(
        &self,
        key: &Path,
        certificate: &Path,
        store: &Path,
        password: &str,
    ) -> Result<()> {
        let password = format!("pass:{password}");
        let (key, certificate) = (text(key)?, text(certificate)?);
        let files = ["-inkey", key, "-in", certificate, "-out", text(store)?];
        self.run(&[&["pkcs12", "-export", "-passout", &password], &files[..]].concat())?;
        private(store)
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is no text", path.display()))
}

fn private(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
