use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::install::require;

/// Time for a server to answer for the first time. Those in Java take half a minute on a busy machine.
const START_TIME_MAX: Duration = Duration::from_secs(180);
/// Pause between two looks at a server that starts.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// Lines of a server's log that an error shows.
const LOG_LINES_SHOWN: usize = 15;

/// A running server. It dies with this value, or with the process that holds it.
#[derive(Debug)]
pub(crate) struct Server {
    pid: u32,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    keeper: Option<Keeper>,
}

/// The system's "kill me when my parent dies" means the thread that started the process, so one thread lives as long as
/// the server does.
#[derive(Debug)]
struct Keeper {
    thread: JoinHandle<()>,
    /// Its end makes the thread stop the server.
    _alive: Sender<()>,
}

impl Server {
    /// Starts `program` with everything it says going to `log`.
    pub(crate) fn start(program: &Path, arguments: &[String], log: &Path) -> Result<Self> {
        let log = log.to_owned();
        let (program, arguments) = (program.to_owned(), arguments.to_vec());
        let mut server = Self { pid: 0, program, arguments, log, keeper: None };
        server.spawn()?;
        Ok(server)
    }

    /// Kills it as a power cut would; it has ended when this returns.
    pub(crate) fn kill(&mut self) {
        if let Some(Keeper { thread, _alive }) = self.keeper.take() {
            drop(_alive);
            // It panics never; and a panic in drop would hide the test's own.
            let _ = thread.join();
        }
    }

    /// Starts it once more, as it was started before, after it was killed.
    pub(crate) fn spawn(&mut self) -> Result<()> {
        require("setpriv", "util-linux")?;
        let (program, arguments, log) = (&self.program, &self.arguments, &self.log);
        let output = File::create(log).with_context(|| format!("create {}", log.display()))?;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let (started, answer) = channel();
        let (alive, end) = channel::<()>();
        let thread = std::thread::Builder::new().name("server".to_owned()).spawn(move || {
            match command.spawn() {
                Ok(child) => {
                    // Nobody listens when the starter gave up; the server is stopped below all the same.
                    let _ = started.send(Ok(child.id()));
                    let _ = end.recv();
                    stop(child);
                }
                Err(error) => {
                    let _ = started.send(Err(error));
                }
            }
        })?;
        let pid = answer.recv()?.with_context(|| format!("start {}", program.display()))?;
        self.keeper = Some(Keeper { thread, _alive: alive });
        self.pid = pid;
        Ok(())
    }

    /// Waits until `is_ready` says so.
    pub(crate) fn wait(&self, name: &str, mut is_ready: impl FnMut() -> bool) -> Result<()> {
        let deadline = Instant::now() + START_TIME_MAX;
        while !is_ready() {
            if !self.is_running() {
                bail!("{name} ended while it started:\n{}", self.last_words());
            }
            if Instant::now() > deadline {
                bail!("{name} did not answer within {START_TIME_MAX:?}:\n{}", self.last_words());
            }
            std::thread::sleep(LOOK_PAUSE);
        }
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The process is there and not a zombie.
    fn is_running(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/stat", self.pid));
        let state = status.ok().and_then(|text| {
            let (_, after) = text.rsplit_once(')')?;
            after.split_whitespace().next().map(str::to_owned)
        });
        state.is_some_and(|state| state != "Z" && state != "X")
    }

    fn last_words(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn stop(mut child: Child) {
    // Both fail only when it has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr()?.port())
}

/// Whether somebody listens there.
pub(crate) fn is_listening(port: u16) -> bool {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    std::net::TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
}

/// Runs a program to its end; its output, or an error that shows what it said.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("run {program}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Err(anyhow!("{program} failed ({}):\n{}", output.status, said.trim()))
}
