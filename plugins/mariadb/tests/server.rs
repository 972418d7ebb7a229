//! Against a real MariaDB server, natively.

mod native;

use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, ensure};
use lockgate_plugin::Failure;
use lockgate_plugin::native::Archive;
use lockgate_plugin_mariadb::config::{Config, Lock};
use lockgate_servers::MariaDb;
use native::{Native, Run};

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
    native::at(server, "keeper", PASSWORD)
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
            plain.restore(&archive, &config(copy), &rename(&archive, &[("kinds", copy)]));
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
    server().sql(
        "CREATE DATABASE same; USE same; CREATE TABLE a (id INT PRIMARY KEY, v TEXT);
      INSERT INTO a SELECT seq, MD5(seq) FROM seq_1_to_1000;",
    )?;
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

/// What the server says of everything that is not a row, without the name of the database.
/// What `database` holds, as text. Names that differ only in case have an order too.
fn describe_objects(database: &str) -> Result<String> {
    let place = format!("= '{database}'");
    let text = server().sql(&format!(
        "SELECT ROUTINE_TYPE, ROUTINE_NAME, ROUTINE_DEFINITION, SQL_MODE, SECURITY_TYPE, ROUTINE_COMMENT, CHARACTER_SET_CLIENT, DEFINER
           FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA {place} ORDER BY 1, 2;
         SELECT TRIGGER_NAME, ACTION_ORDER, ACTION_STATEMENT, DEFINER, SQL_MODE FROM information_schema.TRIGGERS
           WHERE TRIGGER_SCHEMA {place} ORDER BY 1;
         SELECT TABLE_NAME, VIEW_DEFINITION, CHECK_OPTION, DEFINER, SECURITY_TYPE, ALGORITHM
           FROM information_schema.VIEWS WHERE TABLE_SCHEMA {place} ORDER BY 1;
         SELECT EVENT_NAME, EVENT_DEFINITION, TIME_ZONE, STARTS, STATUS, ON_COMPLETION, EVENT_COMMENT
           FROM information_schema.EVENTS WHERE EVENT_SCHEMA {place};
         SELECT TABLE_NAME, TABLE_TYPE, TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA {place}
           ORDER BY HEX(TABLE_NAME);
         SELECT CONSTRAINT_NAME, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS
           WHERE CONSTRAINT_SCHEMA {place} ORDER BY 1;
         SELECT next_not_cached_value, increment FROM {database}.numbers; SELECT * FROM {database}.a_top;
           SELECT {database}.piped();
         SELECT * FROM {database}.`order/line`; SELECT * FROM {database}.`_schema`; SELECT * FROM {database}.`käse % ``x```"
    ))?;
    Ok(text.replace(database, "DATABASE"))
}

#[test]
fn views_triggers_routines_events_sequences_and_odd_names_come_back() -> Result<()> {
    let objects = include_str!("objects.sql");
    server().sql(&format!(
        "CREATE DATABASE things COLLATE utf8mb4_german2_ci COMMENT 'of the shop'; USE things;
      SET NAMES utf8mb4;\n{objects}"
    ))?;
    let archive = backup("things")?;
    for id in [
        "things/_schema",
        "things/_views",
        "things/%5Fschema",
        "things/order%2Fline",
        "things/%2E.",
    ] {
        ensure!(archive.parts.contains_key(id), "no part {id} in {:?}", archive.parts.keys());
    }
    let renamed = rename(&archive, &[("things", "others")]);
    // The configuration names the database as it was saved; what is compared is what it became.
    native(server()).restore(&archive, &config("things"), &renamed)?;
    let (saved, restored) = (describe_objects("things")?, describe_objects("others")?);
    ensure!(saved == restored, "saved:\n{saved}\nrestored:\n{restored}");
    let options = server().sql(
        "SELECT DEFAULT_COLLATION_NAME, SCHEMA_COMMENT FROM information_schema.SCHEMATA
      WHERE SCHEMA_NAME = 'others'",
    )?;
    ensure!(options.trim() == "utf8mb4_german2_ci\tof the shop", "{options}");
    // Again, over what is there.
    let refused = native(server()).restore(&archive, &config("things"), &renamed);
    let failure = refused.unwrap_err().to_string();
    ensure!(failure.contains("overwrite"), "{failure}");
    let mut again = renamed;
    again.overwrite = true;
    native(server()).restore(&archive, &config("things"), &again)?;
    let overwritten = describe_objects("others")?;
    ensure!(saved == overwritten, "saved:\n{saved}\noverwritten:\n{overwritten}");
    Ok(())
}

#[test]
fn one_table_comes_back_beside_the_old_one_with_its_triggers() -> Result<()> {
    server().sql(
        "CREATE DATABASE single; USE single; CREATE TABLE p (id INT PRIMARY KEY);
         CREATE TABLE t (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES p (id)); CREATE TABLE u (id INT);
         INSERT INTO p VALUES (1); INSERT INTO t VALUES (1, 1); CREATE TRIGGER trg BEFORE DELETE ON t FOR EACH ROW SET @x = 1;",
    )?;
    let archive = backup("single")?;
    let mut request = archive.request(|id| id == "single/t");
    request.rename = vec![("single.t".to_owned(), "t_before".to_owned())];
    native(server()).restore(&archive, &config("single"), &request)?;
    let seen = server().sql(
        "SELECT * FROM single.t_before; SELECT TRIGGER_NAME FROM information_schema.TRIGGERS
          WHERE EVENT_OBJECT_TABLE = 't_before';
         SELECT TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = 'single' ORDER BY 1",
    )?;
    ensure!(seen == "1\t1\ntrg_t_before\nt\nt_before\n", "{seen}");
    request.rename = vec![("single.none".to_owned(), "x".to_owned())];
    let refused = native(server()).restore(&archive, &config("single"), &request);
    ensure!(refused.unwrap_err().to_string().contains("single.none"));
    Ok(())
}

#[test]
fn accounts_and_roles_come_back_on_another_server() -> Result<()> {
    let (one, other) = (MariaDb::start()?, MariaDb::start()?);
    for server in [&one, &other] {
        server.sql(&format!(
            "CREATE USER 'keeper'@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL PRIVILEGES ON *.* TO 'keeper'@'%' WITH GRANT OPTION;
             GRANT PROXY ON ''@'%' TO 'keeper'@'%' WITH GRANT OPTION; CREATE DATABASE d;
               CREATE TABLE d.t (id INT, secret INT); CREATE FUNCTION d.f() RETURNS INT DETERMINISTIC RETURN 1;"
        ))?;
    }
    one.sql(
        r"CREATE ROLE reader; CREATE ROLE `odd role`; GRANT SELECT ON d.* TO reader; GRANT reader TO `odd role`;
          CREATE USER 'o''brien'@'10.%' IDENTIFIED BY 'x' REQUIRE SSL WITH MAX_USER_CONNECTIONS 3 PASSWORD EXPIRE NEVER ACCOUNT LOCK;
          GRANT reader TO 'o''brien'@'10.%' WITH ADMIN OPTION; SET DEFAULT ROLE reader FOR 'o''brien'@'10.%';
          GRANT SELECT (id), UPDATE (id) ON d.t TO 'o''brien'@'10.%'; GRANT EXECUTE ON FUNCTION d.f
            TO 'o''brien'@'10.%' WITH GRANT OPTION;
          CREATE USER 'plain'@'localhost'; GRANT INSERT ON `d`.`t` TO 'plain'@'localhost';
          CREATE USER 'back\\slash'@'localhost'; GRANT PROXY ON 'plain'@'localhost' TO 'back\\slash'@'localhost';
          ",
    )?;
    let config = Config { include: vec!["none".to_owned()], ..Config::default() };
    let archive = native(&one).backup(&config, || Ok(()))?;
    ensure!(archive.parts.keys().collect::<Vec<_>>() == ["_users"], "{:?}", archive.parts.keys());
    let mut request = archive.request(|_| true);
    request.overwrite = true;
    native(&other).restore(&archive, &config, &request)?;
    let look = r"SHOW CREATE USER 'o''brien'@'10.%'; SHOW GRANTS FOR 'o''brien'@'10.%'; SHOW GRANTS FOR reader;
      SHOW GRANTS FOR `odd role`;
                 SHOW GRANTS FOR 'plain'@'localhost'; SHOW GRANTS FOR 'back\\slash'@'localhost'";
    let lines = |server: &MariaDb| -> Result<Vec<String>> {
        let mut lines: Vec<String> = server.sql(look)?.lines().map(str::to_owned).collect();
        lines.sort();
        Ok(lines)
    };
    ensure!(lines(&one)? == lines(&other)?, "{:?}", lines(&other)?);
    // What is there is kept, unless it is to be overwritten; never the account that restores.
    other.sql("REVOKE INSERT ON d.t FROM 'plain'@'localhost'")?;
    request.overwrite = false;
    ensure!(
        native(&other).restore(&archive, &config, &request).is_err(),
        "the fingerprint should differ"
    );
    request.overwrite = true;
    native(&other).restore(&archive, &config, &request)?;
    ensure!(lines(&one)? == lines(&other)?);
    Ok(())
}

#[test]
fn transfers_during_the_backup_keep_the_sum() -> Result<()> {
    const ACCOUNTS: u64 = 2000;
    server().sql(&format!(
        "CREATE DATABASE bank; USE bank; CREATE TABLE one (id INT PRIMARY KEY, balance INT); CREATE TABLE two LIKE one;
         INSERT INTO one SELECT seq, 1000 FROM seq_1_to_{ACCOUNTS}; INSERT INTO two SELECT seq, 1000 FROM seq_1_to_{ACCOUNTS};"
    ))?;
    let mut transfers = Vec::new();
    for seed in 0..3 {
        let mut client = server().client();
        client.args(["bank", "--delimiter=//", "-e"]).arg(format!(
            "BEGIN NOT ATOMIC
              WHILE TRUE DO SET @m = FLOOR(RAND() * 100) + {seed},
               @a = FLOOR(1 + RAND() * {ACCOUNTS}), @b = FLOOR(1 + RAND() * {ACCOUNTS});
               START TRANSACTION; UPDATE one SET balance = balance - @m WHERE id = @a;
               UPDATE two SET balance = balance + @m WHERE id = @b; COMMIT; END WHILE; END"
        ));
        transfers.push(client.spawn()?);
    }
    let mut backed_up = Ok(());
    for round in 0..5 {
        let pause = || {
            // Writers go on between the consistent point and the export.
            let before = server().sql("SELECT SUM(balance) FROM bank.two")?;
            let moved = (0..1000).any(|_| {
                server().sql("SELECT SUM(balance) FROM bank.two").is_ok_and(|now| now != before)
            });
            ensure!(moved, "nothing moves");
            Ok(())
        };
        backed_up = native(server()).backup(&config("bank"), pause).and_then(|archive| {
            let copy = format!("bank_{round}");
            native(server()).restore(
                &archive,
                &config(&copy),
                &rename(&archive, &[("bank", &copy)]),
            )?;
            let sum = server().sql(&format!(
                "SELECT (SELECT SUM(balance) FROM {copy}.one) + (SELECT SUM(balance)
              FROM {copy}.two)"
            ))?;
            ensure!(sum.trim() == (2 * ACCOUNTS * 1000).to_string(), "round {round}: {sum}");
            Ok(())
        });
        if backed_up.is_err() {
            break;
        }
    }
    let were_running = transfers.iter_mut().all(|client| matches!(client.try_wait(), Ok(None)));
    for mut client in transfers {
        client.kill()?;
        client.wait()?;
    }
    // The server does not notice that nobody waits for the end of the loops.
    let loops = server().sql("SELECT id FROM information_schema.processlist WHERE db = 'bank'")?;
    for id in loops.split_whitespace() {
        server().sql(&format!("KILL {id}"))?;
    }
    ensure!(were_running, "the transfers stopped by themselves");
    backed_up
}

#[test]
fn rows_larger_than_a_packet_come_back() -> Result<()> {
    server().sql("CREATE DATABASE large; USE large; CREATE TABLE t (id INT PRIMARY KEY, b LONGBLOB, c LONGTEXT)")?;
    // 16 MiB - 1 is where a message needs a second frame; with the other cells some rows stand right at that edge.
    for (id, size) in [
        (1, 16_777_215),
        (2, 16_777_204),
        (3, 16_777_205),
        (4, 40_000_000),
        (5, 1_048_570),
        (6, 1 << 20),
    ] {
        server().sql(&format!("INSERT INTO large.t
          VALUES ({id}, REPEAT(0x5c0a0900, {size} DIV 4), NULL), ({id} + 10, LEFT(REPEAT('abc\\n', 12000000), {size}), 'x')"))?;
    }
    let archive = backup("large")?;
    native(server()).restore(
        &archive,
        &config("large2"),
        &rename(&archive, &[("large", "large2")]),
    )?;
    let sums = |database: &str| {
        server().sql(&format!("SELECT id, LENGTH(b), MD5(b), c FROM {database}.t ORDER BY id"))
    };
    ensure!(sums("large")? == sums("large2")?);
    Ok(())
}

#[test]
fn a_wrong_password_is_refused_in_one_line() -> Result<()> {
    let wrong = native::at(server(), "keeper", "wrong");
    let refused = wrong.backup(&Config::default(), || Ok(())).map(drop).unwrap_err();
    let error = refused.downcast_ref::<lockgate_plugin::Error>().context("another error")?;
    ensure!(matches!(error.failure(), Failure::Auth(_)), "{error:?}");
    ensure!(error.message().contains("Access denied for user 'keeper'@'127.0.0.1'"), "{error}");
    let nobody = Native { address: "127.0.0.1:1".to_owned(), ..native(server()) };
    let refused = nobody.backup(&Config::default(), || Ok(())).map(drop).unwrap_err();
    let error = refused.downcast_ref::<lockgate_plugin::Error>().context("another error")?;
    ensure!(matches!(error.failure(), Failure::Unreachable(_)), "{error:?}");
    Ok(())
}

#[test]
fn an_account_without_reload_locks_tables_and_says_so() -> Result<()> {
    server().sql(
        "CREATE DATABASE small; CREATE TABLE small.t (id INT PRIMARY KEY); INSERT INTO small.t VALUES (1);
         CREATE USER 'clerk'@'%' IDENTIFIED BY 'c'; GRANT SELECT, LOCK TABLES, SHOW VIEW, TRIGGER ON *.* TO 'clerk'@'%';
         CREATE USER 'guest'@'%' IDENTIFIED BY 'g'; GRANT SELECT ON *.* TO 'guest'@'%';",
    )?;
    let as_user = |user: &str, password: &str| native::at(server(), user, password);
    let archive = as_user("clerk", "c").backup(&config("small"), || Ok(()))?;
    let lock = archive.plan.attributes.iter().find(|found| found.key == "lock");
    ensure!(lock.is_some_and(|lock| lock.value == "read locks on the tables"), "{lock:?}");
    let missing: Vec<&str> = archive
        .findings
        .iter()
        .flat_map(|finding| &finding.attributes)
        .map(|found| found.value.as_str())
        .collect();
    ensure!(missing == ["EVENT", "RELOAD"], "{missing:?}");

    let refused = as_user("guest", "g").backup(&config("small"), || Ok(())).map(drop).unwrap_err();
    let error = refused.downcast_ref::<lockgate_plugin::Error>().context("another error")?;
    ensure!(
        matches!(error.failure(), Failure::Auth(_)) && error.message().contains("GRANT"),
        "{error:?}"
    );
    let global = Config { lock: Lock::Global, ..config("small") };
    ensure!(
        as_user("clerk", "c").backup(&global, || Ok(())).is_err(),
        "a global lock without RELOAD"
    );
    Ok(())
}

#[test]
fn a_lock_that_was_lost_fails_the_backup() -> Result<()> {
    use lockgate_plugin::{Backup, BackupRequest};
    use lockgate_plugin_mariadb::backup::Saving;
    let server = MariaDb::start()?;
    server.sql(&format!(
        "CREATE USER 'keeper'@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO 'keeper'@'%';
      CREATE DATABASE d; CREATE TABLE d.t (id INT)"
    ))?;
    let (host, config) = (native(&server), config("d"));
    let begin = || Saving::begin_with(host.fresh(), config.clone(), &BackupRequest::default());
    let kill = || {
        let locks = server.sql("SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'keeper' ORDER BY ID DESC LIMIT 1")?;
        server.sql(&format!("KILL {}", locks.trim()))
    };
    let (mut coordinator, plan) = begin()?;
    Saving::join_with(host.fresh(), config.clone(), &plan.mark)?;
    // The newest connection is that of the worker, which is gone by now or goes; the lock is older.
    kill().ok();
    kill()?;
    ensure!(coordinator.release().is_err(), "the lost lock was not noticed");

    let (_coordinator, plan) = begin()?;
    kill()?;
    server.sql("INSERT INTO d.t VALUES (1)")?;
    let joined = Saving::join_with(host.fresh(), config.clone(), &plan.mark);
    let error = joined.map(drop).unwrap_err().to_string();
    ensure!(error.contains("writers were not held off"), "{error}");
    Ok(())
}

#[test]
fn a_table_that_is_altered_during_the_backup_is_a_conflict() -> Result<()> {
    server().sql("CREATE DATABASE moving; CREATE TABLE moving.t (id INT PRIMARY KEY)")?;
    let alter = || server().sql("ALTER TABLE moving.t ADD COLUMN a INT, ALGORITHM=COPY").map(drop);
    let refused = native(server()).backup(&config("moving"), alter).map(drop).unwrap_err();
    let error = refused.downcast_ref::<lockgate_plugin::Error>().context("another error")?;
    ensure!(
        matches!(error.failure(), Failure::Conflict(_)) && error.message().contains("altered"),
        "{error:?}"
    );
    Ok(())
}

#[test]
fn a_failed_import_leaves_no_half_table() -> Result<()> {
    server().sql(
        "CREATE DATABASE half; USE half; CREATE TABLE t (id INT PRIMARY KEY, v TEXT);
      INSERT INTO t SELECT seq, REPEAT('x', 100) FROM seq_1_to_200000",
    )?;
    let mut archive = backup("half")?;
    let (_, _, entries) = archive.parts.get_mut("half/t").context("no part")?;
    let rows = entries.get_mut("rows").context("no rows")?;
    rows.truncate(rows.len() - 1000);
    let failure = native(server())
        .restore(&archive, &config("half2"), &rename(&archive, &[("half", "half2")]))
        .unwrap_err();
    let error = failure.downcast_ref::<lockgate_plugin::Error>().map(ToString::to_string);
    let error = error.unwrap_or_else(|| format!("{failure:#}"));
    ensure!(error.contains("cut off") && error.contains("dropped again"), "{error}");
    ensure!(server().sql("SHOW TABLES FROM half2")?.is_empty(), "a half table was left");

    let cancelled = native(server());
    cancelled.is_cancelled.store(true, Ordering::Relaxed);
    let stopped = cancelled.backup(&config("half"), || Ok(())).map(drop).unwrap_err();
    let error = stopped.downcast_ref::<lockgate_plugin::Error>().context("another error")?;
    ensure!(*error.failure() == Failure::Cancelled, "{error:?}");
    Ok(())
}

#[test]
fn a_look_at_the_server_tells_what_is_wrong() -> Result<()> {
    let server = MariaDb::start()?;
    server.sql(&format!(
        "CREATE USER 'keeper'@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO 'keeper'@'%';
      GRANT RELOAD ON *.* TO 'clerk'@'%' IDENTIFIED BY 'c';"
    ))?;
    let check = |host: Native| lockgate_plugin_mariadb::health::check(&host, &Config::default());
    let codes = |host| -> Result<Vec<String>> {
        Ok(check(host)?.into_iter().map(|finding| finding.code).collect())
    };
    ensure!(codes(native(&server))? == ["reachable"]);
    server.sql("CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1")?;
    ensure!(codes(native(&server))? == ["reachable", "replication-lag"]);
    let clerk = native::at(&server, "clerk", "c");
    ensure!(
        codes(clerk)?
            == [
                "reachable",
                "privilege-missing",
                "privilege-missing",
                "privilege-missing",
                "privilege-missing"
            ]
    );
    Ok(())
}
