mod client;
mod configuration;
mod distribution;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

pub use client::SearchClient;
pub use distribution::SearchProduct;

use crate::folder::Folder;
use crate::install::{Prerequisite, install};
use crate::process::{Server, free_port, run};
use configuration::{ADMINISTRATOR, BACKUP, SNAPSHOTS, command, configure, is_root, users};

/// An Elasticsearch or OpenSearch of one node, without indexes.
#[derive(Debug)]
pub struct Elasticsearch {
    /// How it is reached.
    pub client: SearchClient,
    product: SearchProduct,
    home: PathBuf,
    // None while it is killed.
    server: Option<Server>,
    // Dropped after the server.
    folder: Folder,
}

impl Elasticsearch {
    /// Starts a server. Takes some 15 seconds, and the first time a download.
    ///
    /// # Errors
    /// When the server cannot be had or does not start.
    pub fn start(product: SearchProduct) -> Result<Self> {
        install(&[Prerequisite::Java])?;
        let mut home = product.fetch()?;
        let folder = Folder::create("lockgate-elasticsearch-")?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        if is_root()? {
            // Others cannot look into root's cache.
            let copy = folder.path().join("home");
            run(Command::new("cp").arg("--recursive").args([&home, &copy]))?;
            home = copy;
        }
        let (port, transport) = (free_port()?, free_port()?);
        configure(product, folder.path(), port, transport)?;
        let has_security = product == SearchProduct::Elasticsearch;
        let client = SearchClient::new(port, has_security.then_some(ADMINISTRATOR));
        let mut started = Self { client, product, home, server: None, folder };
        started.restart()?;
        Ok(started)
    }

    /// Kills the server as a power cut would.
    pub fn kill(&mut self) {
        self.server = None;
    }

    /// Starts it again on the same ports and with the same data.
    ///
    /// # Errors
    /// When it does not come back.
    pub fn restart(&mut self) -> Result<()> {
        let base = self.folder.path();
        let (program, arguments) = command(self.product, &self.home, base)?;
        let server = Server::start(&program, &arguments, &base.join("log"))?;
        let name = self.product.name();
        server.wait(name, || {
            self.client
                .request("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s", "")
                .is_ok()
        })?;
        self.server = Some(server);
        Ok(())
    }

    /// Name and password of an account for backups, where the server has accounts.
    #[must_use]
    pub fn account(&self) -> Option<(&'static str, &'static str)> {
        (self.product == SearchProduct::Elasticsearch).then_some(BACKUP)
    }

    /// Takes that account away.
    ///
    /// # Errors
    /// When the server has none, or still takes it after some seconds.
    pub fn revoke(&self) -> Result<()> {
        let (name, password) = self.account().context("this server has no accounts")?;
        fs::write(self.folder.path().join("conf/users"), users(false))?;
        let client = SearchClient::new(self.client.port, Some((name, password)));
        // The server looks at its files every now and then.
        for _ in 0..100 {
            if client.request("GET", "/_cluster/health", "").is_err() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("the server still takes the account {name}")
    }

    /// A folder for a repository of snapshots.
    #[must_use]
    pub fn snapshots(&self) -> PathBuf {
        self.folder.path().join(SNAPSHOTS)
    }

    /// The number of the server's process.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Server::pid)
    }

    /// Which server it is.
    #[must_use]
    pub fn product(&self) -> SearchProduct {
        self.product
    }
}
