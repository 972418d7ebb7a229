//! The `lockgate` binary: arguments in, text or JSON out, exit codes.

mod arguments;
mod bars;
mod commands;
mod context;
mod each;
mod exit;
mod follow;
mod memory;
mod operator;
mod output;
mod screen;
mod selection;
mod words;

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};
use context::Context;

/// The hidden first argument with which the host starts itself again as a worker.
const WORKER: &str = "worker";

fn main() -> ExitCode {
    memory::give_back();
    memory::keep_private();
    // Before anything else: a worker must not read arguments, environment or configuration.
    if std::env::args_os().nth(1).as_deref() == Some(OsStr::new(WORKER)) {
        return lockgate_engine::worker_main();
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            error.print().ok();
            return if error.use_stderr() { exit::USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    output::start_logging(&arguments.global);
    let json = arguments.global.json;
    let reads_itself =
        matches!(arguments.command, Command::Config(_) | Command::Completions(_) | Command::Man(_));
    let result = Context::new(&arguments.global, reads_itself)
        .and_then(|context| commands::run(&context, arguments.command));
    match result {
        Ok(code) => code.into(),
        Err(error) => {
            output::print_error(&error, json);
            exit::code(&error).into()
        }
    }
}
