//! Servers that say anything. A whole backup and a restore are recorded against a real server, then played back with
//! damage: every run must end, in success or in an error, without a panic.

mod native;

use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use lockgate_plugin::native::{Tapes, Taping};
use lockgate_plugin::{Backup, BackupRequest, Error as Told, Failure, Outcome, Restore};
use lockgate_plugin_mariadb::backup::Saving;
use lockgate_plugin_mariadb::config::Config;
use lockgate_plugin_mariadb::health;
use lockgate_plugin_mariadb::restore::Restoring;
use lockgate_servers::MariaDb;
use native::{Native, Password};

fn playing(tapes: Tapes) -> Native {
    let account = Some(Password::default());
    Native { account, taping: Taping::play(tapes), ..Native::default() }
}

/// A look, a backup and a restore of everything in one go.
fn everything(host: &Native) -> lockgate_plugin::Result<()> {
    let config = Config { include: vec!["d".into(), "d2".into()], ..Config::default() };
    health::check(host, &config)?;
    let request = BackupRequest::default();
    let (mut coordinator, plan) = Saving::begin_with(host.clone(), config.clone(), &request)?;
    let mut worker = Saving::join_with(host.clone(), config.clone(), &plan.mark)?;
    coordinator.release()?;
    let mut archived = Vec::new();
    for part in &plan.parts {
        worker.export(part.clone())?;
        archived.push(host.take_entries());
    }
    coordinator.end(Outcome::Completed)?;
    let request = lockgate_plugin::RestoreRequest {
        parts: plan.parts.clone(),
        rename: vec![("d".into(), "d2".into())],
        overwrite: true,
        ..lockgate_plugin::RestoreRequest::default()
    };
    let (coordinator, stages) = Restoring::begin_with(host.clone(), config.clone(), &request)?;
    let mut worker = Restoring::open(host.clone(), config, &request)?;
    for part in stages.iter().flatten() {
        let position = plan.parts.iter().position(|planned| planned.id == part.id);
        let entries = position.and_then(|position| archived.get(position));
        *host.entries.lock().unwrap() = entries.cloned().unwrap_or_default();
        worker.import(part.clone())?;
        worker.fingerprint(part.clone())?;
    }
    coordinator.end(Outcome::Completed)?;
    Ok(())
}

fn record() -> Result<Tapes> {
    let server = MariaDb::start()?;
    server.sql(
        "CREATE USER 'keeper'@'%' IDENTIFIED BY 'p'; GRANT ALL ON *.* TO 'keeper'@'%' WITH GRANT OPTION;
         CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, v TEXT); INSERT INTO t
           VALUES (1, 'a'), (2, NULL), (3, REPEAT('x', 300));
         CREATE VIEW v AS SELECT id FROM t; CREATE SEQUENCE s; CREATE PROCEDURE p() SELECT 1; CREATE TRIGGER r
           BEFORE INSERT ON t FOR EACH ROW SET @a = 1;",
    )?;
    let tapes = Arc::new(Mutex::new(Tapes::new()));
    let taping = Taping::Record(tapes.clone());
    everything(&Native { taping, ..native::at(&server, "keeper", "p") })?;
    let tapes = tapes.lock().unwrap().clone();
    Ok(tapes)
}

/// xorshift64, after G. Marsaglia: a run is replayed by its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

fn damage(tapes: &mut Tapes, dice: &mut Dice) {
    let index = dice.below(tapes.len());
    let tape = &mut tapes[index];
    let at = dice.below(tape.len());
    match dice.below(5) {
        0 => tape.truncate(at),
        1 => tape[at] = [0, 1, 0x7f, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff][dice.below(9)],
        2 => tape[at] ^= 1 << dice.below(8),
        3 => {
            let end = (at + 1 + dice.below(9)).min(tape.len());
            tape[at..end].fill(0xff);
        }
        _ => {
            let end = (at + dice.below(40)).min(tape.len());
            let again = tape[at..end].to_vec();
            tape.splice(at..at, again);
        }
    }
}

#[test]
fn a_server_that_says_anything_gets_an_error_and_no_panic() -> Result<()> {
    const RUNS: u64 = 1500;
    let tapes = record()?;
    // Played back as it was, everything works: the damaged runs get as deep as their damage.
    everything(&playing(tapes.clone()))?;
    let mut failed = 0;
    for seed in 1..=RUNS {
        let mut damaged = tapes.clone();
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        (0..=dice.below(3)).for_each(|_| damage(&mut damaged, &mut dice));
        failed += u64::from(everything(&playing(damaged)).is_err());
    }
    ensure!(failed > RUNS / 2, "only {failed} of {RUNS} damaged runs failed");
    Ok(())
}

#[test]
fn an_unknown_version_is_refused_unless_it_is_allowed() -> Result<()> {
    let mut greeting = vec![10];
    greeting.extend(b"5.5.5-13.1.2-MariaDB\0\x01\0\0\x0012345678\0\xfe\xf7\x08\x02\0\xff\x81\x15");
    greeting.extend([0; 10]);
    greeting.extend(b"abcdefghijkl\0mysql_native_password\0");
    let mut tape = vec![u8::try_from(greeting.len())?, 0, 0, 0];
    tape.extend(greeting);
    tape.extend([7, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0]);
    let refused = health::check(&playing(vec![tape.clone()]), &Config::default());
    let told = Told::from(refused.map(drop).unwrap_err());
    ensure!(matches!(told.failure(), Failure::Unsupported(_)), "{told:?}");
    ensure!(
        told.message().contains("MariaDB 13.1.2")
            && told.message().contains("allow-untested-version"),
        "{told}"
    );
    let allowed = Config { allow_untested_version: true, ..Config::default() };
    let went_on = health::check(&playing(vec![tape]), &allowed);
    let told = Told::from(went_on.map(drop).unwrap_err());
    ensure!(matches!(told.failure(), Failure::Unreachable(_)), "it should have gone on: {told:?}");
    Ok(())
}

#[test]
fn a_server_that_asks_for_a_file_is_refused() -> Result<()> {
    let mut tapes = record()?;
    // The first answer after the login becomes a request for a file.
    let first = &mut tapes[0];
    let ok = first.windows(5).rposition(|bytes| bytes == [7, 0, 0, 2, 0]);
    let after_login = ok.map_or(0, |at| at + 11);
    first.truncate(after_login);
    first.extend(b"\x0c\0\0\x01\xfb/etc/passwd");
    let told = health::check(&playing(tapes), &Config::default()).map(drop).unwrap_err();
    ensure!(told.to_string().contains("asks for a file"), "{told}");
    Ok(())
}
