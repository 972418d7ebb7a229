//! A machine that lacks a layer: the run is refused, or goes on when it is told to and says so.

#![allow(unsafe_code, reason = "a filter is installed between fork and exec")]

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::{Lockgate, Site, folder};
use serde_json::Value;

/// `landlock_create_ruleset`, the same number on every architecture.
const LANDLOCK: u32 = 444;

/// Makes the kernel look like one without Landlock.
fn without_landlock(command: &mut Command) {
    let line = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let program = [
        // The call's number, at the beginning of `struct seccomp_data`.
        line((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0, 0, 0),
        line((libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, 0, 1, LANDLOCK),
        line(libc::BPF_RET as u16, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        line(libc::BPF_RET as u16, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let install = move || {
        let filter = libc::sock_fprog { len: 4, filter: program.as_ptr().cast_mut() };
        // SAFETY: only system calls, with a program that the closure owns.
        let installed = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, 2, &raw const filter) == 0
        };
        if installed { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: the closure makes system calls and allocates nothing.
    unsafe { command.pre_exec(install) };
}

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(lockgate: &Lockgate, arguments: &[&str]) -> Result<Ran> {
    let mut command = lockgate.command(arguments);
    without_landlock(&mut command);
    let output = command.output()?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ok(Ran {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    })
}

fn summary(text: &str) -> Result<Value> {
    Ok(serde_json::from_str(text.lines().last().context("a summary")?)?)
}

#[test]
fn without_a_required_layer_nothing_runs_unless_it_is_told_to() -> Result<()> {
    let site = Site::local()?;
    folder::fill(&site.path("data"), 3, 1 << 10, 5)?;
    site.lockgate.ok(&["init"])?;
    let data = site.text("data");
    let status = run(&site.lockgate, &["sandbox", "status", "--json"])?;
    ensure!(status.code == Some(22), "{}", status.stderr);
    let seen = summary(&status.stdout)?;
    ensure!(seen["full"] == false && seen["landlock_abi"] == 0, "{seen}");

    let refused = run(&site.lockgate, &["backup", "--folder", &data])?;
    println!("{}", refused.stderr);
    ensure!(refused.code == Some(22), "{}", refused.stderr);
    for word in ["landlock", "--isolation=reduced", "sandbox status"] {
        ensure!(refused.stderr.contains(word), "{word}: {}", refused.stderr);
    }
    ensure!(site.lockgate.ok(&["snapshots"])?.stdout.is_empty(), "a snapshot was made");

    let arguments = ["-v", "--json", "--isolation=reduced", "backup", "--folder", &data];
    let reduced = run(&site.lockgate, &arguments)?;
    ensure!(reduced.code == Some(0), "{}", reduced.stderr);
    ensure!(reduced.stderr.contains("reduced isolation"), "not in the log: {}", reduced.stderr);
    let isolation = &summary(&reduced.stdout)?["isolation"];
    ensure!(isolation["level"] == "reduced", "{isolation}");
    ensure!(isolation["missing"]["landlock"].is_string(), "{isolation}");
    let shown = summary(&site.lockgate.ok(&["show", "latest", "--json"])?.stdout)?;
    ensure!(&shown["manifests"][0]["plugin"]["isolation"] == isolation, "{shown}");

    let configured = site.configured("isolation = \"reduced\"\n")?;
    let configured = run(&configured, &["backup", "--folder", &data])?;
    ensure!(configured.code == Some(0), "{}", configured.stderr);
    Ok(())
}

#[test]
fn this_machine_has_every_required_layer() -> Result<()> {
    let site = Site::local()?;
    folder::fill(&site.path("data"), 3, 1 << 10, 6)?;
    site.lockgate.ok(&["init"])?;
    let status = site.lockgate.ok(&["sandbox", "status", "--json"])?.stdout;
    let seen = summary(&status)?;
    ensure!(seen["full"] == true, "{seen}");
    ensure!(seen["workers"].as_array().is_some_and(|workers| workers.len() == 4), "{seen}");
    let made = site.lockgate.ok(&["--json", "backup", "--folder", &site.text("data")])?.stdout;
    let isolation = &summary(&made)?["isolation"];
    ensure!(isolation["level"] == "full", "{isolation}");
    Ok(())
}
