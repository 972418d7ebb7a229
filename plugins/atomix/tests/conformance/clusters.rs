//! Clusters of three members on one machine: what is lost, and what comes back.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lockgate_conformance::Contents;
use lockgate_conformance::command::{Lockgate, plugins};
use lockgate_servers::{Atomix, AtomixClient, AtomixOptions};
use tempfile::TempDir;

use crate::primitives::{contents, noise, put_all, usual};
use crate::server::{Scribe, check_ledger, counted};

const MEMBERS: usize = 3;
/// Small, so that a journal has many.
const SEGMENT_BYTES: u32 = 256 << 10;
/// How long a program writes before something happens.
const WRITING_TIME: Duration = Duration::from_secs(1);

fn options() -> AtomixOptions {
    let groups = vec![("data".to_owned(), 1), ("more".to_owned(), 2)];
    AtomixOptions {
        members: MEMBERS,
        groups,
        segment_bytes: Some(SEGMENT_BYTES),
        ..AtomixOptions::default()
    }
}

/// A source of the configuration: folders and REST interfaces of all members, and more settings.
fn source(name: &str, cluster: &Atomix, config: &str) -> String {
    let mut text = format!("[sources.{name}]\nplugin = \"atomix\"\nconfig = {{ {config} }}\n");
    for number in 0..MEMBERS {
        let member = number + 1;
        text += &format!(
            "folders.m{member} = {{ path = \"{}\", access = \"read-write\" }}\n\
             endpoints.m{member} = {{ address = \"127.0.0.1:{}\", encryption = \"off\" }}\n",
            cluster.folder(number).display(),
            cluster.http_port(number)
        );
    }
    text
}

/// A `lockgate` with these sources and an empty repository.
fn configured(folder: &TempDir, sources: &[String]) -> Result<Lockgate> {
    let path = folder.path().join("config.toml");
    fs::write(&path, sources.concat())?;
    let repository = format!("fs:{}", folder.path().join("repository").display());
    let lockgate = Lockgate::new(folder.path(), &plugins()?)?
        .with("LOCKGATE_REPOSITORY", repository)
        .with("LOCKGATE_CONFIG", path);
    // The lock file is beside the configuration.
    lockgate.ok(&["plugin", "lock"])?;
    lockgate.ok(&["init"])?;
    Ok(lockgate)
}

/// That a command fails, and says this.
fn refused(lockgate: &Lockgate, arguments: &[&str], words: &str) -> Result<()> {
    let outcome = lockgate.run(arguments)?;
    let line = outcome.error_line();
    ensure!(outcome.code != Some(0) && line.contains(words), "{arguments:?}: {outcome:?}");
    Ok(())
}

/// Everything but the ledger, which goes on being written.
fn fixed(cluster: &Atomix, number: usize) -> Result<Contents> {
    let mut found = contents(&|| cluster.client(number))?;
    found.retain(|name, _| !name.contains("data.l"));
    Ok(found)
}

/// That each member serves and knows all that was there before, and the ledger up to `least` at least; the ledger's last entry.
fn expect(cluster: &Atomix, before: &Contents, least: u64) -> Result<u64> {
    let mut last = 0;
    for number in 0..MEMBERS {
        let found = fixed(cluster, number).with_context(|| format!("member {}", number + 1))?;
        ensure!(found == *before, "member {}: {found:?} and not {before:?}", number + 1);
        last = check_ledger(&mut cluster.client(number))?;
        ensure!(
            last >= least,
            "the ledger ends with {last}, and {least} was written before the backup"
        );
    }
    Ok(last)
}

fn wipe_all(cluster: &mut Atomix) -> Result<()> {
    cluster.kill_all();
    (0..MEMBERS).try_for_each(|number| cluster.wipe(number))
}

fn filled() -> Result<(Atomix, Contents)> {
    let cluster = Atomix::start_with(options())?;
    usual(&mut cluster.client(0))?;
    let values: Vec<_> =
        (0..60).map(|number| (format!("k{number}"), noise(number, 32 << 10))).collect();
    put_all(&|| cluster.client(1), "data.wide", &values)?;
    let before = fixed(&cluster, 0)?;
    ensure!(before.len() == 9, "{before:?}");
    Ok((cluster, before))
}

fn nodes(client: &mut AtomixClient) -> Result<String> {
    client.get("/v1/cluster/nodes")
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn it_conforms_when_members_are_lost_and_moved() -> Result<()> {
    let (mut cluster, before) = filled()?;
    let mut moved = Atomix::prepare(options())?;
    wipe_all(&mut moved)?;
    let addresses: Vec<String> =
        (0..MEMBERS).map(|it| format!("m{} = \"{}\"", it + 1, moved.address(it))).collect();
    let addresses = format!("addresses = {{ {} }}", addresses.join(", "));
    let folder = TempDir::new()?;
    let sources = [source("cluster", &cluster, ""), source("moved", &moved, &addresses)];
    let lockgate = configured(&folder, &sources)?;

    // One is lost while it is backed up, and a program goes on writing through another.
    let scribe = Scribe::start(cluster.client(0))?;
    sleep(WRITING_TIME);
    let least = counted(&mut cluster.client(1))?;
    let backup = std::thread::spawn({
        let lockgate = lockgate.clone();
        move || lockgate.ok(&["backup", "cluster"])
    });
    sleep(Duration::from_millis(300));
    cluster.kill(2)?;
    let told = backup.join().expect("the backup")?;
    sleep(WRITING_TIME);
    println!("{} changes while a member was lost", scribe.finish()?);
    let told = told.stdout + &told.stderr;
    ensure!(told.contains("member m3 does not answer"), "{told}");

    // Members that run are not touched, and none gets another history than its peers.
    let restore = ["restore", "latest", "--into", "cluster"];
    refused(&lockgate, &[&restore[..], &["--overwrite"]].concat(), "runs; stop all members")?;
    cluster.kill_all();
    refused(&lockgate, &restore, "exists already")?;
    let one = ["--overwrite", "--part", "member/m1/data/1"];
    refused(&lockgate, &[&restore[..], &one].concat(), "and not to m2, m3")?;

    // All are lost.
    wipe_all(&mut cluster)?;
    lockgate.ok(&restore)?;
    cluster.launch()?;
    let last = expect(&cluster, &before, least)?;
    println!("all were lost: {last} entries came back, {least} were there before the backup");
    let scribe = Scribe::start(cluster.client(1))?;
    sleep(WRITING_TIME);
    ensure!(scribe.finish()? > 0);

    // They live on elsewhere under their names, beside the old ones.
    lockgate.ok(&["restore", "latest", "--into", "moved"])?;
    moved.launch()?;
    expect(&moved, &before, least)?;
    let seen = nodes(&mut moved.client(0))?;
    for number in 0..MEMBERS {
        let address = moved.address(number);
        let port = address.rsplit(':').next().unwrap_or_default();
        ensure!(seen.contains(port), "{seen} does not name {address}");
    }
    Ok(())
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn it_conforms_when_an_upgrade_is_rolled_back() -> Result<()> {
    let (mut cluster, before) = filled()?;
    let folder = TempDir::new()?;
    let recovery = source("recovery", &cluster, "recover-from = \"m2\"");
    let lockgate = configured(&folder, &[source("cluster", &cluster, ""), recovery])?;
    let least = check_ledger(&mut cluster.client(0))?;
    lockgate.ok(&["backup", "cluster"])?;
    let findings = lockgate.ok(&["--json", "health", "cluster"])?.stdout;
    ensure!(findings.contains("sees members"), "{findings}");

    // Member by member is restarted, as with a new version of the agent, and a program goes on writing through another.
    for number in 0..MEMBERS {
        let scribe = Scribe::start(cluster.client((number + 1) % MEMBERS))?;
        sleep(WRITING_TIME);
        cluster.restart(number)?;
        println!("{} changes while member {} was restarted", scribe.finish()?, number + 1);
    }
    let after = check_ledger(&mut cluster.client(0))?;
    ensure!(after > least);

    // It did not please: back to what was before.
    cluster.kill_all();
    lockgate.ok(&["restore", "latest", "--into", "cluster", "--overwrite"])?;
    cluster.launch()?;
    ensure!(expect(&cluster, &before, least)? == least);

    // The disks of all but one are gone, and all get the history of that one.
    wipe_all(&mut cluster)?;
    (0..MEMBERS).try_for_each(|number| cluster.configure(number))?;
    let parts = ["system/1", "data/1", "more/1", "more/2"].map(|part| format!("member/m2/{part}"));
    let mut recover = vec!["restore", "latest", "--into", "recovery"];
    recover.extend(parts.iter().flat_map(|part| ["--part", part.as_str()]));
    refused(&lockgate, &recover, "--disaster-recovery")?;
    recover.push("--disaster-recovery");
    lockgate.ok(&recover)?;
    cluster.launch()?;
    ensure!(expect(&cluster, &before, least)? == least);
    Ok(())
}
