use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// What plugins are compiled for: the only one of Rust's WebAssembly targets whose standard library asks nothing of its host.
pub const TARGET: &str = "wasm32-unknown-unknown";
/// How long `rustup` may take to fetch the target, about 30 MB.
const ADD_TIMEOUT: Duration = Duration::from_secs(90);
/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(100);
/// Debian's compiler, the source of its standard library, and the linker that its compiler lacks.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "rust-web-src", "cargo-web", "lld-22"];

/// Where lld-22 puts the linker for WebAssembly.
const DEBIAN_LINKER: &str = "/usr/lib/llvm-22/bin/wasm-ld";

/// A compiler that can make WebAssembly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchain {
    /// The one on PATH, with the target installed.
    Installed,
    /// Debian's, which compiles the standard library too.
    Debian,
}

impl Toolchain {
    /// Finds one, or installs what is missing: the target through rustup, else Debian's packages.
    pub fn find() -> Result<Self> {
        if is_target_installed() {
            return Ok(Self::Installed);
        }
        eprintln!("the target {TARGET} is not installed; asking rustup for it");
        let mut rustup = Command::new("rustup");
        rustup.args(["target", "add", TARGET]);
        match run_for(rustup, ADD_TIMEOUT) {
            Ok(()) if is_target_installed() => return Ok(Self::Installed),
            Ok(()) => eprintln!("rustup added the target to another toolchain than the one in use"),
            Err(error) => eprintln!("rustup could not add the target: {error:#}"),
        }
        if !is_debian_ready() {
            install_debian_packages()?;
        }
        Ok(Self::Debian)
    }

    /// A cargo that uses this toolchain; the target has yet to be named.
    pub fn cargo(self) -> Command {
        match self {
            Self::Installed => Command::new("cargo"),
            Self::Debian => {
                let mut cargo = Command::new("/usr/bin/cargo");
                let path = std::env::var("PATH").unwrap_or_default();
                cargo
                    .env("PATH", format!("/usr/bin:{path}"))
                    // The standard library is compiled along, which cargo only offers on nightly.
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort")
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", DEBIAN_LINKER)
                    // Set by a rustup that this program was started through.
                    .env_remove("RUSTUP_TOOLCHAIN")
                    .env_remove("RUSTC")
                    .env_remove("CARGO");
                cargo
            }
        }
    }
}

fn is_target_installed() -> bool {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .stderr(Stdio::null())
        .output();
    let Ok(output) = output else { return false };
    let folder = String::from_utf8_lossy(&output.stdout);
    output.status.success() && Path::new(folder.trim_end()).is_dir()
}

fn is_debian_ready() -> bool {
    let mut query = Command::new("dpkg-query");
    query.arg("--show").args(DEBIAN_PACKAGES).stdout(Stdio::null()).stderr(Stdio::null());
    query.status().is_ok_and(|status| status.success())
}

fn install_debian_packages() -> Result<()> {
    let packages = DEBIAN_PACKAGES.join(" ");
    eprintln!("installing Debian's compiler: {packages}");
    let mut apt = Command::new("apt-get");
    apt.args(["install", "--yes", "--no-install-recommends"])
        .args(DEBIAN_PACKAGES)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(Stdio::null());
    if apt.status().is_ok_and(|status| status.success()) {
        return Ok(());
    }
    bail!(
        "no compiler for {TARGET}\nhint: `rustup target add {TARGET}`, or on Debian 12 as root \
         `apt-get update && apt-get install {packages}`"
    )
}

/// Runs a program to its end, and kills it when that takes longer than `limit`.
fn run_for(mut command: Command, limit: Duration) -> Result<()> {
    let mut child = command.stdin(Stdio::null()).spawn().context("could not start the program")?;
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => bail!("{status}"),
            None if Instant::now() >= deadline => {
                child.kill()?;
                child.wait()?;
                bail!("still not there after {} seconds", limit.as_secs());
            }
            None => thread::sleep(POLL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_stopped() {
        let mut sleep = Command::new("sleep");
        sleep.arg("60");
        let started = Instant::now();
        assert!(run_for(sleep, Duration::from_millis(200)).is_err());
        assert!(started.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_program_that_fails_is_an_error() {
        assert!(run_for(Command::new("true"), ADD_TIMEOUT).is_ok());
        assert!(run_for(Command::new("false"), ADD_TIMEOUT).is_err());
    }
}
