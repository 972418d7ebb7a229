//! Plugins that misbehave: each is stopped with a clear error, the host lives on, and no snapshot exists.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::{Lockgate, Site, command};

struct Case {
    behaviour: &'static str,
    /// Exit code of the host.
    code: i32,
    /// What the error must say.
    says: &'static [&'static str],
}

const CASES: [Case; 9] = [
    Case { behaviour: "loop", code: 21, says: &["without calling the host"] },
    Case { behaviour: "memory", code: 21, says: &["memory"] },
    Case { behaviour: "panic", code: 21, says: &["the hostile plugin gives up"] },
    Case { behaviour: "recursion", code: 21, says: &["crashed", "deeper"] },
    Case { behaviour: "lie", code: 1, says: &["liar", "1099511627776"] },
    Case { behaviour: "handles", code: 1, says: &["entries"] },
    Case { behaviour: "fail", code: 1, says: &["no more"] },
    Case { behaviour: "terminal", code: 1, says: &["owned"] },
    Case { behaviour: "twice", code: 1, says: &["same"] },
];

fn lockgate(site: &Site, behaviour: &str, in_restore: bool) -> Result<Lockgate> {
    let folder = command::plugins()?.with_file_name("plugins-hostile");
    let configuration = format!(
        "plugins = \"{}\"\n[sources.bad]\nplugin = \"{}/hostile.wasm\"\nlimits = {{ busy-ms = 500, memory-bytes = 67108864 }}\nconfig = {{ behaviour = \"{behaviour}\", in_restore = {in_restore} }}\n",
        folder.display(),
        folder.display()
    );
    site.configured(&configuration)
}

#[test]
fn a_misbehaving_export_leaves_no_snapshot() -> Result<()> {
    let site = Site::local()?;
    site.lockgate.ok(&["init"])?;
    for case in &CASES {
        let lockgate = lockgate(&site, case.behaviour, false)?;
        let started = Instant::now();
        let outcome = lockgate.run(&["backup", "bad"])?;
        let line = outcome.error_line();
        println!("{}: {line}", case.behaviour);
        ensure!(outcome.code == Some(case.code), "{}: {outcome:?}", case.behaviour);
        ensure!(line.contains("bad") && line.contains("victim"), "no plugin or part: {line}");
        ensure!(case.says.iter().all(|word| line.contains(word)), "{}: {line}", case.behaviour);
        ensure!(
            !outcome.stderr.contains('\u{1b}'),
            "control characters reached the terminal: {outcome:?}"
        );
        ensure!(
            started.elapsed() < Duration::from_secs(30),
            "{} took {:?}",
            case.behaviour,
            started.elapsed()
        );
        let snapshots = lockgate.ok(&["snapshots"])?.stdout;
        ensure!(snapshots.is_empty(), "{}: {snapshots}", case.behaviour);
    }
    site.lockgate.ok(&["check", "--read-data"])?;
    lockgate(&site, "good", false)?.ok(&["backup", "bad"])?;
    Ok(())
}

#[test]
fn a_misbehaving_import_is_stopped_too() -> Result<()> {
    let site = Site::local()?;
    site.lockgate.ok(&["init"])?;
    lockgate(&site, "good", true)?.ok(&["backup", "bad"])?;
    for behaviour in ["loop", "memory", "panic", "recursion", "fail", "terminal"] {
        let case = CASES.iter().find(|case| case.behaviour == behaviour).context("a known case")?;
        let outcome = lockgate(&site, behaviour, true)?.run(&["restore", "latest"])?;
        println!("{behaviour}: {}", outcome.error_line());
        ensure!(outcome.code == Some(case.code), "{behaviour}: {outcome:?}");
        ensure!(case.says.iter().all(|word| outcome.error_line().contains(word)), "{outcome:?}");
    }
    Ok(())
}
