use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::certificates::Certificates;
use crate::folder::Folder;
use crate::install::{Prerequisite, install, require};
use crate::process::{Server, free_port, run};
use crate::tools;

/// Which etcd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EtcdRelease {
    /// The one of Debian.
    V3_4,
    /// Built from Go modules.
    #[default]
    V3_6,
}

/// How a cluster is started.
#[derive(Clone, Debug)]
pub struct EtcdOptions {
    /// Which etcd.
    pub release: EtcdRelease,
    /// How many members.
    pub members: usize,
    /// With certificates of an authority that is made for it, which clients must have too.
    pub is_tls: bool,
    /// More options of `etcd`, as `--quota-backend-bytes=…`.
    pub arguments: Vec<String>,
}

impl Default for EtcdOptions {
    fn default() -> Self {
        Self { release: EtcdRelease::default(), members: 1, is_tls: false, arguments: Vec::new() }
    }
}

/// A cluster of etcd on this machine, empty and open to everybody.
#[derive(Debug)]
pub struct Etcd {
    /// `127.0.0.1:port` of the first member, for clients.
    pub address: String,
    /// A PEM file with the authority of the certificates, when it was started with TLS.
    pub ca_certificate: Option<PathBuf>,
    /// PEM files with a client's certificate and its key, when it was started with TLS.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    members: Vec<Member>,
    client: PathBuf,
    password: Option<String>,
    // Dropped after the members.
    folder: Folder,
}

#[derive(Debug)]
struct Member {
    program: PathBuf,
    arguments: Vec<String>,
    data: PathBuf,
    log: PathBuf,
    port: u16,
    server: Option<Server>,
}

impl Member {
    fn start(&mut self) -> Result<()> {
        self.server = Some(Server::start(&self.program, &self.arguments, &self.log)?);
        Ok(())
    }
}

impl Etcd {
    /// Starts one member without TLS.
    ///
    /// # Errors
    /// When etcd cannot be had or does not start.
    pub fn start(release: EtcdRelease) -> Result<Self> {
        Self::start_with(&EtcdOptions { release, ..EtcdOptions::default() })
    }

    /// Starts a cluster. Takes a few seconds.
    ///
    /// # Errors
    /// When etcd cannot be had or does not start.
    pub fn start_with(options: &EtcdOptions) -> Result<Self> {
        let (program, client) = programs(options.release)?;
        let folder = Folder::create("lockgate-etcd-")?;
        let certificates =
            if options.is_tls { Some(Certificates::create(folder.path())?) } else { None };
        let mut members = Vec::new();
        let mut peers = Vec::new();
        for number in 0..options.members {
            let (port, peer) = (free_port()?, free_port()?);
            let name = format!("m{number}");
            peers.push(format!("{name}=http://127.0.0.1:{peer}"));
            let data = folder.path().join(&name);
            let arguments = arguments(&name, &data, port, peer, certificates.as_ref());
            let log = folder.path().join(format!("{name}.log"));
            members.push(Member {
                program: program.clone(),
                arguments,
                data,
                log,
                port,
                server: None,
            });
        }
        for member in &mut members {
            member.arguments.push(format!("--initial-cluster={}", peers.join(",")));
            member.arguments.extend(options.arguments.iter().cloned());
        }
        let mut started = Self {
            address: format!("127.0.0.1:{}", members.first().context("no members")?.port),
            ca_certificate: certificates.as_ref().map(|files| files.authority.clone()),
            client_certificate: certificates.map(|files| (files.certificate, files.key)),
            members,
            client,
            password: None,
            folder,
        };
        started.restart()?;
        Ok(started)
    }

    /// Makes the user `root` with this password and lets in nobody without one. [`Etcd::ctl`] is `root` from then on.
    ///
    /// # Errors
    /// What the client said.
    pub fn enable_auth(&mut self, password: &str) -> Result<()> {
        self.ctl(&["user", "add", &format!("root:{password}")])?;
        self.ctl(&["role", "add", "root"])?;
        self.ctl(&["user", "grant-role", "root", "root"])?;
        self.ctl(&["auth", "enable"])?;
        self.password = Some(password.to_owned());
        Ok(())
    }

    /// Gives the user `root` another password, which [`Etcd::ctl`] uses from then on.
    ///
    /// # Errors
    /// What the client said.
    pub fn change_password(&mut self, password: &str) -> Result<()> {
        let mut command = self.client();
        command.args(["user", "passwd", "root", "--interactive=false"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let input = child.stdin.take().context("etcdctl has no input")?;
        writeln!(&input, "{password}")?;
        drop(input);
        ensure!(child.wait()?.success(), "etcdctl does not change the password");
        self.password = Some(password.to_owned());
        Ok(())
    }

    /// Runs `etcdctl` and gives what it printed.
    ///
    /// # Errors
    /// What the client said.
    pub fn ctl(&self, arguments: &[&str]) -> Result<String> {
        run(self.client().args(arguments))
    }

    /// `127.0.0.1:port` of each member, for clients.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        self.members.iter().map(|member| format!("127.0.0.1:{}", member.port)).collect()
    }

    /// Runs `etcdctl` at one member and gives what it printed.
    ///
    /// # Errors
    /// What the client said.
    pub fn ctl_at(&self, address: &str, arguments: &[&str]) -> Result<String> {
        run(self.client_at(address).args(arguments))
    }

    /// `etcdctl`, connected to the first member.
    #[must_use]
    pub fn client(&self) -> Command {
        self.client_at(&self.address)
    }

    fn client_at(&self, address: &str) -> Command {
        let protocol = if self.ca_certificate.is_some() { "https" } else { "http" };
        let mut command = Command::new(&self.client);
        command
            .arg(format!("--endpoints={protocol}://{address}"))
            .args(["--command-timeout=120s", "--dial-timeout=10s"]);
        if let (Some(authority), Some((certificate, key))) =
            (&self.ca_certificate, &self.client_certificate)
        {
            command
                .arg("--cacert")
                .arg(authority)
                .arg("--cert")
                .arg(certificate)
                .arg("--key")
                .arg(key);
        }
        command.args(self.password.iter().map(|password| format!("--user=root:{password}")));
        command
    }

    /// Kills all members as a power cut would.
    pub fn kill(&mut self) {
        for member in &mut self.members {
            member.server = None;
        }
    }

    /// Kills one member.
    pub fn kill_member(&mut self, number: usize) {
        if let Some(member) = self.members.get_mut(number) {
            member.server = None;
        }
    }

    /// Starts the members that do not run, on the same ports and with the same data.
    ///
    /// # Errors
    /// When the cluster does not come back.
    pub fn restart(&mut self) -> Result<()> {
        for member in self.members.iter_mut().filter(|member| member.server.is_none()) {
            member.start()?;
        }
        let first = self.members.first().and_then(|member| member.server.as_ref());
        let first = first.context("no members")?;
        first.wait("etcd", || self.ctl(&["--command-timeout=2s", "endpoint", "health"]).is_ok())
    }

    /// Starts again without any data.
    ///
    /// # Errors
    /// When the cluster does not come back.
    pub fn reset(&mut self) -> Result<()> {
        self.lose()?;
        let password = self.password.take();
        self.restart()?;
        password.map_or(Ok(()), |password| self.enable_auth(&password))
    }

    /// Kills all members and deletes what they kept.
    ///
    /// # Errors
    /// When a folder stays.
    pub fn lose(&mut self) -> Result<()> {
        self.kill();
        for member in self.members.iter().filter(|member| member.data.exists()) {
            fs::remove_dir_all(&member.data)?;
        }
        Ok(())
    }

    /// The number of the first member's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        let first = self.members.first().and_then(|member| member.server.as_ref());
        first.map_or(0, Server::pid)
    }

    /// The folder of the first member's data.
    ///
    /// # Errors
    /// When there are no members.
    pub fn data(&self) -> Result<&Path> {
        Ok(&self.members.first().context("no members")?.data)
    }

    /// The options that say who the first member is, as `etcdutl snapshot restore` takes them, too.
    ///
    /// # Errors
    /// When there are no members.
    pub fn member(&self) -> Result<Vec<&str>> {
        self.member_options(0)
    }

    /// The same for any member.
    ///
    /// # Errors
    /// When there is no such member.
    pub fn member_options(&self, number: usize) -> Result<Vec<&str>> {
        let names =
            ["--name=", "--data-dir=", "--initial-cluster=", "--initial-advertise-peer-urls="];
        let arguments = &self.members.get(number).context("no such member")?.arguments;
        let is_named = |text: &&str| names.iter().any(|name| text.starts_with(name));
        Ok(arguments.iter().map(String::as_str).filter(is_named).collect())
    }

    /// The folder that everything is in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// The server and its client.
fn programs(release: EtcdRelease) -> Result<(PathBuf, PathBuf)> {
    match release {
        EtcdRelease::V3_4 => {
            install(&[Prerequisite::Etcd])?;
            Ok((require("etcd", "etcd-server")?, require("etcdctl", "etcd-client")?))
        }
        EtcdRelease::V3_6 => Ok((tools::etcd()?, tools::etcdctl()?)),
    }
}

fn arguments(
    name: &str,
    data: &Path,
    port: u16,
    peer: u16,
    certificates: Option<&Certificates>,
) -> Vec<String> {
    let protocol = if certificates.is_some() { "https" } else { "http" };
    let mut arguments = vec![
        format!("--name={name}"),
        format!("--data-dir={}", data.display()),
        format!("--listen-client-urls={protocol}://127.0.0.1:{port}"),
        format!("--advertise-client-urls={protocol}://127.0.0.1:{port}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
        format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
        "--initial-cluster-state=new".to_owned(),
    ];
    if let Some(files) = certificates {
        arguments.extend([
            format!("--cert-file={}", files.certificate.display()),
            format!("--key-file={}", files.key.display()),
            format!("--trusted-ca-file={}", files.authority.display()),
            "--client-cert-auth".to_owned(),
        ]);
    }
    arguments
}
