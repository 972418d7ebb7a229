//! What the two walls cost: the same export code through the sandbox and the jail, and compiled into an ordinary program
//! that writes to the same kind of repository. One after the other, round after round.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lockgate_servers::MariaDb;
use lockgate_tests::folder;

use crate::measure::{self, Figures, Table};

/// Rows of the table that is backed up, of about 60 bytes each.
const ROWS: u64 = 2_000_000;
const SMALL_FILES: u64 = 20_000;
const LARGE_FILES: u64 = 24;
const PASSWORD: &str = "bench secret";

/// Measures and prints.
pub fn run(lockgate: &Path, native: &Path, mib: u64, rounds: u32) -> Result<()> {
    let site = tempfile::TempDir::new()?;
    let path = |below: &str| site.path().join(below);
    folder::fill(&path("large"), LARGE_FILES, mib << 20, 42)?;
    // Of 4 KiB: what is done for each file counts, not its bytes.
    folder::fill(&path("small"), SMALL_FILES, SMALL_FILES << 12, 41)?;
    let server = database()?;
    std::fs::write(path("secret"), PASSWORD)?;
    std::fs::write(path("lockgate.toml"), configuration(&server, site.path()))?;

    let bench = Bench { lockgate, site: site.path() };
    bench.command(lockgate).args(["plugin", "lock"]).output()?;
    let address = format!("127.0.0.1:{}", server.port);
    let mut table = Table::default();
    for round in 0..=rounds {
        for step in ["files, large", "files, small", "mariadb"] {
            let source = step.rsplit(' ').next().unwrap_or(step);
            let folder = path(source).display().to_string();
            let exported = match source {
                "mariadb" => vec!["mariadb", &address, "backup", PASSWORD, "bank"],
                _ => vec!["files", folder.as_str()],
            };
            let alone = bench.backup("native", native, &exported)?;
            let walled = bench.backup("lockgate", lockgate, &["backup", source])?;
            // The first round fills caches, that of compiled plugins too.
            if round > 0 {
                eprintln!("round {round}: {step}: {alone:?} {walled:?}");
                table.add("native", step, alone);
                table.add("lockgate", step, walled);
            }
        }
    }
    println!("{mib} MiB, {rounds} rounds, {}", measure::machine());
    table.print("native");
    Ok(())
}

struct Bench<'a> {
    lockgate: &'a Path,
    site: &'a Path,
}

impl Bench<'_> {
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        self.settle(&mut command);
        command
    }

    fn settle(&self, command: &mut Command) {
        let repository = format!("fs:{}", self.repository().display());
        command.env("LOCKGATE_REPOSITORY", repository);
        command.env("LOCKGATE_PASSWORD", "bench");
        command.env("LOCKGATE_CONFIG", self.site.join("lockgate.toml"));
        command.env("LOCKGATE_CACHE", self.site.join("code"));
        command.env("LOCKGATE_AUDIT", self.site.join("audit.jsonl"));
        // As `lockgate` sets the allocator for itself.
        command.env("MALLOC_ARENA_MAX", "2").env("MALLOC_MMAP_THRESHOLD_", "262144");
    }

    fn repository(&self) -> PathBuf {
        self.site.join("repository")
    }

    /// A first backup into a new repository.
    fn backup(&self, name: &str, program: &Path, arguments: &[&str]) -> Result<Figures> {
        if self.repository().exists() {
            std::fs::remove_dir_all(self.repository())?;
        }
        let made = self.command(self.lockgate).arg("init").output()?;
        ensure!(made.status.success(), "init: {}", String::from_utf8_lossy(&made.stderr));
        let file = self.site.join("time");
        let mut command = measure::timed(program, &file);
        self.settle(&mut command);
        let output = command.args(arguments).output().context("GNU time is not installed")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{name} {arguments:?}: {said}");
        ensure!(measure::folder_bytes(&self.repository())? > 1 << 20, "{name} wrote nothing");
        measure::read(&file)
    }
}

fn database() -> Result<MariaDb> {
    let server = MariaDb::start()?;
    server.sql(&format!(
        "CREATE USER 'backup'@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL PRIVILEGES ON *.* TO 'backup'@'%';
         CREATE DATABASE bank; USE bank;
         CREATE TABLE account (id INT PRIMARY KEY, owner VARCHAR(64) NOT NULL, balance BIGINT NOT NULL);
         INSERT INTO account SELECT seq, CONCAT('owner ', MD5(seq)), 1000 FROM seq_1_to_{ROWS};"
    ))?;
    Ok(server)
}

fn configuration(server: &MariaDb, site: &Path) -> String {
    let folder = |name: &str| {
        format!(
            "[sources.{name}]\nplugin = \"files\"\nfolders.data = {{ path = \"{}\" }}\n",
            site.join(name).display()
        )
    };
    format!(
        "{}{}[sources.mariadb]\nplugin = \"mariadb\"\nconfig = {{ include = [\"bank\"], users = false }}\n\
         endpoints.server = {{ address = \"127.0.0.1:{}\", encryption = \"off\" }}\n\
         credentials.account = {{ principal = \"backup\", secret-file = \"{}\" }}\n",
        folder("large"),
        folder("small"),
        server.port,
        site.join("secret").display(),
    )
}
