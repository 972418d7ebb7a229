//! The second wall, tried from inside: a native program enters the jail as a worker does and tries to get out, one attempt in
//! one process. None may succeed; and each is made without the jail too, to show that the jail is what stops it.

mod refusal;

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

/// Kinds of workers; the last two have a folder.
const SHAPES: [&str; 4] = ["compile", "apart", "read", "write"];
/// Attempts that must be possible without the jail, for root.
const POSSIBLE_MIN: usize = 60;
/// What Landlock cannot deny and only the layer `root` does, which an ordinary user's workers with folders do not have:
/// `docs/plugin-security.md` says so. What only looks is open to workers of both kinds, what changes to the second.
const LOOKS: [&str; 1] = ["look at a file"];
const CHANGES: [&str; 6] = [
    "change a file's mode",
    "change a file's mode by `..`",
    "change a file's owner",
    "change a file's times",
    "set an attribute of a file",
    "change the mode of its own program",
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Ended {
    Succeeded,
    Refused(String),
    Killed,
}

/// Makes one attempt with a victim of its own.
fn attempt(name: &str, shape: &str, port: u16) -> Result<Ended> {
    let scratch = tempfile::tempdir()?;
    let granted = scratch.path().join("granted");
    fs::create_dir(&granted)?;
    fs::write(scratch.path().join("victim"), "of the user")?;
    let mut command = Command::new("/bin/sh");
    // A descriptor without close-on-exec, as a careless caller of the host leaves one behind. The number is one that no
    // other file gets.
    command.args(["-c", "exec 9<\"$1\"; exec \"$0\" \"$2\" \"$3\" \"$4\" \"$5\" \"$6\" 200<&9"]);
    let shell_knows_long_numbers = Path::new("/bin/bash");
    if shell_knows_long_numbers.exists() {
        let arguments = std::mem::replace(&mut command, Command::new(shell_knows_long_numbers));
        command.args(arguments.get_args());
    }
    command.arg(env!("CARGO_BIN_EXE_escapee")).arg(scratch.path().join("victim"));
    command.args([name, shape]).arg(scratch.path()).arg(&granted).arg(port.to_string());
    let output = command.stdin(Stdio::null()).env_clear().output()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match (output.status.code(), output.status.signal()) {
        (Some(42), _) => Ok(Ended::Succeeded),
        (Some(43), _) => Ok(Ended::Refused(said)),
        (_, Some(signal)) if signal == SIGSYS => Ok(Ended::Killed),
        _ => anyhow::bail!("{name} ({shape}): {output:?}"),
    }
}

/// `SIGSYS` of the architectures that we run on.
const SIGSYS: i32 = 31;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether the layers that hold are known not to be enough for this.
fn is_known(name: &str, shape: &str) -> bool {
    let open = match shape {
        "read" => LOOKS.contains(&name),
        "write" => LOOKS.contains(&name) || CHANGES.contains(&name),
        // Without folders the layer `root` is there wherever users may have namespaces.
        _ => false,
    };
    open && !is_root()
}

#[test]
fn nothing_that_a_taken_over_worker_tries_succeeds() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    // Ends with the test's process.
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let list = Command::new(env!("CARGO_BIN_EXE_escapee")).output()?;
    let names = String::from_utf8(list.stdout).context("names are text")?;
    let (mut possible, mut escaped, mut known) = (0, Vec::new(), 0);
    println!("{:44} {:>12}  {}", "attempt", "without", SHAPES.join("  "));
    for name in names.lines() {
        let without = attempt(name, "none", port)?;
        let mut row = BTreeMap::new();
        for shape in SHAPES {
            let ended = attempt(name, shape, port)?;
            if ended == Ended::Succeeded && is_known(name, shape) {
                known += 1;
            } else if ended == Ended::Succeeded {
                escaped.push(format!("{name} ({shape})"));
            }
            row.insert(shape, ended);
        }
        possible += usize::from(without == Ended::Succeeded);
        print_row(name, &without, &row);
    }
    let all = names.lines().count();
    println!("{all} attempts, {possible} possible without the jail, {} escapes", escaped.len());
    println!("{known} open to an ordinary user's workers with folders, as documented");
    ensure!(escaped.is_empty(), "escaped: {escaped:?}");
    ensure!(!is_root() || possible >= POSSIBLE_MIN, "only {possible} attempts are worth anything");
    Ok(())
}

fn print_row(name: &str, without: &Ended, row: &BTreeMap<&str, Ended>) {
    let short = |ended: &Ended| match ended {
        Ended::Succeeded => "SUCCEEDS".to_owned(),
        Ended::Refused(errno) => format!("errno {errno}"),
        Ended::Killed => "killed".to_owned(),
    };
    let without = match without {
        Ended::Succeeded => "succeeds".to_owned(),
        // Not possible on this machine even without the jail.
        other => format!("({})", short(other)),
    };
    let jailed: Vec<String> = SHAPES.iter().map(|shape| short(&row[shape])).collect();
    println!("{name:44} {without:>12}  {}", jailed.join("  "));
}
