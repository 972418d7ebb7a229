//! Where a plugin misbehaves: what is granted to it, what lies beside that, and whether both are still as they were.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::{Lockgate, Site, command};

use crate::case::{Case, End};

/// Linear memory of one instance, in bytes.
pub const MEMORY_BYTES: u64 = 64 << 20;
/// Longest computation without a call of the host, in milliseconds.
pub const BUSY_MS: u64 = 300;

const SECRET: &str = "the secret of the account";
const OUTSIDE: &str = "nobody granted this";

/// A repository with one good snapshot, folders, servers and a credential.
pub struct Stage {
    pub site: Site,
    ports: Ports,
    snapshots: usize,
}

#[derive(Clone, Copy)]
pub struct Ports {
    answering: u16,
    silent: u16,
    endless: u16,
}

impl Stage {
    /// Lays everything out and makes the good snapshot.
    pub fn new(ports: Ports) -> Result<Self> {
        let site = Site::local()?;
        site.lockgate.ok(&["init"])?;
        for folder in ["given", "kept", "outside"] {
            fs::create_dir(site.path(folder))?;
        }
        fs::write(site.path("outside/secret"), OUTSIDE)?;
        fs::write(site.path("secret"), SECRET)?;
        let mut stage = Self { site, ports, snapshots: 0 };
        stage.fill("kept")?;
        stage.fill("given")?;
        stage.lockgate("good", true, 60_000, None)?.ok(&["backup", "bad"])?;
        stage.snapshots = 1;
        Ok(stage)
    }

    /// Makes a granted folder what it was.
    pub fn fill(&self, name: &str) -> Result<()> {
        let folder = self.site.path(name);
        fs::remove_dir_all(&folder)?;
        fs::create_dir(&folder)?;
        fs::write(folder.join("file"), "a file")?;
        fs::write(folder.join("large"), vec![1; 1 << 20])?;
        symlink("../outside/secret", folder.join("link"))?;
        symlink("../outside", folder.join("link-folder"))?;
        fs::hard_link(self.site.path("outside/secret"), folder.join("hard"))?;
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, folder.join("fifo"), kind, mode, 0)?;
        Ok(())
    }

    /// The command with a configuration in which the source `bad` misbehaves.
    pub fn case(&self, case: &Case, end: &End) -> Result<Lockgate> {
        self.lockgate(case.name, case.is_granted, case.call_ms, end.at)
    }

    fn lockgate(
        &self,
        name: &str,
        is_granted: bool,
        call_ms: u64,
        at: Option<&str>,
    ) -> Result<Lockgate> {
        let plugin = command::plugins()?.with_file_name("plugins-hostile").join("hostile.wasm");
        let at = at.map(|call| format!(", at = \"{call}\"")).unwrap_or_default();
        let port = self.ports.silent;
        let config = format!("config = {{ behaviour = \"{name}\"{at}, port = {port} }}\n");
        self.with_plugin(&plugin, is_granted, call_ms, &config, "plugins.lock")
    }

    /// The same with any component and no settings of its own.
    pub fn component(&self, path: &Path, call_ms: u64) -> Result<Lockgate> {
        // Each has the same name, and is accepted as if it were the first of it.
        let lock = self.site.path("odd.lock");
        if lock.exists() {
            fs::remove_file(lock)?;
        }
        self.with_plugin(path, false, call_ms, "", "odd.lock")
    }

    fn with_plugin(
        &self,
        plugin: &Path,
        is_granted: bool,
        call_ms: u64,
        config: &str,
        lock: &str,
    ) -> Result<Lockgate> {
        let grants = if is_granted { self.grants() } else { String::new() };
        let lock = self.site.text(lock);
        self.site.configured(&format!(
            "[trust]\nlock = \"{lock}\"\n[sources.bad]\nplugin = \"{}\"\nparallel = 1\n{config}{grants}\
             limits = {{ memory-bytes = {MEMORY_BYTES}, busy-ms = {BUSY_MS}, silence-ms = 400, \
             inspect-ms = {call_ms}, call-ms = {call_ms} }}\n\
             [sources.neighbour]\nplugin = \"files\"\n\
             credentials.neighbour = {{ principal = \"n\", secret-variable = \"NEIGHBOUR\" }}\n",
            plugin.display(),
        ))
    }

    fn grants(&self) -> String {
        let Ports { answering, silent, endless } = self.ports;
        let text = |name: &str| self.site.text(name);
        let members = |network: &str| {
            format!("members = [{{ network = \"{network}\", ports = [{silent}] }}]")
        };
        [
            format!("folders.given = {{ path = \"{}\", access = \"read-write\", locks = true }}", text("given")),
            format!("folders.kept = {{ path = \"{}\" }}", text("kept")),
            format!("endpoints.server = {{ address = \"127.0.0.1:{answering}\" }}"),
            format!("endpoints.silent = {{ address = \"127.0.0.1:{silent}\" }}"),
            format!("endpoints.endless = {{ address = \"127.0.0.1:{endless}\" }}"),
            format!("endpoints.plain = {{ address = \"127.0.0.1:{silent}\", encryption = \"off\" }}"),
            format!("endpoints.noise = {{ address = \"127.0.0.1:{endless}\", encryption = \"off\" }}"),
            format!("endpoints.cluster = {{ address = \"127.0.0.1:{silent}\", {} }}", members("127.0.0.2/32")),
            format!(
                "endpoints.wide = {{ address = \"127.0.0.1:{silent}\", members = [{{ network = \"0.0.0.0/0\", ports = [80, {silent}] }}, {{ network = \"::/0\", ports = [80, {silent}] }}] }}"
            ),
            format!("credentials.account = {{ principal = \"backup\", secret-file = \"{}\" }}", text("secret")),
            "clock = true\nrandom = true\n".to_owned(),
        ]
        .join("\n")
    }

    /// What the host has recorded so far.
    pub fn audit(&self) -> Result<String> {
        Ok(fs::read_to_string(self.site.path(".local/state/lockgate/audit.jsonl"))?)
    }

    /// Demands that nothing beside the grants has changed, and that there are so many more snapshots than before.
    pub fn review(&mut self, new_snapshots: usize) -> Result<()> {
        let secret = fs::read_to_string(self.site.path("outside/secret"))?;
        ensure!(secret == OUTSIDE, "a file outside was changed: {secret:?}");
        let outside: Vec<PathBuf> = fs::read_dir(self.site.path("outside"))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        ensure!(outside.len() == 1, "something was made outside: {outside:?}");
        let kept = fs::read_dir(self.site.path("kept"))?.count();
        ensure!(kept == 6, "the folder that is read only has {kept} names");
        let file = fs::read_to_string(self.site.path("kept/file"))?;
        ensure!(file == "a file", "a file that is read only was changed: {file:?}");
        let folder = self.site.repository_folder().context("a local repository")?;
        let snapshots = fs::read_dir(folder.join("snapshots"))?.count();
        ensure!(
            snapshots == self.snapshots + new_snapshots,
            "{snapshots} snapshots, and there were {}",
            self.snapshots
        );
        self.snapshots = snapshots;
        Ok(())
    }
}

impl Stage {
    /// A snapshot that was reviewed is gone.
    pub fn forget_one(&mut self) {
        self.snapshots -= 1;
    }
}

/// Starts the servers; they live as long as the process.
pub fn servers() -> Result<Ports> {
    Ok(Ports {
        answering: serve(|client| {
            thread::spawn(move || std::io::copy(&mut &client, &mut std::io::sink()));
        })?,
        // Kept open for as long as the client wants, which it does not outlive.
        silent: serve(|client| {
            thread::spawn(move || {
                loop {
                    thread::sleep(std::time::Duration::from_secs(5));
                    if client.peek(&mut [0]).is_ok_and(|count| count == 0) {
                        return;
                    }
                }
            });
        })?,
        endless: serve(|mut client| {
            thread::spawn(move || while client.write_all(&[7; 1 << 16]).is_ok() {});
        })?,
    })
}

fn serve(welcome: impl Fn(TcpStream) + Send + 'static) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || listener.incoming().flatten().for_each(welcome));
    Ok(port)
}
