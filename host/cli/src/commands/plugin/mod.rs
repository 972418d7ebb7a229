//! `plugin`: what is installed, what it may do, and which of it may run here.

mod accept;
mod inspect;
mod keys;
mod test;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;
use lockgate_engine::{PublicKey, Result};

use crate::bars::Bars;
use crate::context::Context;
use crate::exit::Exit;

#[derive(Subcommand)]
pub enum Command {
    /// List the plugins that are installed
    List,
    /// Say in sentences what a plugin may do and why, who signed it, and whether it may run here
    Inspect {
        /// Name of an installed plugin, or the path of a component
        plugin: String,
    },
    /// Show what differs between two components: what they ask for, what they import, their versions
    Diff {
        /// Name or path of the old component
        old: String,
        /// Name or path of the new component
        new: String,
    },
    /// Accept plugins that are not in the lock file yet
    Lock {
        /// Names or paths [default: all that are installed or that the configuration names]
        #[arg(value_name = "PLUGIN")]
        names: Vec<String>,
    },
    /// Accept new versions of locked plugins that ask for nothing more
    Update {
        /// Names or paths [default: all that are locked]
        #[arg(value_name = "PLUGIN")]
        names: Vec<String>,
    },
    /// Show what a plugin asks for, and accept it, also when that is more than before
    Grant {
        /// Name or path
        plugin: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Accept a version that is older than the locked one
        #[arg(long)]
        allow_downgrade: bool,
    },
    /// Make a key to sign plugins with
    Keygen {
        /// New file for the secret key
        file: PathBuf,
    },
    /// Sign a component; the signature goes into the file beside it, named as the component with .sig behind
    Sign {
        /// Name or path
        plugin: String,
        /// File with the secret key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Hold a plugin against its real datastore with the conformance suite
    Test(test::Arguments),
    /// Check the signatures of a component, offline
    Verify {
        /// Name or path
        plugin: String,
        /// Public key to trust, instead of those of the configuration; may be given again
        #[arg(long = "key", value_name = "KEY", value_parser = |text: &str| text.parse::<PublicKey>())]
        keys: Vec<PublicKey>,
    },
}

pub fn run(context: &Context, command: &Command) -> Result<Exit> {
    let bars = Arc::new(Bars::new(context));
    let mut host = context.host(bars.clone())?;
    match command {
        Command::List => inspect::list(context, &host),
        Command::Inspect { plugin } => inspect::inspect(context, &host, plugin, &bars),
        Command::Diff { old, new } => inspect::diff(context, &host, old, new),
        Command::Lock { names } => accept::lock(context, &mut host, names),
        Command::Update { names } => accept::update(context, &mut host, names),
        Command::Grant { plugin, yes, allow_downgrade } => {
            accept::grant(context, &mut host, plugin, *yes, *allow_downgrade)
        }
        Command::Keygen { file } => keys::keygen(context, file),
        Command::Sign { plugin, key } => keys::sign(context, &host, plugin, key),
        Command::Verify { plugin, keys } => keys::verify(context, &host, plugin, keys),
        Command::Test(arguments) => test::run(context, &host, arguments),
    }
}
