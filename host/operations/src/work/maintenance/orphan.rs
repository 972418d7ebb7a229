//! Programs that go on although the lockgate that ran them was killed.

use std::fs;
use std::thread;
use std::time::Duration;

use lockgate_api::JobId;
use rustix::process::{Pid, Signal, kill_process_group};

use super::command::JOB_VARIABLE;

/// How long a killed program is waited for.
const PATIENCE: u32 = 500;
const PERIOD: Duration = Duration::from_millis(10);

/// Ends the programs that were run for `job`, so that what puts back does not race with what takes out. Only where the system
/// shows processes in `/proc` (`proc_pid_environ(5)`).
pub(crate) fn end(job: JobId) {
    for _ in 0..PATIENCE {
        let found = of(job);
        if found.is_empty() {
            return;
        }
        for group in found {
            // It may just have ended, which is as good.
            kill_process_group(group, Signal::KILL).ok();
        }
        thread::sleep(PERIOD);
    }
}

/// Those that head a group that lockgate made. What they started as a service of its own has a session of its own, and stays.
fn of(job: JobId) -> Vec<Pid> {
    let wanted = format!("{JOB_VARIABLE}={job}");
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|process| process.file_name().to_str()?.parse::<i32>().ok());
    let is_of_job = |id: &i32| {
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    ids.filter(|id| heads_group(*id)).filter(is_of_job).filter_map(Pid::from_raw).collect()
}

/// Whether a process heads a group and no session, and is not just waited for: `proc_pid_stat(5)`.
fn heads_group(id: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields = text.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let mut fields = fields.split(' ');
    let state = fields.next().unwrap_or("Z");
    let mut number = |skipped: usize| fields.nth(skipped).and_then(|it| it.parse::<i32>().ok());
    let (group, session) = (number(1), number(0));
    state != "Z" && group == Some(id) && session != Some(id)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn programs_of_a_job_are_found_and_ended() {
        let (job, other) = (JobId::new(), JobId::new());
        let start = |job: JobId| {
            let mut command = Command::new("sleep");
            command.arg("60").env(JOB_VARIABLE, job.to_string()).process_group(0);
            command.spawn().expect("sleep")
        };
        let (mut mine, mut others) = (start(job), start(other));
        assert_eq!(of(job).len(), 1);
        end(job);
        assert!(!mine.wait().expect("ended").success());
        assert!(others.try_wait().expect("looked").is_none(), "another job's program was ended");
        end(other);
        others.wait().expect("ended");
    }
}
