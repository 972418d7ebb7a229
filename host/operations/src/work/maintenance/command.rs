//! Programs of the operator's that take an application out of service, and put it back.

use std::cell::RefCell;
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use lockgate_api::JobId;
use lockgate_engine::Cancel;
use lockgate_engine::configuration::MaintenanceCommands;
use lockgate_types::Name;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::{Error, ErrorKind, Result};

/// Bytes of what a program prints that are kept of each stream: the last ones.
const OUTPUT_BYTES_MAX: usize = 4096;
/// How long what was printed is waited for when a program has ended: what it left running may hold the stream open.
const DRAIN: Duration = Duration::from_millis(200);
/// Variables that programs get of the host's: what finds programs and a service manager, and nothing secret.
const VARIABLES: [&str; 8] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TZ",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
];
/// Says to a program what it is run for: `enter` or `leave`.
const STEP_VARIABLE: &str = "LOCKGATE_MAINTENANCE";
/// Says to a program which source or set that is about.
const NAME_VARIABLE: &str = "LOCKGATE_NAME";
/// Says to a program for which job it is run, and lets it be found when lockgate was killed meanwhile.
pub(super) const JOB_VARIABLE: &str = "LOCKGATE_JOB";

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Out of service.
    Enter,
    /// Back.
    Leave,
}

/// A run of such a program.
pub(super) struct Call<'a> {
    pub name: &'a Name,
    pub way: Way,
    pub commands: &'a MaintenanceCommands,
    pub job: Option<JobId>,
}

impl Call<'_> {
    /// Runs it to its end.
    ///
    /// # Errors
    /// When it cannot be started, fails, or takes too long; `Interrupted` when someone wishes to stop. Then nothing of it runs
    /// any more.
    pub(super) async fn run(&self, cancel: &Cancel) -> Result<()> {
        let mut child = self.start()?;
        let (out, err) = (RefCell::default(), RefCell::default());
        let streams = (child.stdout.take(), child.stderr.take());
        let ended = async {
            let mut reading =
                pin!(async { tokio::join!(keep(streams.0, &out), keep(streams.1, &err)) });
            let waiting = child.wait();
            tokio::select! {
                biased;
                status = waiting => {
                    timeout(DRAIN, reading).await.ok();
                    status
                }
                _ = &mut reading => child.wait().await,
            }
        };
        let limit = Duration::from_secs(self.commands.timeout_seconds.into());
        let cause = match cancel.or_stop(timeout(limit, ended)).await {
            Some(Ok(Ok(status))) if status.success() => return Ok(()),
            Some(Ok(Ok(status))) => format!("ended with {status}"),
            Some(Ok(Err(error))) => error.to_string(),
            Some(Err(_)) => {
                end(&mut child).await;
                format!("was stopped after {} s", limit.as_secs())
            }
            None => {
                end(&mut child).await;
                return Err(Error::new(ErrorKind::Interrupted, self.told("was stopped")));
            }
        };
        let mut message = self.told(&cause);
        for printed in [shown(&err.borrow()), shown(&out.borrow())] {
            if !printed.is_empty() {
                message.push_str(&format!(": {printed}"));
            }
        }
        Err(Error::new(ErrorKind::Failed, message))
    }

    fn start(&self) -> Result<Child> {
        let (program, arguments) = self
            .words()
            .split_first()
            .ok_or_else(|| Error::new(ErrorKind::Configuration, self.told("names no program")))?;
        let given = VARIABLES.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(given);
        command.env(STEP_VARIABLE, self.key()).env(NAME_VARIABLE, self.name.as_str());
        if let Some(job) = self.job {
            command.env(JOB_VARIABLE, job.to_string());
        }
        // In a group of its own: an operator's Ctrl-C is for lockgate, which then runs the way back.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map_err(|error| {
            Error::new(ErrorKind::Failed, self.told(&format!("cannot be started: {error}")))
        })
    }

    fn words(&self) -> &[String] {
        match self.way {
            Way::Enter => &self.commands.enter,
            Way::Leave => &self.commands.leave,
        }
    }

    fn key(&self) -> &'static str {
        match self.way {
            Way::Enter => "enter",
            Way::Leave => "leave",
        }
    }

    fn told(&self, what: &str) -> String {
        let program = self.words().first().map_or("", String::as_str);
        format!("{}: maintenance.{}: {program} {what}", self.name, self.key())
    }
}

/// Kills a program and what it started in its group, and waits for it.
async fn end(child: &mut Child) {
    let group = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
    if let Some(group) = group {
        // It may just have ended, which is as good.
        kill_process_group(group, Signal::KILL).ok();
    }
    child.wait().await.ok();
}

/// Reads to the end and keeps the last bytes.
async fn keep(stream: Option<impl AsyncRead + Unpin>, kept: &RefCell<Vec<u8>>) {
    let Some(mut stream) = stream else { return };
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let mut kept = kept.borrow_mut();
        kept.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let surplus = kept.len().saturating_sub(OUTPUT_BYTES_MAX);
        kept.drain(..surplus);
    }
}

/// On one line, without control characters.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split(|it: char| it.is_control()).map(str::trim);
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    async fn run(script: &str, seconds: u32, cancel: &Cancel) -> Result<()> {
        let words = |script: &str| ["sh", "-c", script].map(str::to_owned).to_vec();
        let commands = MaintenanceCommands {
            enter: words(script),
            leave: words("true"),
            timeout_seconds: seconds,
        };
        let name: Name = "shop".parse().expect("name");
        Call { name: &name, way: Way::Enter, commands: &commands, job: None }.run(cancel).await
    }

    #[tokio::test]
    async fn what_a_program_says_is_shown_when_it_fails() {
        let cancel = Cancel::default();
        run("exit 0", 5, &cancel).await.expect("success");
        let error = run("echo one; echo two >&2; exit 3", 5, &cancel).await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("shop: maintenance.enter: sh ended with exit status: 3: two: one"),
            "{text}"
        );
        let loud =
            "i=0; while [ $i -lt 3000 ]; do echo 0123456789; i=$((i+1)); done; echo last; exit 1";
        let text = run(loud, 20, &cancel).await.unwrap_err().to_string();
        assert!(
            text.len() < 2 * OUTPUT_BYTES_MAX && text.ends_with("last"),
            "{} bytes",
            text.len()
        );
    }

    #[tokio::test]
    async fn the_environment_holds_no_secret() {
        let names = "env | cut -d= -f1 | grep -vxE 'PATH|HOME|USER|LOGNAME|LANG|TZ|PWD|OLDPWD|SHLVL|_|XDG_RUNTIME_DIR|DBUS_SESSION_BUS_ADDRESS'";
        let script = format!(
            "test \"$({names} | sort | tr '\\n' ' ')\" = 'LOCKGATE_MAINTENANCE LOCKGATE_NAME '"
        );
        run(&script, 5, &Cancel::default()).await.expect("no other variables");
    }

    #[tokio::test]
    async fn a_program_that_does_not_end_is_ended_with_what_it_started() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("late");
        let begun = Instant::now();
        let script = format!("(sleep 3; touch {0}) & sleep 60", file.display());
        let error = run(&script, 1, &Cancel::default()).await.unwrap_err();
        assert!(error.to_string().contains("was stopped after 1 s"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(3));
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert!(!file.exists(), "what it started goes on");
    }

    #[tokio::test]
    async fn who_wishes_to_stop_does_not_wait_and_a_daemon_is_not_waited_for() {
        let cancel = Cancel::default();
        let begun = Instant::now();
        run("sleep 30 & exit 0", 60, &cancel).await.expect("success");
        assert!(begun.elapsed() < Duration::from_secs(10));
        let stop = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            cancel.cancel();
        };
        let (result, ()) = tokio::join!(run("sleep 60", 60, &cancel), stop);
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Interrupted);
    }
}
