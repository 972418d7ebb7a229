//! A database in a real server, backed up while money moves.

use anyhow::{Result, ensure};
use lockgate_tests::Site;
use lockgate_tests::bank::{Bank, empty_server};
use serde_json::Value;

const ACCOUNTS: u64 = 20_000;

/// Definitions and data in a form that can be compared.
const LOOK: &str = "SELECT * FROM bank.kinds ORDER BY id; SELECT * FROM bank.`odd name/with.dots` ORDER BY 1;
    SELECT COUNT(*) >= 0 FROM bank.rich; SELECT bank.twice(21); SHOW CREATE TABLE bank.account; SHOW CREATE VIEW bank.rich;
    SELECT TRIGGER_NAME, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'bank';
    SELECT EVENT_NAME, EVENT_DEFINITION, STATUS FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'bank';
    SHOW GRANTS FOR 'teller'@'localhost'; SHOW CREATE USER 'teller'@'localhost'";

#[test]
fn a_busy_database_is_saved_at_one_moment() -> Result<()> {
    let site = Site::s3()?;
    let bank = Bank::open(ACCOUNTS)?;
    bank.decorate()?;
    let target = empty_server()?;
    let lockgate = bank.configure(&site, Some(&target))?;
    lockgate.ok(&["init"])?;

    let transfers = bank.transfer(ACCOUNTS)?;
    lockgate.ok(&["backup", "shop"])?;
    transfers.stop()?;

    let plan = lockgate.ok(&["restore", "latest", "--into", "other", "--dry-run"])?;
    ensure!(plan.stdout.contains("saved by mariadb 0.1.0 of MariaDB 10."), "{plan:?}");
    ensure!(plan.stdout.contains("bank/account  make table"), "{plan:?}");
    let summary = lockgate.summary(&["restore", "latest", "--into", "other"])?;
    let compared = summary.get("fingerprints_equal").and_then(Value::as_u64).unwrap_or_default();
    ensure!(compared >= 4, "fingerprints were not compared: {summary}");
    let sum = target.sql("SELECT SUM(balance), COUNT(*) FROM bank.account")?;
    ensure!(sum.trim() == format!("{}\t{ACCOUNTS}", ACCOUNTS * 1000), "{sum}");
    let (restored, original) = (target.sql(LOOK)?, bank.server.sql(LOOK)?);
    for (restored, original) in restored.lines().zip(original.lines()) {
        ensure!(restored == original, "expected {original}\nrestored {restored}");
    }
    ensure!(restored.lines().count() == original.lines().count(), "lines are missing");
    site.restic_check()?;
    Ok(())
}

#[test]
fn one_table_comes_back_under_another_name() -> Result<()> {
    let site = Site::local()?;
    let bank = Bank::open(1000)?;
    bank.decorate()?;
    let lockgate = bank.configure(&site, None)?;
    lockgate.ok(&["init"])?;
    lockgate.ok(&["backup", "shop"])?;

    let refused = lockgate.run(&["restore", "latest", "--part", "bank/account"])?;
    ensure!(refused.code == Some(20), "a table in the way was replaced: {refused:?}");
    lockgate.ok(&[
        "restore",
        "latest",
        "--part",
        "bank/account",
        "--rename",
        "bank.account=bank.account_before",
    ])?;
    let rows = bank.server.sql("SELECT COUNT(*) FROM bank.account_before")?;
    ensure!(rows.trim() == "1000", "{rows}");

    bank.server.sql("DELETE FROM bank.account")?;
    lockgate.ok(&["restore", "latest", "--part", "bank/account", "--overwrite"])?;
    ensure!(bank.sum("bank")?.trim() == "1000000\t1000", "the table did not come back");
    Ok(())
}

#[test]
fn an_unchanged_database_costs_almost_nothing() -> Result<()> {
    let site = Site::local()?;
    let bank = Bank::open(200_000)?;
    let lockgate = bank.configure(&site, None)?;
    lockgate.ok(&["init"])?;
    let first = lockgate.summary(&["backup", "shop"])?;
    let second = lockgate.summary(&["backup", "shop"])?;
    let stored =
        |summary: &Value| summary.get("bytes_stored").and_then(Value::as_u64).unwrap_or(u64::MAX);
    ensure!(stored(&second) * 100 < stored(&first), "{} after {}", stored(&second), stored(&first));
    Ok(())
}
