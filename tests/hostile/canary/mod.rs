//! Secrets are planted wherever an operator has some. Then everything that a run leaves or shows is searched for them, and
//! the memory of a worker while its plugin runs.

mod memory;
mod planted;
mod search;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockgate_tests::Outcome;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};

use memory::{memory, sleeping_worker};
use planted::Planted;
use search::{contains, search};

/// How the plugin behaves, at which call, in which command, and with which exit code that ends.
type Run<'a> = (&'a str, &'a str, &'a [&'a str], i32);

impl Planted {
    fn shows_nothing(&self, runs: &[Run<'_>]) -> Result<()> {
        for (behaviour, at, arguments, code) in runs {
            let outcome: Outcome = self.behaving(behaviour, at)?.run(arguments)?;
            ensure!(
                outcome.code == Some(*code),
                "{behaviour} {arguments:?}: {:?} {}",
                outcome.code,
                outcome.error_line()
            );
            let printed = format!("{}{}", outcome.stdout, outcome.stderr);
            self.none_in(&format!("{behaviour} {arguments:?}"), printed.as_bytes())?;
        }
        Ok(())
    }
}

#[test]
fn nothing_that_is_shown_or_kept_has_a_secret() -> Result<()> {
    let planted = Planted::new()?;
    let runs: [Run; 13] = [
        ("good", "export", &["-vvv", "backup", "bad"], 0),
        ("good", "export", &["--json", "-vvv", "backup", "bad"], 0),
        ("panic", "export", &["-vvv", "backup", "bad"], 21),
        ("terminal-error", "begin", &["-vvv", "--json", "backup", "bad"], 1),
        ("credential-ungranted", "export", &["-vvv", "backup", "bad"], 1),
        ("folder-ungranted", "export", &["-vvv", "backup", "bad"], 1),
        ("fail", "preview", &["-vvv", "restore", "latest", "--dry-run"], 1),
        ("good", "import", &["-vvv", "restore", "latest"], 0),
        ("panic", "import", &["-vvv", "--json", "restore", "latest"], 21),
        ("good", "import", &["-vvv", "show"], 0),
        ("good", "import", &["-vvv", "--json", "snapshots"], 0),
        ("good", "import", &["-vvv", "check", "--read-data"], 0),
        ("good", "import", &["-vvv", "-r", "third", "snapshots"], 13),
    ];
    planted.shows_nothing(&runs)?;
    let mut files = 0;
    for folder in planted.kept() {
        files += search(&planted, &folder)?;
    }
    ensure!(files > 5, "only {files} files were searched");
    // The search itself works: the folder of this test has them all but those of the environment and of the home.
    let configuration = fs::read(planted.site.path("config.toml"))?;
    ensure!(planted.found(&configuration).len() == 12, "{:?}", planted.found(&configuration));
    Ok(())
}

#[test]
fn nothing_on_a_storage_server_or_said_about_one_has_a_secret() -> Result<()> {
    let planted = Planted::on_s3()?;
    let runs: [Run; 4] = [
        ("good", "export", &["-vvv", "backup", "bad"], 0),
        ("panic", "export", &["--json", "-vvv", "backup", "bad"], 21),
        ("good", "import", &["-vvv", "restore", "latest"], 0),
        ("good", "import", &["-vvv", "prune"], 0),
    ];
    planted.shows_nothing(&runs)?;
    let mut files = 0;
    for folder in planted.kept() {
        files += search(&planted, &folder)?;
    }
    ensure!(files > 5, "only {files} files were searched");
    Ok(())
}

#[test]
fn a_process_that_dies_leaves_no_memory_behind() -> Result<()> {
    let planted = Planted::new()?;
    let folder = planted.site.path("given");
    let cores = || -> Result<usize> {
        let names = fs::read_dir(&folder)?.map(|entry| Ok(entry?.file_name()));
        let names = names.collect::<Result<Vec<_>>>()?;
        Ok(names.iter().filter(|name| name.to_string_lossy().starts_with("core")).count())
    };
    // The machine does leave cores, where it writes them to files: otherwise the rest would prove nothing.
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern")?;
    let is_file = !pattern.starts_with(['|', '/']);
    // Children have what this process has.
    let unlimited = Rlimit { current: None, maximum: None };
    setrlimit(Resource::Core, unlimited).context("only root may raise the limit of cores")?;
    let mut sleep = Command::new("sleep");
    sleep.arg("60");
    let mut other = leaving_cores(sleep, &folder).spawn()?;
    abort(other.id())?;
    let died = other.wait()?;
    ensure!(died.core_dumped() || !is_file, "sleep left no core: {died}");
    ensure!((cores()? == 1) == is_file, "the core of sleep is not in its folder: {pattern}");

    for is_worker in [true, false] {
        let lockgate = planted.behaving("wait", "export")?;
        let command = lockgate.command(&["backup", "bad", "--force"]);
        let mut host = leaving_cores(command, &folder).spawn()?;
        let worker = sleeping_worker(host.id())?;
        abort(if is_worker { worker } else { host.id() })?;
        let died = host.wait()?;
        ensure!(!died.core_dumped(), "the host left a core");
        ensure!(!died.success() && cores()? == usize::from(is_file), "a core was left");
    }
    Ok(())
}

/// The command in a folder where cores go.
fn leaving_cores(mut command: Command, folder: &Path) -> Command {
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// As a crash would end it.
fn abort(process: u32) -> Result<()> {
    let process = Pid::from_raw(i32::try_from(process)?).context("a process")?;
    Ok(kill_process(process, Signal::ABORT)?)
}

#[test]
fn the_memory_of_a_worker_has_no_secret() -> Result<()> {
    let planted = Planted::new()?;
    planted.behaving("good", "export")?.ok(&["backup", "bad"])?;
    let keys = master_keys(&planted)?;
    for (at, arguments) in [
        ("export", &["backup", "bad", "--force"][..]),
        ("import", &["restore", "latest", "--no-verify"]),
    ] {
        let lockgate = planted.behaving("wait", at)?;
        let mut command = lockgate.command(arguments);
        let mut host = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let looked = look(&planted, &keys, &host);
        let status = host.wait()?;
        looked.with_context(|| format!("during an {at}"))?;
        ensure!(status.success(), "the plugin that waits failed: {status}");
    }
    Ok(())
}

/// Reads the memory of the worker whose plugin sleeps, and of the host, which must have what the worker must not.
fn look(planted: &Planted, keys: &[Vec<u8>], host: &Child) -> Result<()> {
    let worker = sleeping_worker(host.id())?;
    // All at once, before the plugin wakes up.
    let environment = fs::read(format!("/proc/{worker}/environ"))?;
    let arguments = fs::read(format!("/proc/{worker}/cmdline"))?;
    let (theirs, ours) = (memory(worker)?, memory(host.id())?);
    println!(
        "{} MiB of the worker searched, {} MiB of the host",
        theirs.len() >> 20,
        ours.len() >> 20
    );
    let has_key = |bytes: &[u8]| keys.iter().any(|key| contains(bytes, key));
    ensure!(contains(&theirs, b"hostile"), "the worker's memory was not read");
    planted.none_in("the worker's memory", &theirs)?;
    ensure!(!has_key(&theirs), "the worker's memory has a key of the repository");
    planted.none_in("the worker's environment", &environment)?;
    planted.none_in("the worker's arguments", &arguments)?;
    ensure!(has_key(&ours), "the host's memory has no key either: the search proves nothing");
    ensure!(!planted.found(&ours).is_empty(), "the host's memory has no secret either");
    Ok(())
}

/// The repository's keys as restic tells them: 32 bytes to encrypt, twice 16 to authenticate.
fn master_keys(planted: &Planted) -> Result<Vec<Vec<u8>>> {
    let output = Command::new(lockgate_servers::restic()?)
        .args(["cat", "masterkey", "--no-cache"])
        .env("RESTIC_REPOSITORY", planted.site.path("repository"))
        .env("RESTIC_PASSWORD", planted.of("repository password"))
        .output()?;
    let keys: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let texts = [&keys["encrypt"], &keys["mac"]["k"], &keys["mac"]["r"]];
    texts.into_iter().map(|text| Ok(STANDARD.decode(text.as_str().context("a key")?)?)).collect()
}
