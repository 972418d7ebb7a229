//! The worker program of the tests: what the hidden subcommand of `lockgate` is in daily life.

use std::process::ExitCode;

fn main() -> ExitCode {
    lockgate_sandbox::worker_main()
}
