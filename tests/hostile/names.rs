//! A snapshot whose names are meant for terminals and shells: it is kept byte by byte, and shown and restored harmlessly.

use std::fs;

use anyhow::{Result, ensure};

use crate::case::{Case, end};
use crate::stage::{self, Stage};

#[test]
fn odd_names_are_kept_and_shown_harmlessly() -> Result<()> {
    let stage = Stage::new(stage::servers()?)?;
    let end = end(0, &[]);
    let case = Case::backup("odd-names", end);
    let lockgate = stage.case(&case, &end)?;
    lockgate.ok(&["backup", "bad", "--allow-shrink"])?;
    let is_unfit = |it: char| (it.is_control() && it != '\n') || it == '\u{202e}';
    let target = stage.site.text("restored");
    for arguments in [
        &["ls", "latest"][..],
        &["--json", "ls", "latest"],
        &["show"],
        &["--json", "show"],
        &["-vv", "restore", "latest", "--target", &target],
        &["-vv", "check", "--read-data"],
    ] {
        let outcome = lockgate.ok(arguments)?;
        let printed = format!("{}{}", outcome.stdout, outcome.stderr);
        ensure!(!printed.contains(is_unfit), "{arguments:?}: {printed:?}");
        ensure!(!printed.lines().any(|line| line.starts_with("lockgate: ")), "{printed}");
    }
    let restored = stage.site.path("restored/bad/victim");
    let names = fs::read_dir(&restored)?.count();
    ensure!(names == 10, "{names} names were restored");
    let around = fs::read_dir(stage.site.path("restored"))?.count();
    ensure!(around == 1, "{around} names beside the source's folder");
    Ok(())
}
