//! One file per command.

pub mod audit;
pub mod backup;
pub mod cat;
pub mod catch_up;
pub mod check;
pub mod completions;
pub mod config;
pub mod copy;
pub mod delete;
pub mod diff;
pub mod dump;
pub mod find;
pub mod forget;
pub mod heal;
pub mod health;
pub mod init;
pub mod jobs;
pub mod key;
pub mod list;
pub mod ls;
pub mod maintenance;
pub mod man;
pub mod mount;
pub mod pin;
pub mod plugin;
pub mod prune;
pub mod repair;
pub mod restore;
pub mod sandbox;
pub mod schedules;
pub mod serve;
pub mod show;
pub mod snapshots;
pub mod stats;
pub mod systemd;
pub mod tag;
pub mod unlock;
pub mod unpin;

use lockgate_engine::{Error, ErrorKind, Result};

use crate::arguments::Command;
use crate::context::Context;
use crate::exit::Exit;

/// Runs the command that was given.
pub fn run(context: &Context, command: Command) -> Result<Exit> {
    if context.service.server.is_some() && !command.is_for_a_service() {
        let message = "--server: this command is of this machine, and no service does it";
        return Err(Error::new(ErrorKind::Configuration, message).with_hint("leave --server out"));
    }
    match command {
        Command::Init(arguments) => init::run(context, &arguments),
        Command::Backup(arguments) => backup::run(context, &arguments),
        Command::List(arguments) => list::run(context, &arguments),
        Command::Delete(arguments) => delete::run(context, &arguments),
        Command::Jobs(arguments) => jobs::run(context, &arguments),
        Command::Schedules(arguments) => schedules::run(context, &arguments),
        Command::Snapshots(arguments) => snapshots::run(context, &arguments),
        Command::Show(arguments) => show::run(context, &arguments),
        Command::Ls(arguments) => ls::run(context, &arguments),
        Command::Dump(arguments) => dump::run(context, &arguments),
        Command::Mount(arguments) => mount::run(context, &arguments),
        Command::Restore(arguments) => restore::run(context, &arguments),
        Command::Health(arguments) => health::run(context, &arguments),
        Command::Maintenance(arguments) => maintenance::run(context, &arguments),
        Command::Serve(arguments) => serve::run(context, &arguments),
        Command::Check(arguments) => check::run(context, &arguments),
        Command::Copy(arguments) => copy::run(context, &arguments),
        Command::CatchUp(arguments) => catch_up::run(context, &arguments),
        Command::Heal(arguments) => heal::run(context, &arguments),
        Command::Forget(arguments) => forget::run(context, &arguments),
        Command::Prune(arguments) => prune::run(context, &arguments),
        Command::Find(arguments) => find::run(context, &arguments),
        Command::Diff(arguments) => diff::run(context, &arguments),
        Command::Stats(arguments) => stats::run(context, &arguments),
        Command::Cat(arguments) => cat::run(context, &arguments),
        Command::Tag(arguments) => tag::run(context, &arguments),
        Command::Pin(arguments) => pin::run(context, &arguments),
        Command::Unpin(arguments) => unpin::run(context, &arguments),
        Command::Key(command) => key::run(context, &command),
        Command::Repair(command) => repair::run(context, &command),
        Command::Unlock(arguments) => unlock::run(context, &arguments),
        Command::Plugin(command) => plugin::run(context, &command),
        Command::Audit(command) => audit::run(context, &command),
        Command::Sandbox(command) => sandbox::run(context, &command),
        Command::Config(command) => config::run(context, &command),
        Command::Completions(arguments) => Ok(completions::run(&arguments)),
        Command::Man(arguments) => man::run(&arguments),
        Command::Systemd(arguments) => systemd::run(context, &arguments),
    }
}
