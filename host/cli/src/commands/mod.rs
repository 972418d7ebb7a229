//! One file per command.

pub mod audit;
pub mod backup;
pub mod check;
pub mod completions;
pub mod config;
pub mod dump;
pub mod forget;
pub mod health;
pub mod init;
pub mod ls;
pub mod maintenance;
pub mod plugin;
pub mod prune;
pub mod restore;
pub mod sandbox;
pub mod show;
pub mod snapshots;

use lockgate_engine::Result;

use crate::arguments::Command;
use crate::context::Context;
use crate::exit::Exit;

/// Runs the command that was given.
pub fn run(context: &Context, command: Command) -> Result<Exit> {
    match command {
        Command::Init(arguments) => init::run(context, &arguments),
        Command::Backup(arguments) => backup::run(context, &arguments),
        Command::Snapshots(arguments) => snapshots::run(context, &arguments),
        Command::Show(arguments) => show::run(context, &arguments),
        Command::Ls(arguments) => ls::run(context, &arguments),
        Command::Dump(arguments) => dump::run(context, &arguments),
        Command::Restore(arguments) => restore::run(context, &arguments),
        Command::Health(arguments) => health::run(context, &arguments),
        Command::Maintenance(arguments) => maintenance::run(context, &arguments),
        Command::Check(arguments) => check::run(context, &arguments),
        Command::Forget(arguments) => forget::run(context, &arguments),
        Command::Prune(arguments) => prune::run(context, &arguments),
        Command::Plugin(command) => plugin::run(context, &command),
        Command::Audit(command) => audit::run(context, &command),
        Command::Sandbox(command) => sandbox::run(context, &command),
        Command::Config(command) => config::run(context, &command),
        Command::Completions(arguments) => Ok(completions::run(&arguments)),
    }
}
