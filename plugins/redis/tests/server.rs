//! Against real servers, natively: what the conformance suite does not ask for.

mod native;

use std::sync::{Arc, Mutex};

use anyhow::{Result, ensure};
use lockgate_plugin::native::{Tapes, Taping};
use lockgate_plugin::{Backup, BackupRequest, Failure, Restore};
use lockgate_plugin_redis::backup::Saving;
use lockgate_plugin_redis::config::{Config, Method, Transfer};
use lockgate_plugin_redis::health;
use lockgate_plugin_redis::restore::Restoring;
use lockgate_servers::{Redis, RedisCluster, RedisOptions};
use native::{Native, Run};

fn config() -> Config {
    // The user that restores is the only one of these servers.
    Config { users: false, ..Config::default() }
}

fn kinds(redis: &Redis) -> Result<()> {
    redis.script(
        "SET text hello\nSET \"a\\x00b\" 7\nRPUSH list a b 3\nSADD set 1 x 300000\nHSET hash f v g w\nZADD zset 1.5 a -inf b\n\
         XADD stream 1-1 a b\nXADD stream 1-2 a c\nXGROUP CREATE stream g 0\nXREADGROUP GROUP g me COUNT 1 STREAMS stream >\n\
         SET later x PXAT 4102444800000\nSELECT 2\nSET two 2\n",
    )?;
    Ok(())
}

#[test]
fn both_methods_give_the_same_bytes_and_fingerprints() -> Result<()> {
    let (source, target) = (Redis::start()?, Redis::start()?);
    kinds(&source)?;
    let by = |method, transfer| {
        let config = Config { method, transfer, ..config() };
        native::at(source.port).backup(&config, || Ok(()))
    };
    let one = by(Method::Replication, Transfer::Server)?;
    for other in [by(Method::Replication, Transfer::Disk)?, by(Method::Scan, Transfer::Server)?] {
        for (id, (_, summary, entries)) in &one.parts {
            let (_, other_summary, other_entries) = &other.parts[id];
            ensure!(summary == other_summary && entries == other_entries, "{id} differs");
        }
    }
    native::at(target.port).restore(&one, &config(), &one.request(|_| true))?;
    ensure!(target.command(&["PEXPIRETIME", "later"])? == "4102444800000");
    target.command(&["SET", "text", "changed"])?;
    let request = one.request(|id| id == "db/0");
    let mut worker = Restoring::open(native::at(target.port), config(), request.clone())?;
    ensure!(Some(worker.fingerprint(request.parts[0].clone())?) != one.parts["db/0"].1.fingerprint);
    Ok(())
}

#[test]
fn what_is_written_after_the_snapshot_is_not_in_it() -> Result<()> {
    let (source, target) = (Redis::start()?, Redis::start()?);
    kinds(&source)?;
    let archive = native::at(source.port).backup(&config(), || {
        source.script("FLUSHALL\nSET text new\nSELECT 5\nSET five 5\n").map(drop)
    })?;
    native::at(target.port).restore(&archive, &config(), &archive.request(|_| true))?;
    ensure!(target.command(&["GET", "text"])? == "hello");
    ensure!(
        target.command(&["-n", "5", "DBSIZE"])? == "0"
            && target.command(&["-n", "2", "GET", "two"])? == "2"
    );
    Ok(())
}

#[test]
fn a_database_that_appears_while_the_backup_begins_fails_it() -> Result<()> {
    let source = Redis::start()?;
    kinds(&source)?;
    let host = native::at(source.port);
    let (_coordinator, plan) =
        Saving::begin_with(host.clone(), config(), &BackupRequest::default())?;
    source.script("SELECT 7\nSET seven 7\n")?;
    let mut worker = Saving::join_with(host, config(), &plan.mark)?;
    let results: Vec<_> = plan.parts.iter().map(|part| worker.export(part.clone())).collect();
    let error = results.into_iter().find_map(Result::err).expect("a part fails");
    ensure!(
        matches!(error.failure(), Failure::Conflict(text) if text.contains("database 7")),
        "{error}"
    );
    Ok(())
}

#[test]
fn only_a_scan_can_have_several_workers() -> Result<()> {
    let source = Redis::start()?;
    for (method, most) in [(Method::Replication, Some("1")), (Method::Scan, None)] {
        let config = Config { method, ..config() };
        let host = native::at(source.port);
        let (_coordinator, plan) = Saving::begin_with(host, config, &BackupRequest::default())?;
        ensure!(lockgate_plugin::attribute(&plan.attributes, "workers-max") == most, "{plan:?}");
    }
    Ok(())
}

#[test]
fn prefixes_bound_what_is_saved_replaced_and_compared() -> Result<()> {
    let (source, target) = (Redis::start()?, Redis::start()?);
    source.script("MSET shop:a 1 shop:b 2 crm*:c 3 other 4\n")?;
    target.script("MSET shop:old 1 kept 2\n")?;
    let config = Config { prefixes: vec!["shop:".into(), "crm*".into()], ..config() };
    let archive = native::at(source.port).backup(&config, || Ok(()))?;
    ensure!(archive.parts["db/0"].1.items == 3);
    let to = native::at(target.port);
    let mut request = archive.request(|_| true);
    let refused = to.restore(&archive, &config, &request).unwrap_err();
    ensure!(refused.to_string().contains("database 0"), "{refused}");
    request.overwrite = true;
    to.restore(&archive, &self::config(), &request)?;
    let mut keys: Vec<String> =
        target.command(&["KEYS", "*"])?.lines().map(str::to_owned).collect();
    keys.sort();
    ensure!(keys == ["crm*:c", "kept", "shop:a", "shop:b"], "{keys:?}");
    Ok(())
}

#[test]
fn keys_whose_time_is_over_do_not_come_back_and_do_not_count() -> Result<()> {
    let (source, target) = (Redis::start()?, Redis::start()?);
    source.script("SET stays 1\nSET goes 2 PX 700\n")?;
    let archive = native::at(source.port).backup(&config(), || Ok(()))?;
    ensure!(archive.parts["db/0"].1.items == 2);
    std::thread::sleep(std::time::Duration::from_millis(800));
    native::at(target.port).restore(&archive, &config(), &archive.request(|_| true))?;
    ensure!(target.command(&["KEYS", "*"])? == "stays");
    Ok(())
}

#[test]
fn when_keys_were_used_comes_back() -> Result<()> {
    for (policy, question) in [("allkeys-lfu", "FREQ"), ("allkeys-lru", "IDLETIME")] {
        let arguments = ["--maxmemory-policy", policy, "--maxmemory", "1gb"].map(str::to_owned);
        let options = RedisOptions { arguments: arguments.into(), ..RedisOptions::default() };
        let (source, target) = (Redis::start_with(&options)?, Redis::start_with(&options)?);
        source.script("SET a 1\nSET b 2\n")?;
        let dump = "EVAL \"return redis.call('RESTORE', KEYS[1], 0, redis.call('DUMP', 'a'), ARGV[1], ARGV[2])\" 1";
        source.script(&format!("{dump} old {question} 200\n"))?;
        let archive = native::at(source.port).backup(&config(), || Ok(()))?;
        native::at(target.port).restore(&archive, &config(), &archive.request(|_| true))?;
        let use_of_old: u64 = target.command(&["OBJECT", question, "old"])?.parse()?;
        ensure!((140..=265).contains(&use_of_old), "{policy}: {use_of_old}");
    }
    Ok(())
}

#[test]
fn a_cluster_is_saved_and_restored_master_by_master() -> Result<()> {
    let (source, target, single) =
        (RedisCluster::start(3)?, RedisCluster::start(2)?, Redis::start()?);
    for node in &source.nodes {
        for number in 0..300 {
            // Those that belong to another master are refused.
            node.command(&["SET", &format!("key:{number}"), &number.to_string()]).ok();
        }
    }
    let (from, to) = (native::at(source.nodes[1].port), native::at(target.nodes[0].port));
    let archive = from.backup(&config(), || Ok(()))?;
    let (_, summary, entries) = &archive.parts["db/0"];
    ensure!(summary.items == 300 && entries.len() == 3, "{summary:?}");
    to.restore(&archive, &config(), &archive.request(|_| true))?;
    native::at(single.port).restore(&archive, &config(), &archive.request(|_| true))?;
    let sizes = target.nodes.iter().map(|node| Ok(node.command(&["DBSIZE"])?.parse::<u64>()?));
    ensure!(sizes.sum::<Result<u64>>()? == 300 && single.command(&["GET", "key:7"])? == "7");
    // A second database does not fit.
    single.script("SELECT 4\nSET four 4\n")?;
    let archive = native::at(single.port).backup(&config(), || Ok(()))?;
    let error = to.restore(&archive, &config(), &archive.request(|id| id == "db/4")).unwrap_err();
    ensure!(error.to_string().contains("cluster has only database 0"), "{error}");
    Ok(())
}

#[test]
fn an_account_without_replication_is_served_key_by_key() -> Result<()> {
    let source = Redis::start()?;
    kinds(&source)?;
    source.command(&["ACL", "SETUSER", "default", "-psync", "-replconf"])?;
    let found = health::check(&native::at(source.port), &config())?;
    ensure!(found.iter().any(|finding| finding.code == "no-snapshot"), "{found:?}");
    let archive = native::at(source.port).backup(&config(), || Ok(()))?;
    ensure!(
        archive.parts["db/0"].0.attribute("method") == Some("scan")
            && archive.parts["db/0"].1.items == 8
    );
    let strict = Config { method: Method::Replication, ..config() };
    let error = native::at(source.port).backup(&strict, || Ok(())).unwrap_err();
    ensure!(format!("{error:#}").contains("NOPERM"), "{error:#}");
    Ok(())
}

#[test]
fn servers_that_say_anything_do_no_harm() -> Result<()> {
    let source = Redis::start()?;
    kinds(&source)?;
    let plain =
        Config { functions: true, users: true, method: Method::Replication, ..Config::default() };
    let tapes = Arc::new(Mutex::new(Tapes::new()));
    let taping = Taping::Record(tapes.clone());
    Native { taping, ..native::at(source.port) }.backup(&plain, || Ok(()))?;
    let tapes = tapes.lock().unwrap().clone();
    let play = |tapes| {
        let taping = Taping::play(tapes);
        Native { taping, ..Native::default() }.backup(&plain, || Ok(()))
    };
    play(tapes.clone())?;
    let (mut failed, mut runs) = (0, 0);
    for (number, tape) in tapes.iter().enumerate() {
        for index in 0..tape.len() {
            let mut damaged = tapes.clone();
            if index % 2 == 0 {
                damaged[number].truncate(index);
            } else {
                damaged[number][index] ^= 1 << (index % 8);
            }
            // Must end, in success or in an error.
            failed += u32::from(play(damaged).is_err());
            runs += 1;
        }
    }
    ensure!(failed > runs / 2, "only {failed} of {runs} runs failed");
    Ok(())
}
