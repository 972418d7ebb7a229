use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::run;

/// Something that tests need from the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prerequisite {
    /// The etcd server and its client, of the release that Debian has.
    Etcd,
    /// age, which opens what the certificates plugin seals.
    Age,
    /// borg, which the benchmark compares with.
    Borg,
    /// A Go compiler, to build [`crate::restic`] and [`crate::versitygw`].
    Go,
    /// The MariaDB server and its client.
    MariaDb,
    /// The Redis server and its client.
    Redis,
    /// SQLite's program, and Python with its module.
    Sqlite,
    /// A Java 17 or newer, to run servers that are written in it.
    Java,
    /// To fetch such servers.
    Maven,
    /// To unpack them.
    Unzip,
    /// The openssl program.
    OpenSsl,
    /// The ZooKeeper server, and a client that is not Java.
    ZooKeeper,
    /// Python, for drivers of the conformance suite.
    Python,
    /// What fetches clients in Python.
    Pip,
    /// The PostgreSQL server and its clients.
    PostgreSql,
}

impl Prerequisite {
    /// Everything that the tests need.
    pub const ALL: &[Self] = &[
        Self::Etcd,
        Self::Go,
        Self::MariaDb,
        Self::Redis,
        Self::Sqlite,
        Self::Java,
        Self::Maven,
        Self::Unzip,
        Self::Age,
        Self::OpenSsl,
        Self::ZooKeeper,
        Self::Python,
        Self::Pip,
        Self::PostgreSql,
    ];

    fn program(self) -> &'static str {
        match self {
            Self::Borg => "borg",
            Self::Etcd => "etcd",
            Self::Go => "go",
            Self::MariaDb => "mariadbd",
            Self::Redis => "redis-server",
            Self::Sqlite => "sqlite3",
            Self::Java => "java",
            Self::Maven => "mvn",
            Self::Unzip => "unzip",
            Self::Age => "age",
            Self::OpenSsl => "openssl",
            Self::ZooKeeper => "/usr/share/java/zookeeper.jar",
            Self::Python => "python3",
            Self::Pip => "pip3",
            Self::PostgreSql => "/usr/lib/postgresql/15/bin/postgres",
        }
    }

    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Borg => &["borgbackup"],
            Self::Etcd => &["etcd-server", "etcd-client"],
            Self::Go => &["golang-go", "ca-certificates"],
            Self::MariaDb => &["mariadb-server", "mariadb-client"],
            Self::Redis => &["redis-server", "redis-tools"],
            Self::Sqlite => &["sqlite3", "python3"],
            Self::Java => &["openjdk-17-jre-headless"],
            Self::Maven => &["maven"],
            Self::Unzip => &["unzip"],
            Self::Age => &["age"],
            Self::OpenSsl => &["openssl"],
            Self::ZooKeeper => &["zookeeper", "python3-kazoo", "openjdk-17-jre-headless"],
            Self::Python => &["python3"],
            Self::Pip => &["python3-pip"],
            Self::PostgreSql => &["postgresql-15"],
        }
    }
}

/// Makes sure that `needed` is there: by `apt-get` when something is missing and the caller is root.
///
/// # Errors
/// What is missing and how to get it, when it cannot be installed here.
pub fn install(needed: &[Prerequisite]) -> Result<()> {
    let missing: Vec<&str> = needed
        .iter()
        .filter(|one| find(one.program()).is_none())
        .flat_map(|one| one.packages().iter().copied())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let words = format!("apt-get install --no-install-recommends {}", missing.join(" "));
    if run(Command::new("id").arg("-u"))?.trim() != "0" {
        bail!("missing: {}; as root, run: {words}", missing.join(" "));
    }
    if find("apt-get").is_none() {
        bail!("missing: {}; install what corresponds to: {words}", missing.join(" "));
    }
    eprintln!("installing {}", missing.join(" "));
    run(apt().arg("update"))?;
    run(apt().args(["install", "--yes", "--no-install-recommends"]).args(&missing))?;
    Ok(())
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet");
    command
}

/// Where a program is. Servers are often outside the path of ordinary users.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/local/go/bin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(more)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// Where a program is, or which package brings it.
pub(crate) fn require(program: &str, package: &str) -> Result<PathBuf> {
    match find(program) {
        Some(path) => Ok(path),
        None => bail!(
            "{program} is not installed; as root, run: apt-get install --no-install-recommends {package}"
        ),
    }
}
