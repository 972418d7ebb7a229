use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::certificates::Certificates;
use crate::folder::Folder;
use crate::install::{Prerequisite, install, require};
use crate::process::{Server, free_port, run};

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct MariaDbOptions {
    /// With a certificate of an authority that is made for it.
    pub is_tls: bool,
    /// More options of `mariadbd`, as `--sql-mode=…`.
    pub arguments: Vec<String>,
}

/// A MariaDB server with no databases but its own. Its user `root` needs no password over the socket and cannot come over
/// TCP; tests make users of their own.
#[derive(Debug)]
pub struct MariaDb {
    /// 127.0.0.1.
    pub host: String,
    /// Of TCP.
    pub port: u16,
    /// The Unix domain socket.
    pub socket: PathBuf,
    /// A PEM file with the authority of the server's certificate, when it was started with TLS.
    pub ca_certificate: Option<PathBuf>,
    server: Server,
    // Dropped after the server.
    folder: Folder,
}

impl MariaDb {
    /// Starts a server without TLS.
    ///
    /// # Errors
    /// When the server is not installed (and cannot be) or does not start.
    pub fn start() -> Result<Self> {
        Self::start_with(&MariaDbOptions::default())
    }

    /// Starts a server. Takes some seconds.
    ///
    /// # Errors
    /// When the server is not installed (and cannot be) or does not start.
    pub fn start_with(options: &MariaDbOptions) -> Result<Self> {
        install(&[Prerequisite::MariaDb])?;
        let program = require("mariadbd", "mariadb-server")?;
        let folder = Folder::create("lockgate-mariadb-")?;
        let data = folder.path().join("data");
        let port = free_port()?;
        // The path of a socket may have about 100 bytes.
        let socket = folder.path().join("socket");
        let certificates =
            if options.is_tls { Some(Certificates::create(folder.path())?) } else { None };
        let configuration = folder.path().join("my.cnf");
        fs::write(&configuration, settings(&data, port, &socket, certificates.as_ref()))?;
        create_data(&data).context("make the data folder of MariaDB")?;

        let mut arguments = vec![format!("--defaults-file={}", configuration.display())];
        arguments.extend(as_root().map(str::to_owned));
        arguments.extend(options.arguments.iter().cloned());
        let server = Server::start(&program, &arguments, &folder.path().join("log"))?;
        let started = Self {
            host: "127.0.0.1".to_owned(),
            port,
            socket,
            ca_certificate: certificates.map(|files| files.authority),
            server,
            folder,
        };
        started.server.wait("mariadbd", || started.sql("SELECT 1").is_ok())?;
        Ok(started)
    }

    /// Kills the server as a power cut would.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again after [`Self::kill`], on the same port and with the same data.
    ///
    /// # Errors
    /// When it does not come back.
    pub fn restart(&mut self) -> Result<()> {
        self.server.spawn()?;
        self.server.wait("mariadbd", || self.sql("SELECT 1").is_ok())
    }

    /// Runs statements as `root` through the `mariadb` client and returns the rows: columns separated by tabs, one row a
    /// line, without headings.
    ///
    /// # Errors
    /// What the client said.
    pub fn sql(&self, statements: &str) -> Result<String> {
        let mut child = self
            .client()
            .args(["--batch", "--raw", "--skip-column-names"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("run the mariadb client")?;
        let mut input = child.stdin.take().context("the client has no input")?;
        let statements = statements.to_owned();
        // Fed beside, because a client that answers while it is fed would wait for its output to be read.
        let feeder = std::thread::spawn(move || input.write_all(statements.as_bytes()));
        let output = child.wait_with_output()?;
        // A client that stops at an error does not read the rest; the error is its own.
        let fed = feeder.join();
        if !output.status.success() {
            bail!("mariadb: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        fed.ok().context("the feeder of the client panicked")??;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The `mariadb` client, connected as `root` over the socket.
    #[must_use]
    pub fn client(&self) -> Command {
        let mut command = Command::new("mariadb");
        command
            .arg("--no-defaults")
            .arg(format!("--socket={}", self.socket.display()))
            .arg("--user=root");
        command
    }

    /// The number of the server's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// The folder that the server keeps its data in.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

fn settings(data: &Path, port: u16, socket: &Path, certificates: Option<&Certificates>) -> String {
    let tls = certificates.map_or(String::new(), |files| {
        format!(
            "ssl-ca={}\nssl-cert={}\nssl-key={}\n",
            files.authority.display(),
            files.certificate.display(),
            files.key.display()
        )
    });
    format!(
        "[mariadbd]\ndatadir={}\nsocket={}\nport={port}\nbind-address=127.0.0.1\n\
         pid-file={}\nskip-name-resolve\nserver-id=1\nlog-bin=binlog\nbinlog-format=ROW\n\
         character-set-server=utf8mb4\nmax-allowed-packet=64M\nmax-connections=200\n\
         innodb-buffer-pool-size=128M\ninnodb-flush-log-at-trx-commit=2\nperformance-schema=OFF\n\
         event-scheduler=OFF\nlocal-infile=ON\n{tls}",
        data.display(),
        socket.display(),
        data.join("server.pid").display(),
    )
}

fn create_data(data: &Path) -> Result<()> {
    let program = require("mariadb-install-db", "mariadb-server")?;
    // Servers that are set up at the same time would meet in the system's temporary folder.
    let temporary = data.with_file_name("temporary");
    fs::create_dir_all(&temporary)?;
    let mut command = Command::new(program);
    command
        .env("TMPDIR", &temporary)
        .arg("--no-defaults")
        .args(as_root())
        .arg(format!("--datadir={}", data.display()))
        .args([
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
        ]);
    run(&mut command)?;
    Ok(())
}

/// The server refuses to run as root unless it is told so.
fn as_root() -> Option<&'static str> {
    let is_root = run(Command::new("id").arg("-u")).is_ok_and(|number| number.trim() == "0");
    is_root.then_some("--user=root")
}
