//! Servers that cannot be had, as `tests/stand-ins` plays them.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::folder::Folder;
use crate::process::{Server, free_port, is_listening};

/// The program that plays them, built beside the running test.
const PROGRAM: &str = "lockgate-stand-in";

/// A running stand-in, written from its server's public protocol.
#[derive(Debug)]
pub struct StandIn {
    name: String,
    port: u16,
    server: Server,
    // Dropped after the server.
    folder: Folder,
}

impl StandIn {
    /// Starts the one that is called `name`, empty.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(name: &str) -> Result<Self> {
        let program = program()?;
        let folder = Folder::create(&format!("lockgate-{name}-"))?;
        let port = free_port()?;
        let state = folder.path().join("state");
        std::fs::create_dir(&state)?;
        let arguments = [name.to_owned(), port.to_string(), state.display().to_string()];
        let server = Server::start(&program, &arguments, &folder.path().join("log"))?;
        let stand_in = Self { name: name.to_owned(), port, server, folder };
        stand_in.wait()?;
        Ok(stand_in)
    }

    /// Where it listens on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it keeps what it was told.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again at the same port with what it was told before.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.server.spawn()?;
        self.wait()
    }

    fn wait(&self) -> Result<()> {
        self.server.wait(&self.name, || is_listening(self.port))
    }
}

fn program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let found = own.ancestors().skip(1).take(2).map(|it| it.join(PROGRAM)).find(|it| it.is_file());
    found.with_context(|| format!("{PROGRAM} is not built; run: cargo build --workspace"))
}
