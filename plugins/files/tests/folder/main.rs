//! Saves and restores real folders through the built component in the real sandbox; only the repository is memory.

mod cases;
mod memory;
mod stage;
mod tree;

use std::process::ExitCode;

/// Makes this program the sandbox's worker.
const WORKER: &str = "sandbox-worker";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(WORKER) {
        return lockgate_sandbox::worker_main();
    }
    let wanted: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let component = stage::component();
    for (name, case) in cases::ALL {
        if wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str())) {
            case(&stage::Stage::new(&component));
            println!("test {name} ... ok");
        }
    }
    ExitCode::SUCCESS
}
