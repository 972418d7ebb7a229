use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::folder::Folder;
use crate::install::{Prerequisite, install};
use crate::process::run;

/// What applications do, in Python, whose `sqlite3` module is SQLite's own library.
const PROGRAM: &str = include_str!("sqlite_program.py");

/// A folder for SQLite databases, and the programs that work with them. There is no server: SQLite is a library.
#[derive(Debug)]
pub struct Sqlite {
    folder: Folder,
}

/// A program that has databases open. It ends with this value, with its input, or when the process that holds it dies.
#[derive(Debug)]
pub struct SqliteProgram {
    child: Child,
    output: BufReader<ChildStdout>,
}

/// What a program did that moves money between two rows of the table `account`.
#[derive(Clone, Copy, Debug)]
pub struct Moved {
    /// Transactions.
    pub count: u64,
    /// The longest of them, with all its waiting and the checkpoint at its end.
    pub longest: Duration,
}

impl Sqlite {
    /// An empty folder.
    ///
    /// # Errors
    /// When SQLite is not installed (and cannot be).
    pub fn start() -> Result<Self> {
        install(&[Prerequisite::Sqlite])?;
        let folder = Folder::create("lockgate-sqlite-")?;
        std::fs::create_dir(folder.path().join("data"))?;
        Ok(Self { folder })
    }

    /// Where the databases are.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// As `3.40.1`.
    ///
    /// # Errors
    /// When SQLite is not installed (and cannot be).
    pub fn version() -> Result<String> {
        install(&[Prerequisite::Sqlite])?;
        let said = run(Command::new("sqlite3").arg("--version"))?;
        Ok(said.split(' ').next().unwrap_or_default().to_owned())
    }

    /// Runs statements through the `sqlite3` program, which makes the database when it is not there.
    ///
    /// # Errors
    /// What it said.
    pub fn sql(&self, database: impl AsRef<Path>, statements: &str) -> Result<String> {
        let path = self.data().join(database);
        let mut child = Command::new("sqlite3")
            .args(["-bail", "-batch"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("run sqlite3")?;
        let mut input = child.stdin.take().context("sqlite3 has no input")?;
        let statements = statements.to_owned();
        // Fed beside, because a program that answers while it is fed would wait for its output to be read.
        let feeder = std::thread::spawn(move || input.write_all(statements.as_bytes()));
        let output = child.wait_with_output()?;
        // A program that stops at an error does not read the rest; the error is its own.
        let fed = feeder.join();
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("sqlite3 {}: {}", path.display(), said.trim());
        }
        fed.ok().context("the feeder of sqlite3 panicked")??;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What all databases hold, a digest for each path, as SQLite reads them. Bytes of paths that are no plain letters are `%XX`.
    ///
    /// # Errors
    /// When a database cannot be read.
    pub fn contents(&self) -> Result<BTreeMap<String, String>> {
        let said = run(python().arg("contents").arg(self.data()))?;
        // {"a.db": "digest", ...}: neither side has quotes in it.
        let words: Vec<&str> = said.split('"').skip(1).step_by(2).collect();
        let pairs = words.as_chunks::<2>().0.iter();
        Ok(pairs.map(|[path, digest]| ((*path).to_owned(), (*digest).to_owned())).collect())
    }

    /// A program that opens databases and keeps them open.
    ///
    /// # Errors
    /// When it does not start.
    pub fn hold(&self, databases: &[PathBuf]) -> Result<SqliteProgram> {
        SqliteProgram::start(python().arg("hold").args(databases))
    }

    /// A program that moves money between two rows of the table `account`, in the given journal mode, with a checkpoint after every
    /// few pages.
    ///
    /// # Errors
    /// When it does not start.
    pub fn moves(&self, mode: &str, database: impl AsRef<Path>) -> Result<SqliteProgram> {
        SqliteProgram::start(python().args(["move", mode]).arg(self.data().join(database)))
    }
}

/// The tables that [`Sqlite::moves`] needs, with 1000 on each side and some pages to move between.
pub const ACCOUNTS: &str = "CREATE TABLE account(id INTEGER PRIMARY KEY, amount INTEGER);
    INSERT INTO account VALUES (1, 1000), (2, 1000);
    CREATE TABLE filler(id INTEGER PRIMARY KEY, data BLOB);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
        INSERT INTO filler(data) SELECT randomblob(2000) FROM n;";

fn python() -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", PROGRAM]);
    command
}

impl SqliteProgram {
    fn start(command: &mut Command) -> Result<Self> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("run python3")?;
        let output = BufReader::new(child.stdout.take().context("python3 has no output")?);
        let mut program = Self { child, output };
        ensure!(program.line()? == "ready", "python3 did not start");
        Ok(program)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// Ends a program of [`Sqlite::moves`].
    ///
    /// # Errors
    /// When it had ended by itself.
    pub fn stop(mut self) -> Result<Moved> {
        drop(self.child.stdin.take());
        let line = self.line()?;
        let (count, longest) = line.split_once(' ').context("the program had ended by itself")?;
        Ok(Moved { count: count.parse()?, longest: Duration::from_micros(longest.parse()?) })
    }

    /// Kills it as a power cut would.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for SqliteProgram {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
