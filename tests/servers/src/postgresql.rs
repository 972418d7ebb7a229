use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::certificates::Certificates;
use crate::folder::Folder;
use crate::install::{Prerequisite, install, require};
use crate::process::{Server, free_port, run};

/// Where Debian keeps the programs of a release, which are not on the path.
const PROGRAMS: &str = "/usr/lib/postgresql/15/bin";
/// The server refuses to run as root.
const SYSTEM_USER: &str = "postgres";

/// How often a start is tried after a server was killed.
const TRIES: u32 = 20;
/// Pause between two tries.
const TRY_PAUSE: Duration = Duration::from_millis(500);

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct PostgreSqlOptions {
    /// With a certificate of an authority that is made for it; connections over TCP without TLS are refused.
    pub is_tls: bool,
    /// Keeps passwords for MD5 instead of SCRAM.
    pub is_md5: bool,
    /// More options of `postgres`, as `wal_level=logical`.
    pub settings: Vec<String>,
}

/// A PostgreSQL server with no databases but its own. Its user `postgres` needs no password over the socket; over TCP everybody
/// needs one.
#[derive(Debug)]
pub struct PostgreSql {
    /// 127.0.0.1.
    pub host: String,
    /// Of TCP.
    pub port: u16,
    /// The folder of the Unix domain socket.
    pub socket: PathBuf,
    /// A PEM file with the authority of the server's certificate, when it was started with TLS.
    pub ca_certificate: Option<PathBuf>,
    program: PathBuf,
    arguments: Vec<String>,
    // None while it is killed.
    server: Option<Server>,
    // Dropped after the server.
    folder: Folder,
}

impl PostgreSql {
    /// Starts a server without TLS that keeps passwords for SCRAM.
    ///
    /// # Errors
    /// When the server is not installed (and cannot be) or does not start.
    pub fn start() -> Result<Self> {
        Self::start_with(&PostgreSqlOptions::default())
    }

    /// Starts a server. Takes some seconds.
    ///
    /// # Errors
    /// When the server is not installed (and cannot be) or does not start.
    pub fn start_with(options: &PostgreSqlOptions) -> Result<Self> {
        install(&[Prerequisite::PostgreSql])?;
        let folder = Folder::create("lockgate-postgresql-")?;
        let (data, port) = (folder.path().join("data"), free_port()?);
        fs::create_dir(&data)?;
        let certificates =
            if options.is_tls { Some(Certificates::create(folder.path())?) } else { None };
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        own(folder.path())?;
        create_data(&data).context("make the data folder of PostgreSQL")?;
        let scheme = if options.is_md5 { "md5" } else { "scram-sha-256" };
        let kind = if options.is_tls { "hostssl" } else { "host" };
        let access = format!("local all all trust\n{kind} all all 127.0.0.1/32 {scheme}\n");
        fs::write(data.join("pg_hba.conf"), access)?;
        let settings = settings(port, folder.path(), scheme, certificates.as_ref(), options);
        fs::write(data.join("postgresql.auto.conf"), settings)?;
        own(folder.path())?;
        let (program, arguments) =
            as_owner(&program("postgres")?, &["-D", &data.display().to_string()])?;
        let mut started = Self {
            host: "127.0.0.1".to_owned(),
            port,
            socket: folder.path().to_owned(),
            ca_certificate: certificates.map(|files| files.authority),
            program,
            arguments,
            server: None,
            folder,
        };
        started.restart()?;
        Ok(started)
    }

    /// Starts it again after [`PostgreSql::kill`].
    ///
    /// # Errors
    /// When it does not come back.
    pub fn restart(&mut self) -> Result<()> {
        let log = self.folder.path().join("log");
        let mut tries = 0;
        loop {
            let server = Server::start(&self.program, &self.arguments, &log)?;
            let started = server.wait("postgres", || self.sql("postgres", "SELECT 1").is_ok());
            tries += 1;
            match started {
                Ok(()) => {
                    self.server = Some(server);
                    return Ok(());
                }
                // Children of a server that was killed take a moment to go, and hold its memory until then.
                Err(error) if tries < TRIES && format!("{error}").contains("shared memory") => {
                    std::thread::sleep(TRY_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Kills it with all its processes, as a power cut would.
    pub fn kill(&mut self) {
        let Some(server) = self.server.take() else { return };
        let pid = server.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        drop(server);
        // One in the middle of a statement would not notice that the others are gone.
        for child in children.unwrap_or_default().split_whitespace() {
            // It may have ended by itself.
            let _ = run(Command::new("kill").args(["-KILL", child]));
        }
    }

    /// Runs statements as `postgres` through the `psql` client and returns the rows: columns separated by `|`, one row a
    /// line, without headings.
    ///
    /// # Errors
    /// What the client said.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String> {
        let mut child = self
            .client("psql")
            .args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-f", "-", database])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("run psql")?;
        let mut input = child.stdin.take().context("the client has no input")?;
        let statements = statements.to_owned();
        // Fed beside, because a client that answers while it is fed would wait for its output to be read.
        let feeder = std::thread::spawn(move || input.write_all(statements.as_bytes()));
        let output = child.wait_with_output()?;
        // A client that stops at an error does not read the rest; the error is its own.
        let fed = feeder.join();
        if !output.status.success() {
            bail!("psql: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        fed.ok().context("the feeder of the client panicked")??;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What `pg_dump` or `pg_dumpall` writes with these arguments.
    ///
    /// # Errors
    /// What the program said.
    pub fn dump(&self, program: &str, arguments: &[&str]) -> Result<String> {
        run(self.client(program).args(arguments))
    }

    /// A client program (`psql`, `pg_dump`, ...) that connects as `postgres` over the socket.
    #[must_use]
    pub fn client(&self, name: &str) -> Command {
        let mut command = Command::new(Path::new(PROGRAMS).join(name));
        command.env("PGHOST", &self.socket).env("PGPORT", self.port.to_string());
        command.env("PGUSER", "postgres").env("PGTZ", "UTC").env("PGCLIENTENCODING", "UTF8");
        command
    }

    /// The number of the server's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.as_ref().map_or(0, Server::pid)
    }
}

impl Drop for PostgreSql {
    fn drop(&mut self) {
        self.kill();
    }
}

fn settings(
    port: u16,
    folder: &Path,
    scheme: &str,
    certificates: Option<&Certificates>,
    options: &PostgreSqlOptions,
) -> String {
    let mut settings = format!(
        "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\npassword_encryption = '{scheme}'\n\
         shared_buffers = '128MB'\nmax_connections = 200\nfsync = off\nmax_wal_size = '1GB'\nlog_statement = 'none'\n\
         wal_level = replica\nautovacuum_naptime = '1d'\n",
        folder.display()
    );
    if let Some(files) = certificates {
        settings.push_str(&format!(
            "ssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\n",
            files.certificate.display(),
            files.key.display()
        ));
    }
    options.settings.iter().for_each(|setting| settings.push_str(&format!("{setting}\n")));
    settings
}

fn create_data(data: &Path) -> Result<()> {
    let arguments = [
        "-D",
        &data.display().to_string(),
        "-U",
        "postgres",
        "-A",
        "trust",
        "--locale=C.UTF-8",
        "-E",
        "UTF8",
        "--no-sync",
        "--data-checksums",
    ];
    let (program, arguments) = as_owner(&program("initdb")?, &arguments)?;
    run(Command::new(program).args(arguments))?;
    Ok(())
}

fn program(name: &str) -> Result<PathBuf> {
    let path = Path::new(PROGRAMS).join(name);
    if path.is_file() { Ok(path) } else { require(name, "postgresql-15") }
}

fn is_root() -> bool {
    run(Command::new("id").arg("-u")).is_ok_and(|number| number.trim() == "0")
}

/// The program and its arguments under the account that the files belong to.
fn as_owner(program: &Path, arguments: &[&str]) -> Result<(PathBuf, Vec<String>)> {
    let mut all: Vec<String> = Vec::new();
    let program = if is_root() {
        let user = [format!("--reuid={SYSTEM_USER}"), format!("--regid={SYSTEM_USER}")];
        all.extend(user);
        all.extend(["--init-groups".to_owned(), "--".to_owned(), program.display().to_string()]);
        // The system forgets who is to be killed with whom when the account changes, so that is said again.
        all.splice(0..0, ["--pdeathsig".to_owned(), "KILL".to_owned()]);
        require("setpriv", "util-linux")?
    } else {
        program.to_owned()
    };
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    Ok((program, all))
}

fn own(folder: &Path) -> Result<()> {
    if is_root() {
        run(Command::new("chown").args(["-R", SYSTEM_USER]).arg(folder))?;
    }
    Ok(())
}
