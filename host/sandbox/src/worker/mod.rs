//! The worker side: holds the WebAssembly runtime, runs one plugin's instances and does what the grants allow.

mod runtime;

pub use runtime::engine_hash;

use std::process::ExitCode;

/// The body of the hidden subcommand that the host starts with the control socket as standard input. Returns when the host
/// closes the socket.
pub fn worker_main() -> ExitCode {
    ExitCode::FAILURE
}
