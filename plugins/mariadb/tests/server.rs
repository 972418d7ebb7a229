//! Against a real MariaDB server, natively.

mod native;

use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use lockgate_plugin::Failure;
use lockgate_plugin_mariadb::config::{Config, Lock};
use lockgate_servers::MariaDb;
use native::{Archive, Native};

const PASSWORD: &str = "p4ss";

fn server() -> &'static MariaDb {
    static SERVER: OnceLock<MariaDb> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = MariaDb::start().expect("MariaDB starts");
        let user = format!(
            "CREATE USER 'keeper'@'%' IDENTIFIED BY '{PASSWORD}';
             GRANT ALL PRIVILEGES ON *.* TO 'keeper'@'%' WITH GRANT OPTION;"
        );
        server.sql(&user).expect("the account is made");
        server
    })
}

fn native(server: &MariaDb) -> Native {
    Native {
        address: format!("{}:{}", server.host, server.port),
        user: "keeper".to_owned(),
        password: PASSWORD.to_owned(),
        ..Native::default()
    }
}

fn config(database: &str) -> Config {
    Config { include: vec![database.to_owned()], users: false, ..Config::default() }
}

fn backup(database: &str) -> Result<Archive> {
    native(server()).backup(&config(database), || Ok(()))
}

fn rename(archive: &Archive, pairs: &[(&str, &str)]) -> lockgate_plugin::RestoreRequest {
    let mut request = archive.request(|_| true);
    request.rename =
        pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
    request
}

/// What the client shows of all tables, byte for byte.
fn dump(database: &str, tables: &[&str]) -> Result<Vec<String>> {
    let rows = |table: &&str| server().sql(&format!("SELECT * FROM {database}.{table} ORDER BY 1"));
    tables.iter().map(rows).collect()
}

const TYPES: &str = include_str!("types.sql");

const TABLES: [&str; 11] = [
    "numbers", "times", "texts", "bytes", "made", "keyless", "prefixed", "parts", "old", "past",
    "nothing",
];

#[test]
fn every_type_comes_back_by_file_and_by_insert() -> Result<()> {
    let server = server();
    server.sql(&format!(
        "CREATE DATABASE kinds CHARACTER SET latin1; USE kinds; SET NAMES utf8mb4; {TYPES}"
    ))?;
    let archive = backup("kinds")?;
    ensure!(archive.findings.iter().any(|found| found.message.contains("`kinds`.`old` (MyISAM)")));
    let plain = native(server);
    for (copy, local_infile) in [("kinds_file", "ON"), ("kinds_insert", "OFF")] {
        server.sql(&format!("SET GLOBAL local_infile = {local_infile}"))?;
        let restored =
            archive.restore(&plain, &config(copy), &rename(&archive, &[("kinds", copy)]));
        server.sql("SET GLOBAL local_infile = ON")?;
        restored.context(copy)?;
        ensure!(dump("kinds", &TABLES)? == dump(copy, &TABLES)?, "{copy} differs");
        let next = server.sql(&format!(
            "INSERT INTO {copy}.made (d) VALUES (40); SELECT MAX(id) FROM {copy}.made"
        ))?;
        ensure!(next.trim() == "3", "the next number is {next}");
    }
    Ok(())
}

#[test]
fn an_unchanged_table_gives_the_same_bytes() -> Result<()> {
    server().sql("CREATE DATABASE same; USE same; CREATE TABLE a (id INT PRIMARY KEY, v TEXT); INSERT INTO a SELECT seq, MD5(seq) FROM seq_1_to_1000;")?;
    let (one, two) = (backup("same")?, backup("same")?);
    for (id, (_, summary, entries)) in &one.parts {
        let (_, again_summary, again) = two.parts.get(id).context("a part is gone")?;
        ensure!(entries == again && summary == again_summary, "{id} differs");
    }
    server().sql("UPDATE same.a SET v = 'changed' WHERE id = 500")?;
    let three = backup("same")?;
    ensure!(one.parts["same/a"].1.fingerprint != three.parts["same/a"].1.fingerprint);
    Ok(())
}
