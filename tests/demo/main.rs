//! The main job on a real folder, step by step, with the commands an operator would type.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::tree;
use tempfile::TempDir;

/// What the steps share.
struct Demo {
    site: TempDir,
    program: PathBuf,
}

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("host"), PathBuf::from);
    let folder = folder.canonicalize().with_context(|| folder.display().to_string())?;
    let program = std::env::current_exe()?.with_file_name("lockgate");
    let demo = Demo { site: TempDir::new()?, program };
    std::fs::write(demo.path("password"), "correct horse battery staple\n")?;
    // Empty: a folder needs none. The lock file lies beside it.
    std::fs::write(demo.path("config.toml"), "")?;

    say("1. Pin the plugins that may run: what each may do, and why, in sentences.");
    demo.lockgate(&["plugin", "lock"])?;
    say("2. Make an encrypted repository on the local disk.");
    demo.lockgate(&["init"])?;
    say(
        "3. Back up a folder: a WebAssembly component reads it inside a sandbox that can see nothing else.",
    );
    let folder_text = folder.display().to_string();
    demo.lockgate(&["backup", "--folder", &folder_text, "--name", "demo"])?;
    say("4. Again: what has not changed is not read again.");
    demo.lockgate(&["backup", "--folder", &folder_text, "--name", "demo"])?;
    say("5. Look at what is there.");
    demo.lockgate(&["snapshots"])?;
    say("6. Restore it elsewhere and compare every name, mode, time and byte.");
    let restored = demo.path("restored");
    demo.lockgate(&["restore", "latest", "--target", &restored.display().to_string()])?;
    let names = tree::equal(&folder, &restored.join("demo"))?;
    println!("   equal: {names} files and folders");
    say("7. Read back and verify all that is stored.");
    demo.lockgate(&["check", "--read-data"])?;

    let kept = demo.site.keep();
    println!("\nEverything is in {}. To go on from here:\n", kept.display());
    println!(
        "   export LOCKGATE_REPOSITORY=fs:{0}/repository LOCKGATE_PASSWORD_FILE={0}/password",
        kept.display()
    );
    println!("   export LOCKGATE_CONFIG={}/config.toml", kept.display());
    println!("   export PATH={}:$PATH", demo.program.parent().unwrap_or(Path::new(".")).display());
    println!("   lockgate ls latest             # what a snapshot holds");
    println!(
        "   lockgate show latest           # which plugin wrote it, and what it was allowed to do"
    );
    println!("   lockgate plugin inspect files  # what a plugin may do, why, and who signed it");
    println!("   lockgate restore latest --target /tmp/elsewhere --dry-run");
    println!(
        "\nDatabases, S3 and a configuration file: docs/operating.md. A plugin of your own: sdk/rust/README.md."
    );
    Ok(())
}

impl Demo {
    fn path(&self, below: &str) -> PathBuf {
        self.site.path().join(below)
    }

    /// Shows and runs one command.
    fn lockgate(&self, arguments: &[&str]) -> Result<()> {
        println!("   $ lockgate {}", arguments.join(" "));
        let status = Command::new(&self.program)
            .args(arguments)
            .env("LOCKGATE_CONFIG", self.path("config.toml"))
            .env("HOME", self.site.path())
            .env("LOCKGATE_REPOSITORY", format!("fs:{}", self.path("repository").display()))
            .env("LOCKGATE_PASSWORD_FILE", self.path("password"))
            .status()
            .context("lockgate is not built: sh tests/prepare.sh")?;
        ensure!(status.success(), "lockgate {}: {status}", arguments.join(" "));
        Ok(())
    }
}

fn say(text: &str) {
    println!("\n{text}");
}
