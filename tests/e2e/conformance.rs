//! `lockgate plugin test`: the suite passes what is right, fails what is wrong in the case that shows it, and is not kept
//! waiting by a driver that misbehaves.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use lockgate_servers::Prerequisite;
use lockgate_tests::{Lockgate, Outcome, Site};
use serde_json::Value;

/// The example of the documentation: a driver for folders.
const EXAMPLE: &str = include_str!("../../sdk/conformance/example/folders.py");
/// "The plugin failed a case of the conformance suite."
const NOT_CONFORMING: i32 = 25;
/// "Failed for a reason that has no code of its own."
const FAILED: i32 = 1;

/// Runs cases with the example driver, changed where `changes` say so.
fn test(site: &Site, changes: &[(&str, &str)], cases: &[&str]) -> Result<Outcome> {
    lockgate_servers::install(&[Prerequisite::Python])?;
    let mut driver = EXAMPLE.to_owned();
    for (old, new) in changes {
        ensure!(driver.contains(old), "the example has no {old:?}");
        driver = driver.replacen(old, new, 1);
    }
    fs::write(site.path("driver.py"), driver)?;
    let path = site.text("driver.py");
    let mut arguments = vec!["--json", "plugin", "test", "files"];
    arguments.extend(cases.iter().flat_map(|case| ["--case", case]));
    arguments.extend(["--driver", "python3", &path]);
    site.lockgate.run(&arguments)
}

/// The result and the reason of a case in what was printed.
fn result(outcome: &Outcome, case: &str) -> Result<(String, String)> {
    let messages = outcome.stdout.lines().filter_map(|line| serde_json::from_str(line).ok());
    let text = |message: &Value, key: &str| {
        message.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let found = messages.into_iter().find(|message: &Value| {
        text(message, "message_type") == "case" && text(message, "name") == case
    });
    let found = found.with_context(|| format!("no case {case}: {outcome:?}"))?;
    Ok((text(&found, "result"), text(&found, "reason")))
}

/// Demands that a wrong driver (or a plugin that it makes look wrong) fails this case, for this reason.
fn fails(changes: &[(&str, &str)], case: &str, words: &str) -> Result<()> {
    let site = Site::local()?;
    let outcome = test(&site, changes, &[case])?;
    let (result, reason) = result(&outcome, case)?;
    println!("{case}: {result}: {reason}");
    ensure!(outcome.code == Some(NOT_CONFORMING) && result == "failed", "{outcome:?}");
    ensure!(reason.contains(words), "expected {words:?}: {reason}");
    Ok(())
}

#[test]
fn the_example_driver_of_the_documentation_passes() -> Result<()> {
    let site = Site::local()?;
    let outcome = test(&site, &[], &[])?;
    ensure!(outcome.code == Some(0), "{outcome:?}");
    let summary = outcome.summary()?;
    let cases = summary.get("cases").and_then(Value::as_array).context("cases")?;
    let count = |wanted: &str| {
        cases.iter().filter(|case| case.get("result").is_some_and(|it| it == wanted)).count()
    };
    ensure!(count("passed") >= 17 && count("skipped") == 6 && count("failed") == 0, "{summary}");
    Ok(())
}

#[test]
fn a_restore_that_loses_something_fails() -> Result<()> {
    // As the driver sees it, the target holds something else than the source.
    let changed = [("= describe(path)", "= describe(path) + self.top")];
    fails(&changed, "restore-twice", "source and restored differ")?;
    fails(&changed, "odd-names", "source and restored differ")
}

#[test]
fn what_is_left_on_the_server_fails() -> Result<()> {
    let left = [(
        "return [name for name in self.contents() if \"lockgate\" in name]",
        "return [\"session 17\"]",
    )];
    fails(&left, "nothing-left", "session 17")
}

#[test]
fn a_plugin_that_accepts_an_unknown_version_fails() -> Result<()> {
    // A version that is stored somewhere, and a plugin that never looks.
    let disguised = [
        (
            "    \"wrong-version\": \"the kernel keeps its promises to programs: there is no version\",\n",
            "",
        ),
        (
            "    if verb == \"drop\":",
            "    if verb == \"disguise\":\n        return {\"stored\": True}\n    if verb == \"drop\":",
        ),
    ];
    fails(&disguised, "wrong-version", "expected exit code [19]")
}

#[test]
fn a_backup_of_several_moments_fails() -> Result<()> {
    let torn = [("if len(lines) != LINES or len(set(lines)) != 1:", "if len(lines) == LINES:")];
    fails(&torn, "concurrent-writes", "several moments")?;
    let idle = [("            self.changes += 1\n", "            pass\n")];
    fails(&idle, "concurrent-writes", "changed nothing")
}

#[test]
fn a_selection_with_more_than_was_asked_for_fails() -> Result<()> {
    let narrow = [("\"objects\": [\"'media/song'\"]", "\"objects\": []")];
    fails(&narrow, "selective-restore", "is too much")
}

/// Runs a case with a driver that is a line of shell.
fn with_shell(site: &Site, lockgate: &Lockgate, script: &str) -> Result<Outcome> {
    fs::write(site.path("driver.sh"), script)?;
    let path = site.text("driver.sh");
    lockgate.run(&["plugin", "test", "files", "--case", "empty", "--driver", "sh", &path])
}

const DESCRIBE: &str =
    "read -r line; echo '{\"ok\": {\"plugin\": \"files\", \"server-version\": \"Linux 6\"}}'\n";

#[test]
fn a_driver_that_misbehaves_is_told_and_waited_for_no_longer_than_its_time() -> Result<()> {
    let site = Site::local()?;
    let lockgate = site.lockgate.clone().with("LOCKGATE_DRIVER_SECONDS", "2");
    let later = |script: &str| format!("{DESCRIBE}{script}");
    for (script, code, words) in [
        ("exit 0\n".to_owned(), FAILED, "ended"),
        ("echo hello; sleep 4\n".to_owned(), FAILED, "neither"),
        ("sleep 4\n".to_owned(), FAILED, "did not answer within 2s"),
        ("tr '\\0' x < /dev/zero\n".to_owned(), FAILED, "longer than 64 MiB"),
        ("printf '{\"ok\"'; exit 0\n".to_owned(), FAILED, "in the middle of a line"),
        (DESCRIBE.replace("files", "other"), FAILED + 1, "the driver is for other"),
        (DESCRIBE.replace("Linux 6", "\\u001b[31m"), FAILED, "of itself"),
        (later("read -r line; echo '{\"error\": \"no disk\"}'\n"), NOT_CONFORMING, "no disk"),
        (
            later("read -r line; echo '{\"ok\": {\"server\": 1, \"more\": 2}}'\n"),
            NOT_CONFORMING,
            "unknown field",
        ),
        (later("read -r line; sleep 4\n"), NOT_CONFORMING, "did not answer within 2s"),
    ] {
        let outcome = with_shell(&site, &lockgate, &script)?;
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        ensure!(outcome.code == Some(code) && said.contains(words), "{words:?}: {outcome:?}");
    }
    Ok(())
}

#[test]
fn wrong_arguments_are_explained() -> Result<()> {
    let site = Site::local()?;
    let outcome = test(&site, &[], &["no-such-case"])?;
    ensure!(outcome.code == Some(FAILED), "{outcome:?}");
    ensure!(outcome.stdout.contains("there is no case no-such-case"), "{outcome:?}");
    let outcome =
        site.lockgate.run(&["plugin", "test", "files", "--driver", "/no/such/program"])?;
    ensure!(
        outcome.code == Some(FAILED) && outcome.error_line().contains("/no/such/program"),
        "{outcome:?}"
    );
    let outcome = site.lockgate.run(&["plugin", "test", "files"])?;
    ensure!(outcome.code == Some(2), "{outcome:?}");
    Ok(())
}

#[test]
fn reports_become_one_table() -> Result<()> {
    let site = Site::local()?;
    lockgate_servers::install(&[Prerequisite::Python])?;
    fs::write(site.path("driver.py"), EXAMPLE)?;
    let (driver, reports) = (site.text("driver.py"), site.text("reports"));
    let arguments = [
        "plugin",
        "test",
        "files",
        "--case",
        "dry-run",
        "--reports",
        &reports,
        "--driver",
        "python3",
    ];
    let outcome = site.lockgate.ok(&[&arguments[..], &[driver.as_str()]].concat())?;
    ensure!(outcome.stdout.contains("passed   dry-run"), "{outcome:?}");
    let names = std::fs::read_dir(&reports)?.map(|entry| Ok(entry?.path()));
    let names = names.collect::<Result<Vec<_>>>()?;
    ensure!(names.iter().any(|name| name.extension().is_some_and(|it| it == "txt")), "{names:?}");
    let table = site.lockgate.ok(&["plugin", "test", "--table", &reports])?.stdout;
    ensure!(table.contains("| [dry-run](#what-each-case-shows) | passed |"), "{table}");
    ensure!(table.contains("| [empty](#what-each-case-shows) | not run |"), "{table}");
    Ok(())
}
