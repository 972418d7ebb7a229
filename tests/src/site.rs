//! A place to run a test in: a temporary folder with a repository's address and the command to reach it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use lockgate_servers::S3Server;
use tempfile::TempDir;

use lockgate_conformance::command::{Lockgate, plugins};

/// A temporary folder that goes away with the value, and a `lockgate` that uses a repository in it.
pub struct Site {
    folder: TempDir,
    /// With the repository and its password set.
    pub lockgate: Lockgate,
    /// The repository's location.
    pub repository: String,
    s3: Option<S3Server>,
}

impl Site {
    /// A site whose repository will be on the local disk.
    ///
    /// # Errors
    /// When something is not built.
    pub fn local() -> Result<Self> {
        let folder = TempDir::new()?;
        let repository = format!("fs:{}", folder.path().join("repository").display());
        let lockgate =
            Lockgate::new(folder.path(), &plugins()?)?.with("LOCKGATE_REPOSITORY", &repository);
        Ok(Self { folder, lockgate, repository, s3: None })
    }

    /// A site whose repository will be on a real S3 server.
    ///
    /// # Errors
    /// When the server cannot be had or started.
    pub fn s3() -> Result<Self> {
        Self::on(S3Server::start()?)
    }

    /// A site whose repository will be on this S3 server.
    ///
    /// # Errors
    /// When something is not built.
    pub fn on(server: S3Server) -> Result<Self> {
        let folder = TempDir::new()?;
        let repository = format!("s3:{}/{}/backup", server.endpoint, server.bucket);
        let lockgate = Lockgate::new(folder.path(), &plugins()?)?
            .with("LOCKGATE_REPOSITORY", &repository)
            .with("AWS_ACCESS_KEY_ID", &server.access_key)
            .with("AWS_SECRET_ACCESS_KEY", &server.secret_key)
            .with("AWS_REGION", "us-east-1");
        Ok(Self { folder, lockgate, repository, s3: Some(server) })
    }

    /// Below the temporary folder.
    #[must_use]
    pub fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// The same as text.
    #[must_use]
    pub fn text(&self, below: &str) -> String {
        self.path(below).display().to_string()
    }

    /// Writes a configuration, locks the plugins that it names, and gives the `lockgate` that reads it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn configured(&self, configuration: &str) -> Result<Lockgate> {
        let path = self.path("config.toml");
        std::fs::write(&path, configuration)?;
        let lockgate = self.lockgate.clone().with("LOCKGATE_CONFIG", path);
        // A configuration that is wrong on purpose names no plugins to lock.
        lockgate.run(&["plugin", "lock"])?;
        Ok(lockgate)
    }

    /// Runs restic on the repository and gives what it printed.
    ///
    /// # Errors
    /// When restic cannot be had or fails.
    pub fn restic(&self, arguments: &[&str]) -> Result<String> {
        let location = self.repository.strip_prefix("fs:").unwrap_or(&self.repository);
        let mut command = std::process::Command::new(lockgate_servers::restic()?);
        command
            .args(arguments)
            .env("RESTIC_REPOSITORY", location)
            .env("RESTIC_PASSWORD", "correct horse")
            .env("RESTIC_CACHE_DIR", self.path("restic-cache"));
        if let Some(server) = &self.s3 {
            command
                .env("AWS_ACCESS_KEY_ID", &server.access_key)
                .env("AWS_SECRET_ACCESS_KEY", &server.secret_key)
                .env("AWS_DEFAULT_REGION", "us-east-1");
        }
        let output = command.output()?;
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        anyhow::ensure!(output.status.success(), "restic {}: {text}", arguments.join(" "));
        Ok(text)
    }

    /// Has restic read and check everything that is stored.
    ///
    /// # Errors
    /// When restic finds fault.
    pub fn restic_check(&self) -> Result<()> {
        let text = self.restic(&["check", "--read-data"])?;
        anyhow::ensure!(text.contains("no errors were found"), "{text}");
        Ok(())
    }

    /// The S3 server, where there is one.
    #[must_use]
    pub fn server(&self) -> Option<&S3Server> {
        self.s3.as_ref()
    }

    /// The folder of a local repository.
    #[must_use]
    pub fn repository_folder(&self) -> Option<&Path> {
        self.repository.strip_prefix("fs:").map(Path::new)
    }
}
