//! Snapshots beside a real SQLite: what it writes meanwhile, what it left when it was killed, and what it is kept from.

mod native;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lockgate_plugin_sqlite::config::Config;
use lockgate_plugin_sqlite::image::Copied;
use lockgate_plugin_sqlite::snapshot::{Mode, Snapshot};
use lockgate_servers::{ACCOUNTS, Sqlite};

use native::Native;

/// How long a program writes and is backed up.
const WRITING_TIME: Duration = Duration::from_secs(6);
/// Fewer copies in that time would mean nothing.
const COPIES_MIN: u32 = 10;

fn take<'a>(folder: &'a Native, name: &str) -> Result<Snapshot<'a, Native>> {
    let config = Config { lock_wait_seconds: 30, ..Config::default() };
    Ok(Snapshot::take(folder, name.as_bytes(), &config)?)
}

/// Copies what is held into another database.
fn copy(snapshot: &mut Snapshot<'_, Native>, to: &Path) -> Result<Copied> {
    let mut image = Vec::new();
    let copied = snapshot.copy(|block| {
        image.extend_from_slice(block);
        Ok(())
    })?;
    fs::write(to, image)?;
    Ok(copied)
}

/// Runs Python with the path of the database as `path`, and the module.
fn python(sqlite: &Sqlite, name: &str, program: &str) -> Result<()> {
    let program = format!("import sqlite3, os, sys\npath = sys.argv[1]\n{program}");
    Command::new("python3").args(["-c", &program]).arg(sqlite.data().join(name)).status()?;
    Ok(())
}

/// Commits in the mode of a write-ahead log and dies, so that the log stays.
const DIE_WITH_LOG: &str = "
database = sqlite3.connect(path, isolation_level=None)
database.execute('PRAGMA journal_mode=WAL')
database.execute('PRAGMA wal_autocheckpoint=0')
database.execute('UPDATE account SET amount = amount + 500')
database.execute('PRAGMA cache_size=2')
database.execute('BEGIN')
database.execute('UPDATE filler SET data = randomblob(2000)')
os.kill(os.getpid(), 9)
";

fn sum(sqlite: &Sqlite, name: &str) -> Result<String> {
    let check = "PRAGMA integrity_check; SELECT sum(amount) FROM account";
    Ok(sqlite.sql(name, check)?.trim().replace('\n', " "))
}

/// One program writes, and copies are made as fast as it goes. The same with either journal.
fn write_and_copy(mode: &str) -> Result<()> {
    let sqlite = Sqlite::start()?;
    sqlite.sql("bank.db", &format!("PRAGMA journal_mode={mode}; {ACCOUNTS}"))?;
    let alone = sqlite.moves(mode, "bank.db")?;
    std::thread::sleep(WRITING_TIME / 3);
    let undisturbed = alone.stop()?;
    let folder = Native(sqlite.data());
    let writer = sqlite.moves(mode, "bank.db")?;
    let end = Instant::now() + WRITING_TIME;
    let (mut copies, mut from_log) = (0, 0);
    while Instant::now() < end {
        let mut snapshot = take(&folder, "bank.db")?;
        from_log += copy(&mut snapshot, &sqlite.data().join("copy.db"))?.from_log;
        drop(snapshot);
        let found = sum(&sqlite, "copy.db")?;
        ensure!(found == "ok 2000", "copy {copies}: {found}");
        copies += 1;
    }
    let moved = writer.stop()?;
    println!(
        "{mode}: {copies} copies with {from_log} pages from the log, {} transactions, longest {:?}; alone longest {:?}",
        moved.count, moved.longest, undisturbed.longest
    );
    ensure!(copies >= COPIES_MIN && moved.count > 100, "{copies} copies, {moved:?}");
    ensure!(from_log > 0 || mode != "WAL", "no copy met a page in the log");
    Ok(())
}

#[test]
fn copies_beside_a_writer_with_a_log_are_of_one_moment() -> Result<()> {
    write_and_copy("WAL")
}

#[test]
fn copies_beside_a_writer_with_a_rollback_journal_are_of_one_moment() -> Result<()> {
    write_and_copy("DELETE")
}

#[test]
fn whoever_writes_a_log_goes_on_while_a_snapshot_is_held() -> Result<()> {
    let sqlite = Sqlite::start()?;
    sqlite.sql("bank.db", &format!("PRAGMA journal_mode=WAL; {ACCOUNTS}"))?;
    let _open = sqlite.hold(&[sqlite.data().join("bank.db")])?;
    sqlite.sql("bank.db", "UPDATE account SET amount = amount + 1 WHERE id = 1")?;
    let folder = Native(sqlite.data());
    let mut snapshot = take(&folder, "bank.db")?;
    ensure!(snapshot.mode() == Mode::Live);
    // Without any patience, with checkpoints that would like to empty the log.
    for _ in 0..20 {
        sqlite.sql(
            "bank.db",
            "PRAGMA busy_timeout=0; UPDATE account SET amount = amount + 7; UPDATE filler SET data = randomblob(2000);
             PRAGMA wal_checkpoint(PASSIVE); PRAGMA wal_checkpoint(TRUNCATE);",
        )?;
    }
    let copied = copy(&mut snapshot, &sqlite.data().join("copy.db"))?;
    drop(snapshot);
    ensure!(copied.from_log > 0 && copied.unwritten == 0, "{copied:?}");
    ensure!(sum(&sqlite, "copy.db")? == "ok 2001" && sum(&sqlite, "bank.db")? == "ok 2281");
    // Afterwards nothing keeps the log from being emptied.
    let emptied = sqlite.sql("bank.db", "PRAGMA wal_checkpoint(TRUNCATE)")?;
    ensure!(emptied.trim() == "0|0|0", "{emptied}");
    Ok(())
}

#[test]
fn whoever_writes_a_rollback_journal_waits_while_a_snapshot_is_held() -> Result<()> {
    let sqlite = Sqlite::start()?;
    sqlite.sql("bank.db", ACCOUNTS)?;
    let folder = Native(sqlite.data());
    let mut snapshot = take(&folder, "bank.db")?;
    ensure!(snapshot.mode() == Mode::Rollback);
    let change = "UPDATE account SET amount = 0";
    let refused = sqlite.sql("bank.db", change).unwrap_err().to_string();
    ensure!(refused.contains("database is locked"), "{refused}");
    ensure!(sum(&sqlite, "bank.db")? == "ok 2000", "who reads does not wait");
    copy(&mut snapshot, &sqlite.data().join("copy.db"))?;
    drop(snapshot);
    sqlite.sql("bank.db", change)?;
    ensure!(sum(&sqlite, "copy.db")? == "ok 2000");
    Ok(())
}

#[test]
fn a_program_that_does_not_let_go_is_told() -> Result<()> {
    let sqlite = Sqlite::start()?;
    sqlite.sql("bank.db", ACCOUNTS)?;
    let folder = Native(sqlite.data());
    let program = "
database = sqlite3.connect(path, isolation_level=None)
database.execute('PRAGMA locking_mode=EXCLUSIVE')
database.execute('UPDATE account SET amount = 1')
print('ready', flush=True)
sys.stdin.read()";
    let program = format!("import sqlite3, os, sys\npath = sys.argv[1]\n{program}");
    let mut holder = Command::new("python3")
        .args(["-c", &program])
        .arg(sqlite.data().join("bank.db"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    // Its output stays open until it has ended: a program that cannot write its line lets go at once.
    let mut output = BufReader::new(holder.stdout.take().context("output")?);
    let mut ready = String::new();
    output.read_line(&mut ready)?;
    ensure!(ready == "ready\n", "the program that holds the database said {ready:?}");
    let config = Config { lock_wait_seconds: 1, ..Config::default() };
    let refused =
        Snapshot::take(&folder, b"bank.db", &config).err().context("refused")?.to_string();
    ensure!(refused.contains("data/bank.db") && refused.contains("does not let go"), "{refused}");
    drop(holder.stdin.take());
    holder.wait()?;
    Ok(())
}

#[test]
fn half_a_transaction_is_refused_until_it_is_rolled_back() -> Result<()> {
    let sqlite = Sqlite::start()?;
    sqlite.sql("bank.db", ACCOUNTS)?;
    let die = "
database = sqlite3.connect(path, isolation_level=None)
database.execute('PRAGMA cache_size=2')
database.execute('BEGIN')
database.execute('UPDATE filler SET data = randomblob(2000)')
os.kill(os.getpid(), 9)";
    python(&sqlite, "bank.db", die)?;
    let folder = Native(sqlite.data());
    let refused = take(&folder, "bank.db").err().context("refused")?.to_string();
    ensure!(refused.contains("hot journal"), "{refused}");
    ensure!(sum(&sqlite, "bank.db")? == "ok 2000");
    take(&folder, "bank.db")?;
    // A journal that is kept between transactions is none of these.
    sqlite.sql("bank.db", "PRAGMA journal_mode=PERSIST; UPDATE account SET amount = 7;")?;
    ensure!(fs::metadata(sqlite.data().join("bank.db-journal"))?.len() > 0);
    take(&folder, "bank.db")?;
    Ok(())
}

#[test]
fn the_log_of_a_program_that_was_killed_counts_up_to_its_last_commit() -> Result<()> {
    for damage in ["none", "shared memory is gone", "log is cut"] {
        let sqlite = Sqlite::start()?;
        sqlite.sql("bank.db", ACCOUNTS)?;
        python(&sqlite, "bank.db", DIE_WITH_LOG)?;
        let at = |name: &str| sqlite.data().join(name);
        let log = fs::metadata(at("bank.db-wal"))?.len();
        match damage {
            "shared memory is gone" => fs::remove_file(at("bank.db-shm"))?,
            "log is cut" => {
                fs::OpenOptions::new().write(true).open(at("bank.db-wal"))?.set_len(log - 100)?;
            }
            _ => {}
        }
        let folder = Native(sqlite.data());
        let mut snapshot = take(&folder, "bank.db")?;
        ensure!(snapshot.mode() == Mode::Alone);
        let copied = copy(&mut snapshot, &at("copy.db"))?;
        drop(snapshot);
        ensure!(copied.from_log > 0, "{copied:?}");
        ensure!(sum(&sqlite, "copy.db")? == "ok 3000", "{damage}");
        // SQLite sees the same when it recovers.
        ensure!(sum(&sqlite, "bank.db")? == "ok 3000", "{damage}");
        let all = sqlite.contents()?;
        ensure!(all["copy.db"] == all["bank.db"], "{damage}");
    }
    Ok(())
}

#[test]
fn a_program_that_opens_the_database_meanwhile_is_noticed() -> Result<()> {
    for dies_before in [false, true] {
        let sqlite = Sqlite::start()?;
        sqlite.sql("bank.db", &format!("PRAGMA journal_mode=WAL; {ACCOUNTS}"))?;
        if dies_before {
            python(&sqlite, "bank.db", DIE_WITH_LOG)?;
        }
        let folder = Native(sqlite.data());
        let expected = if dies_before { "ok 3000" } else { "ok 2000" };
        // It opens and commits: from then on it is kept from changing the file.
        let mut snapshot = take(&folder, "bank.db")?;
        ensure!(snapshot.mode() == Mode::Alone);
        let open = sqlite.hold(&[sqlite.data().join("bank.db")])?;
        snapshot.watch()?;
        let change = "UPDATE account SET amount = amount + 1; PRAGMA wal_checkpoint(TRUNCATE);";
        sqlite.sql("bank.db", change)?;
        copy(&mut snapshot, &sqlite.data().join("copy.db"))?;
        drop((snapshot, open));
        ensure!(sum(&sqlite, "copy.db")? == expected);
        // It opens, commits and checkpoints before anybody looks: the copy is worth nothing.
        sqlite.sql("bank.db", "PRAGMA wal_checkpoint(TRUNCATE)")?;
        let mut snapshot = take(&folder, "bank.db")?;
        sqlite.sql("bank.db", change)?;
        let refused = snapshot.copy(|_| Ok(())).unwrap_err().to_string();
        ensure!(refused.contains("opened and changed"), "{refused}");
    }
    Ok(())
}

#[test]
fn the_image_does_not_depend_on_what_is_in_the_log() -> Result<()> {
    let sqlite = Sqlite::start()?;
    let folder = Native(sqlite.data());
    for size in [512, 1024, 4096, 32_768, 65_536] {
        for vacuum in ["none", "full", "incremental"] {
            let name = format!("{vacuum}-{size}.db");
            let pragmas = format!("PRAGMA page_size={size}; PRAGMA auto_vacuum={vacuum};");
            sqlite.sql(&name, &format!("{pragmas} PRAGMA journal_mode=WAL; {ACCOUNTS}"))?;
            let open = sqlite.hold(&[sqlite.data().join(&name)])?;
            sqlite.sql(
                &name,
                "DELETE FROM filler WHERE id % 3 = 0; UPDATE account SET amount = 5;",
            )?;
            let image = |name: &str| -> Result<(Vec<u8>, Copied)> {
                let mut bytes = Vec::new();
                let copied = take(&folder, name)?.copy(|block| {
                    bytes.extend_from_slice(block);
                    Ok(())
                })?;
                Ok((bytes, copied))
            };
            let (in_log, first) = image(&name)?;
            sqlite.sql(&name, "PRAGMA wal_checkpoint(TRUNCATE)")?;
            let (in_file, second) = image(&name)?;
            ensure!(first.from_log > 0 && second.from_log == 0, "{name}: {first:?} {second:?}");
            ensure!(in_log == in_file && first.fingerprint == second.fingerprint, "{name}");
            drop(open);
            ensure!(fs::read(sqlite.data().join(&name))? == in_file, "{name}");
        }
    }
    Ok(())
}

#[test]
fn what_is_empty_is_saved_and_what_is_strange_is_refused() -> Result<()> {
    let sqlite = Sqlite::start()?;
    let folder = Native(sqlite.data());
    let at = |name: &str| sqlite.data().join(name);
    fs::write(at("empty.db"), "")?;
    let mut snapshot = take(&folder, "empty.db")?;
    ensure!(snapshot.bytes() == 0 && snapshot.copy(|_| Ok(()))?.fingerprint.len() == 71);
    drop(snapshot);
    fs::write(
        at("notes.db"),
        "no database, but long enough to be one as far as its length goes ".repeat(3),
    )?;
    sqlite.sql("cut.db", ACCOUNTS)?;
    fs::OpenOptions::new().write(true).open(at("cut.db"))?.set_len(8192)?;
    sqlite.sql("future.db", ACCOUNTS)?;
    fs::OpenOptions::new().write(true).open(at("future.db"))?.write_all_at(&[3], 18)?;
    for (name, part) in [
        ("notes.db", "is no SQLite database, or an encrypted one"),
        ("cut.db", "by its header and 2 in fact"),
        ("future.db", "of file format version 3 to write and 1 to read, and 1 and 2 are known"),
        ("gone.db", "is not there"),
    ] {
        let refused = take(&folder, name).err().context("refused")?.to_string();
        ensure!(refused.contains(name) && refused.contains(part), "{refused}");
    }
    let config = Config { allow_untested_version: true, ..Config::default() };
    Snapshot::take(&folder, b"future.db", &config)?;
    Ok(())
}

#[test]
fn the_page_of_the_locks_is_left_alone() -> Result<()> {
    const SIZE: u64 = 65_536;
    let sqlite = Sqlite::start()?;
    let path = sqlite.data().join("huge.db");
    sqlite.sql("huge.db", "PRAGMA page_size=65536; CREATE TABLE a(b)")?;
    let file = fs::OpenOptions::new().write(true).open(&path)?;
    // Holes, but for the page of the locks and its neighbours.
    let pages = (1 << 30) / SIZE + 3;
    file.set_len(pages * SIZE)?;
    file.write_all_at(&(pages as u32).to_be_bytes(), 28)?;
    file.write_all_at(&[7; 3 * SIZE as usize], (1 << 30) - SIZE)?;
    let folder = Native(sqlite.data());
    let mut snapshot = take(&folder, "huge.db")?;
    let (mut offset, mut found) = (0, Vec::new());
    snapshot.copy(|block| {
        let pages = block.chunks(SIZE as usize).enumerate();
        let full = pages.filter(|(_, page)| page.iter().all(|byte| *byte == 7));
        found.extend(full.map(|(index, _)| offset / SIZE + index as u64));
        offset += block.len() as u64;
        Ok(())
    })?;
    let lock_page = (1 << 30) / SIZE;
    ensure!(found == [lock_page - 1, lock_page + 1], "{found:?}");
    Ok(())
}
