//! Maintenance mode against a real server: who is held off, who is not, and what is there afterwards.

mod native;

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use lockgate_plugin::Failure;
use lockgate_plugin_mariadb::config::Config;
use lockgate_plugin_mariadb::maintenance::{MARKER, enter, leave};
use lockgate_servers::MariaDb;
use native::{Native, Run};

/// A server with a table, an account for lockgate, and one of a client's.
fn server() -> Result<(MariaDb, Native, Config)> {
    let server = MariaDb::start()?;
    server.sql(
        "CREATE DATABASE shop; CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, v INT);
         INSERT INTO shop.orders (v) VALUES (1), (2);
         CREATE USER 'keeper'@'%' IDENTIFIED BY 'k'; GRANT ALL PRIVILEGES ON *.* TO 'keeper'@'%' WITH GRANT OPTION;
         CREATE USER 'clerk'@'localhost' IDENTIFIED BY 'c'; GRANT ALL PRIVILEGES ON shop.* TO 'clerk'@'localhost'",
    )?;
    let plain = native::at(&server, "keeper", "k");
    let config = Config { include: vec!["shop".to_owned()], users: false, ..Config::default() };
    Ok((server, plain, config))
}

fn clerk(server: &MariaDb, statement: &str) -> Command {
    let mut command = server.client();
    command.args(["--user=clerk", "--password=c", "--execute", statement]);
    command
}

fn insert(server: &MariaDb) -> Result<String> {
    let output = clerk(server, "INSERT INTO shop.orders (v) VALUES (3)").output()?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

fn state(server: &MariaDb) -> Result<(bool, bool)> {
    let read_only = server.sql("SELECT @@GLOBAL.read_only")?.trim() == "1";
    let marked = !server.sql(&format!("SHOW DATABASES LIKE '{MARKER}'"))?.trim().is_empty();
    Ok((read_only, marked))
}

#[test]
fn writers_are_held_off_and_a_restore_is_not() -> Result<()> {
    let (server, plain, config) = server()?;
    let archive = plain.backup(&config, || Ok(()))?;
    let (is_over, host) = (AtomicBool::new(false), plain.fresh());
    std::thread::scope(|scope| -> Result<()> {
        // A client in the middle of its work.
        let writer = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                insert(&server).ok();
            }
        });
        let entered = enter(&host, &config).map_err(lockgate_plugin::Error::from);
        let before = server.sql("SELECT COUNT(*) FROM shop.orders")?;
        std::thread::sleep(std::time::Duration::from_millis(700));
        let after = server.sql("SELECT COUNT(*) FROM shop.orders")?;
        is_over.store(true, Ordering::Relaxed);
        writer.join().ok();
        entered?;
        ensure!(before == after, "{before} to {after} rows");
        Ok(())
    })?;
    ensure!(insert(&server)?.contains("ERROR 1290"), "{}", insert(&server)?);
    // Twice is once; a backup knows nothing of it; a restore comes through.
    enter(&plain.fresh(), &config).map_err(lockgate_plugin::Error::from)?;
    ensure!(state(&server)? == (true, true));
    let all = Config { users: false, ..Config::default() };
    let within = plain.backup(&all, || Ok(()))?;
    ensure!(within.parts.keys().all(|id| id.starts_with("shop/")), "{:?}", within.parts.keys());
    let mut request = archive.request(|_| true);
    request.overwrite = true;
    plain.restore(&archive, &config, &request)?;
    ensure!(server.sql("SELECT COUNT(*) FROM shop.orders")?.trim() == "2");
    ensure!(insert(&server)?.contains("ERROR 1290"), "the restore ended it");
    for _ in 0..2 {
        leave(&plain.fresh(), &config).map_err(lockgate_plugin::Error::from)?;
        ensure!(state(&server)? == (false, false));
        ensure!(insert(&server)?.is_empty());
    }
    Ok(())
}

#[test]
fn what_was_before_comes_back_also_after_a_kill() -> Result<()> {
    let (mut server, plain, config) = server()?;
    let run = |step: fn(&Native, &Config) -> Result<(), lockgate_plugin_mariadb::error::Error>| {
        step(&plain.fresh(), &config).map_err(lockgate_plugin::Error::from)
    };
    // A server that its operator made read-only stays that.
    server.sql("SET GLOBAL read_only = 1")?;
    run(enter)?;
    run(leave)?;
    ensure!(state(&server)? == (true, false), "{:?}", state(&server)?);
    server.sql("SET GLOBAL read_only = 0")?;
    // Killed between the two steps of entering, and between those of leaving.
    server.sql(&format!("CREATE DATABASE {MARKER}"))?;
    run(leave)?;
    ensure!(state(&server)? == (false, false));
    server.sql(&format!("CREATE DATABASE {MARKER}"))?;
    run(enter)?;
    ensure!(state(&server)? == (true, true));
    // A server that was started anew is as its configuration says; the mode is known and can be entered again.
    server.kill();
    server.restart()?;
    ensure!(state(&server)? == (false, true));
    run(enter)?;
    ensure!(state(&server)? == (true, true));
    run(leave)?;
    ensure!(state(&server)? == (false, false));

    // Without the privilege nothing is changed, and it is told.
    server.sql("REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'keeper'@'%'; GRANT SELECT, CREATE, DROP, BINLOG ADMIN ON *.* TO 'keeper'@'%'")?;
    let error = run(enter).expect_err("a change without the privilege");
    ensure!(matches!(error.failure(), Failure::Auth(_)), "{error}");
    ensure!(state(&server)? == (false, false));
    Ok(())
}
