//! Maintenance mode against a real server, through the built `lockgate`: who is held off, and what is there afterwards.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use lockgate_conformance::command::{Lockgate, plugins};
use lockgate_servers::PostgreSql;
use tempfile::TempDir;

struct Place {
    server: PostgreSql,
    lockgate: Lockgate,
    _folder: TempDir,
}

impl Place {
    fn new() -> Result<Self> {
        let server = PostgreSql::start()?;
        server.sql(
            "postgres",
            "CREATE ROLE keeper SUPERUSER LOGIN PASSWORD 'k'; CREATE ROLE clerk LOGIN",
        )?;
        for database in ["shop", "ledger", "other"] {
            server.sql("postgres", &format!("CREATE DATABASE {database} OWNER clerk"))?;
            server.sql(
                database,
                "CREATE TABLE orders (id INT); INSERT INTO orders VALUES (1), (2); ALTER TABLE orders OWNER TO clerk",
            )?;
        }
        let folder = TempDir::new()?;
        let text = format!(
            "[repositories.main]\nurl = \"fs:{}\"\n[sources.shop]\nplugin = \"postgresql\"\n\
             config = {{ databases = [\"shop\", \"ledger\"] }}\n\
             endpoints.server = {{ address = \"{}:{}\", encryption = \"off\" }}\n\
             credentials.account = {{ principal = \"keeper\", secret-command = [\"printf\", \"k\"] }}\n",
            folder.path().join("repository").display(),
            server.host,
            server.port
        );
        let configuration = folder.path().join("config.toml");
        fs::write(&configuration, text)?;
        let lockgate =
            Lockgate::new(folder.path(), &plugins()?)?.with("LOCKGATE_CONFIG", &configuration);
        lockgate.ok(&["plugin", "lock"])?;
        Ok(Self { server, lockgate, _folder: folder })
    }

    fn step(&self, step: &str) -> Result<()> {
        self.lockgate.ok(&["maintenance", "shop", step]).map(drop)
    }

    /// Whether a client's write is refused.
    fn is_held_off(&self, database: &str) -> Result<bool> {
        match self.server.sql(database, "INSERT INTO orders VALUES (3)") {
            Ok(_) => Ok(false),
            Err(error) => {
                let text = error.to_string();
                ensure!(text.contains("read-only transaction"), "{text}");
                Ok(true)
            }
        }
    }

    /// The settings of all databases, and of roles in them.
    fn settings(&self) -> Result<String> {
        self.server.sql(
            "postgres",
            "SELECT d.datname, s.setrole::regrole, s.setconfig FROM pg_db_role_setting s \
             LEFT JOIN pg_database d ON d.oid = s.setdatabase ORDER BY 1, 2",
        )
    }
}

#[test]
fn writers_are_held_off_and_a_restore_is_not() -> Result<()> {
    let place = Place::new()?;
    place.lockgate.ok(&["init"])?;
    place.server.sql("postgres", "ALTER DATABASE ledger SET default_transaction_read_only TO off; ALTER DATABASE ledger SET work_mem TO '8MB'")?;
    let before = place.settings()?;
    place.lockgate.ok(&["backup", "shop"])?;

    // A client that was there before, and writes after.
    let mut client = place.server.client("psql");
    client.args(["--dbname=shop", "--quiet", "--no-psqlrc"]);
    let mut client =
        client.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut input = client.stdin.take().context("input")?;
    input.write_all(b"CREATE TABLE begun (id INT);\n")?;
    input.flush()?;
    let is_there = || place.server.sql("shop", "SELECT to_regclass('begun') IS NOT NULL");
    for _ in 0..100 {
        if is_there()?.trim() == "t" {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    place.step("enter")?;
    // It may be gone already, which is as good.
    input.write_all(b"INSERT INTO orders VALUES (99);\n").ok();
    drop(input);
    client.wait()?;
    let late = place.server.sql("shop", "SELECT count(*) FROM orders WHERE id = 99")?;
    ensure!(late.trim() == "0", "a session that was there wrote");
    ensure!(place.is_held_off("shop")? && place.is_held_off("ledger")?);
    ensure!(!place.is_held_off("other")?, "a database that is not taken was held off");

    place.step("enter")?;
    // What is saved in this mode is what would be saved without, and what is restored stays in it.
    place.server.sql("shop", "SET default_transaction_read_only TO off; DROP TABLE begun")?;
    place.lockgate.ok(&["backup", "shop"])?;
    place.lockgate.ok(&["restore", "latest", "--overwrite"])?;
    ensure!(place.is_held_off("shop")? && place.is_held_off("ledger")?, "the restore ended it");
    ensure!(place.server.sql("shop", "SELECT count(*) FROM orders")?.trim() == "2");
    for _ in 0..2 {
        place.step("leave")?;
        ensure!(place.settings()? == before, "{}\n{before}", place.settings()?);
    }
    ensure!(!place.is_held_off("shop")? && !place.is_held_off("ledger")?);
    Ok(())
}

#[test]
fn what_was_before_comes_back_also_after_a_kill() -> Result<()> {
    let place = Place::new()?;
    // A database that its operator made read-only stays that.
    place
        .server
        .sql("postgres", "ALTER DATABASE ledger SET default_transaction_read_only TO on")?;
    let before = place.settings()?;
    place.step("leave")?;
    ensure!(place.settings()? == before, "what was never entered was changed");
    place.step("enter")?;
    place.step("leave")?;
    ensure!(place.settings()? == before && place.is_held_off("ledger")?, "{}", place.settings()?);
    // Killed after one of the two databases, and in the middle of leaving.
    for left in ["TO on", "TO off"] {
        place.server.sql(
            "postgres",
            &format!(
                "ALTER DATABASE shop SET lockgate.maintenance TO 'unset'; ALTER DATABASE shop SET default_transaction_read_only {left}"
            ),
        )?;
        place.step("leave")?;
        ensure!(place.settings()? == before, "{}", place.settings()?);
    }
    ensure!(!place.is_held_off("shop")?);
    Ok(())
}
