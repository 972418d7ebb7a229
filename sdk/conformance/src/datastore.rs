//! What the suite asks of the author of a plugin: how to start a real server, fill it, look into it, and trouble it.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde::Deserialize;

/// A kind of datastore, as the suite drives it.
pub trait Datastore {
    /// Name of the plugin, as in its `plugin.toml`.
    fn plugin(&self) -> &str;

    /// Product and version of the server that [`Datastore::start`] starts, as "PostgreSQL 15.20".
    ///
    /// # Errors
    /// When the server is not there to be asked.
    fn server_version(&self) -> Result<String>;

    /// Starts an empty server on 127.0.0.1 in a temporary folder. It is gone when the value is dropped.
    ///
    /// # Errors
    /// When it cannot be had or does not start.
    fn start(&self, role: Role) -> Result<Box<dyn Server>>;

    /// Why a case makes no sense for this datastore, or cannot be shown: case by name, reason in one sentence. Empty is best.
    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }
}

/// What a server is for in a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is backed up.
    Source,
    /// It is restored into.
    Target,
}

/// A running server.
pub trait Server {
    /// How lockgate reaches it, with everything that a backup and a restore need.
    fn source(&self) -> Source;

    /// Makes it as empty as it was at its start.
    ///
    /// # Errors
    /// When the server refuses.
    fn clear(&mut self) -> Result<()>;

    /// Adds content to an empty server.
    ///
    /// # Errors
    /// When the server refuses.
    fn fill(&mut self, content: Content) -> Result<()>;

    /// Everything that a restore must bring back, as the datastore's own client sees it.
    ///
    /// # Errors
    /// When the server cannot be asked.
    fn contents(&mut self) -> Result<Contents>;

    /// Which parts the case `selective-restore` restores of [`Content::Usual`].
    fn selection(&self) -> Selection;

    /// How the case `rename` renames objects of [`Content::Usual`].
    fn renaming(&self) -> Renaming;

    /// Starts a program that changes [`Content::Usual`] all the time and keeps something constant, as money that moves
    /// between accounts keeps its sum.
    ///
    /// # Errors
    /// When it cannot be started.
    fn write(&mut self) -> Result<Box<dyn Writer>>;

    /// Checks on a restored server what the program of [`Server::write`] keeps constant.
    ///
    /// # Errors
    /// What is not as it must be.
    fn check_invariant(&mut self) -> Result<()>;

    /// Kills the server as a power cut would (`SIGKILL`).
    ///
    /// # Errors
    /// When it cannot be killed.
    fn kill(&mut self) -> Result<()>;

    /// Starts it again after [`Server::kill`], on the same address and with the same data.
    ///
    /// # Errors
    /// When it does not come back.
    fn restart(&mut self) -> Result<()>;

    /// Makes the credentials of [`Server::source`] worthless on the server, for instance by another password.
    ///
    /// # Errors
    /// When the server refuses.
    fn revoke(&mut self) -> Result<()>;

    /// Makes the server look like one of a version that the plugin does not know.
    ///
    /// # Errors
    /// When it cannot be done.
    fn disguise(&mut self) -> Result<Disguise>;

    /// Has a client with no more rights than an application has write something once, beside [`Content::Usual`] or in it. Needed
    /// for plugins with the feature `maintenance`.
    ///
    /// # Errors
    /// When it cannot be tried. That the server refuses, or lets the client wait, is no error.
    fn attempt(&mut self) -> Result<Attempt> {
        bail!("the driver has no client that attempts to write, which the case maintenance needs")
    }

    /// What a backup or restore has left on the server now: sessions, locks, snapshots, cursors, temporary objects. Empty
    /// after each run, also after one that was cancelled.
    ///
    /// # Errors
    /// When the server cannot be asked.
    fn leftovers(&mut self) -> Result<Vec<String>>;
}

/// What became of one write.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attempt {
    /// It was done.
    Done,
    /// It was refused, or had to wait longer than a client does: what the client said.
    HeldOff(String),
}

/// A program that writes until it is stopped.
pub trait Writer {
    /// Stops it and gives the number of changes that it made.
    ///
    /// # Errors
    /// When it had stopped by itself.
    fn stop(self: Box<Self>) -> Result<u64>;
}

/// What a server is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// A little of every kind of object that the plugin saves.
    Usual,
    /// One value of that many bytes, or as many as the datastore takes.
    Huge {
        /// Bytes of the value; random, so that nothing compresses it.
        bytes: u64,
    },
    /// That many values of a few bytes.
    Many {
        /// How many.
        count: u64,
    },
    /// About that many bytes in values of a usual size, incompressible, over several parts: something that takes a while.
    Bulk {
        /// Bytes of all values together.
        bytes: u64,
    },
    /// Names and values that go wrong elsewhere, as far as the datastore takes them: Unicode, NUL, `..`, slashes, quotes,
    /// control characters, empty, 64 KiB.
    Odd,
}

/// Objects by name, with a text or digest of all that each holds.
pub type Contents = BTreeMap<String, String>;

/// How lockgate reaches a server.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Source {
    /// Endpoints by the names of the plugin's `plugin.toml`.
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Everything else of `[sources.NAME]`: `config`, `credentials`, `folders`, `parallel`, ...
    pub settings: toml::Table,
}

/// A server's address. The suite puts a proxy in between when a case asks for it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Endpoint {
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// Everything else of the endpoint's table: `encryption`, `ca-file`, ...
    pub settings: toml::Table,
}

/// Some parts, and what they hold.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// Ids of parts.
    pub parts: Vec<String>,
    /// Keys of [`Contents`] that exist after a restore of these parts into an empty server, and no others do.
    pub objects: Vec<String>,
}

/// Other names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Renaming {
    /// Ids of the parts to restore; empty for all.
    pub parts: Vec<String>,
    /// From archived to new name, in the plugin's terms.
    pub names: Vec<(String, String)>,
    /// Keys of [`Contents`]: that of the source, and the one under which the same must be found in the target.
    pub objects: Vec<(String, String)>,
}

/// How a server looks like another version.
#[derive(Clone, Debug)]
pub enum Disguise {
    /// The suite's proxy replaces these bytes, of equal length, in what the server says.
    Replies(Vec<(Vec<u8>, Vec<u8>)>),
    /// The server itself was changed (for datastores without a connection).
    Stored,
}
