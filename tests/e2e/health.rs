//! What plugins see in live datastores, told with a severity and an exit code.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::Site;
use lockgate_tests::bank::{Bank, source};
use serde_json::Value;

/// All messages of a run with `--json`.
fn messages(stdout: &str) -> Result<Vec<Value>> {
    stdout.lines().map(|line| serde_json::from_str(line).context("a line is not JSON")).collect()
}

fn of_type<'a>(messages: &'a [Value], wanted: &str) -> Vec<&'a Value> {
    messages.iter().filter(|message| message["message_type"] == wanted).collect()
}

#[test]
fn all_sources_are_looked_at_and_a_critical_finding_has_its_exit_code() -> Result<()> {
    let site = Site::local()?;
    let bank = Bank::open(10)?;
    fs::create_dir(site.path("data"))?;
    fs::write(site.path("data/one"), b"content")?;
    fs::write(site.path("secret"), "backup secret")?;
    let folder = format!(
        "[sources.home]\nplugin = \"files\"\nfolders.data = {{ path = \"{}\", access = \"read-write\" }}\n",
        site.text("data")
    );
    let shop = source("shop", bank.server.port, &site.text("secret"));
    let lockgate = site.configured(&format!("{shop}{folder}"))?;

    // No repository was made: none is needed.
    let well = lockgate.ok(&["health"])?;
    for line in ["ok        reachable: ", "ok        readable: folder data can be read"] {
        ensure!(well.stdout.contains(line), "{well:?}");
    }
    ensure!(well.stdout.contains("source home: all well in "), "{well:?}");

    bank.server.sql("REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'backup'@'%'; GRANT SELECT ON *.* TO 'backup'@'%'")?;
    let ill = lockgate.run(&["health", "--json", "shop"])?;
    ensure!(ill.code == Some(24), "{ill:?}");
    let told = messages(&ill.stdout)?;
    let findings = of_type(&told, "finding");
    let grave = findings.iter().find(|finding| finding["severity"] == "critical");
    let grave = grave.with_context(|| format!("{ill:?}"))?;
    ensure!(grave["source"] == "shop" && grave["code"] == "privilege-missing", "{grave}");
    ensure!(grave["attributes"]["privilege"] == "RELOAD", "{grave}");
    let summary = *of_type(&told, "summary").last().context("no summary")?;
    ensure!(summary["worst"] == "critical" && summary["critical"] == 1, "{summary}");
    let shown = lockgate.run(&["health"])?;
    ensure!(shown.code == Some(24) && shown.stdout.contains("source home: all well"), "{shown:?}");
    ensure!(shown.stdout.contains("source shop: 1 critical"), "{shown:?}");

    let healthy = lockgate.ok(&["health", "home"])?;
    ensure!(!healthy.stdout.contains("shop"), "{healthy:?}");
    Ok(())
}

#[test]
fn a_source_that_cannot_be_looked_at_does_not_hide_the_others() -> Result<()> {
    let site = Site::local()?;
    fs::create_dir(site.path("data"))?;
    fs::write(site.path("secret"), "whatever")?;
    // Nobody listens on port 1.
    let gone = source("gone", 1, &site.text("secret"));
    let home = format!(
        "[sources.home]\nplugin = \"files\"\nfolders.data = {{ path = \"{}\" }}\n",
        site.text("data")
    );
    let lockgate = site.configured(&format!("{gone}{home}"))?;
    let outcome = lockgate.run(&["health"])?;
    ensure!(outcome.code == Some(13), "{outcome:?}");
    ensure!(outcome.stdout.contains("folder data can be read"), "{outcome:?}");
    ensure!(outcome.stderr.contains("plugin gone, "), "{outcome:?}");
    let unknown = lockgate.run(&["health", "other"])?;
    ensure!(unknown.code == Some(2), "{unknown:?}");
    Ok(())
}
