//! What can go wrong: each trouble is told in one line that names the thing, the cause and the next step, with its own exit
//! code, and loses nothing.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lockgate_tests::bank::{self, Bank};
use lockgate_tests::{Outcome, Site, folder};

/// Demands an exit code and that the one line of the error holds these words and a hint.
fn told(outcome: &Outcome, code: i32, words: &[&str]) -> Result<()> {
    let line = outcome.error_line();
    println!("{code}: {line}");
    ensure!(outcome.code == Some(code), "{outcome:?}");
    ensure!(words.iter().all(|word| line.contains(word)), "expected {words:?}: {outcome:?}");
    ensure!(line.contains("(hint: "), "no next step: {outcome:?}");
    let lines = outcome.stderr.lines().filter(|line| line.starts_with("lockgate: ")).count();
    ensure!(lines == 1, "more than one line: {outcome:?}");
    Ok(())
}

fn with_data() -> Result<(Site, String)> {
    let site = Site::local()?;
    folder::fill(&site.path("data"), 30, 2 << 20, 11)?;
    site.lockgate.ok(&["init"])?;
    let data = site.text("data");
    Ok((site, data))
}

#[test]
fn a_wrong_password() -> Result<()> {
    let (site, data) = with_data()?;
    let wrong = site.lockgate.clone().with("LOCKGATE_PASSWORD", "battery staple");
    told(&wrong.run(&["backup", "--folder", &data])?, 12, &["password"])
}

#[test]
fn a_missing_repository() -> Result<()> {
    let site = Site::local()?;
    told(&site.lockgate.run(&["snapshots"])?, 10, &[&site.text("repository")])?;
    site.lockgate.ok(&["init"])?;
    told(&site.lockgate.run(&["init"])?, 20, &["repository"])
}

#[test]
fn a_truncated_pack() -> Result<()> {
    let (site, data) = with_data()?;
    site.lockgate.ok(&["backup", "--folder", &data])?;
    let packs = site.repository_folder().context("a local repository")?.join("data");
    let pack = largest(&packs)?;
    let bytes = fs::read(&pack)?;
    fs::remove_file(&pack)?;
    fs::write(&pack, bytes.get(..bytes.len() / 2).context("half a pack")?)?;
    let outcome = site.lockgate.run(&["check", "--read-data"])?;
    let name = pack.file_name().context("a name")?.to_string_lossy().into_owned();
    ensure!(outcome.code == Some(15) && outcome.stdout.contains(&name[..8]), "{outcome:?}");
    ensure!(outcome.stdout.contains("cannot be restored"), "{outcome:?}");
    let target = site.text("restored");
    told(&site.lockgate.run(&["restore", "latest", "--target", &target])?, 15, &[&name[..8]])
}

fn largest(folder: &std::path::Path) -> Result<std::path::PathBuf> {
    let mut found = None;
    for below in fs::read_dir(folder)? {
        for file in fs::read_dir(below?.path())? {
            let file = file?;
            let size = file.metadata()?.len();
            if found.as_ref().is_none_or(|(largest, _)| size > *largest) {
                found = Some((size, file.path()));
            }
        }
    }
    Ok(found.context("no pack")?.1)
}

#[test]
fn a_full_disk() -> Result<()> {
    let site = Site::local()?;
    let disk = site.path("disk");
    fs::create_dir(&disk)?;
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"])
        .arg(&disk)
        .status()?;
    if !mounted.success() {
        println!("skipped: this machine lets nobody mount");
        return Ok(());
    }
    let result = fill_disk(&site);
    Command::new("umount").arg(&disk).status()?;
    result
}

fn fill_disk(site: &Site) -> Result<()> {
    let lockgate = site
        .lockgate
        .clone()
        .with("LOCKGATE_REPOSITORY", format!("fs:{}/repository", site.text("disk")));
    folder::fill(&site.path("small"), 10, 1 << 20, 12)?;
    folder::fill(&site.path("large"), 40, 60 << 20, 13)?;
    lockgate.ok(&["init"])?;
    let (small, large) = (site.text("small"), site.text("large"));
    lockgate.ok(&["backup", "--folder", &small])?;
    told(&lockgate.run(&["backup", "--folder", &large])?, 14, &["disk/repository"])?;
    let snapshots = lockgate.ok(&["snapshots"])?.stdout;
    ensure!(snapshots.lines().count() == 1, "{snapshots}");
    lockgate.ok(&["check", "--read-data", "--no-lock"])?;
    let target = site.text("restored");
    lockgate.ok(&["restore", "latest", "--target", &target])?;
    Ok(())
}

#[test]
fn an_unreachable_storage() -> Result<()> {
    let site = Site::local()?;
    let lockgate = site
        .lockgate
        .clone()
        .with("LOCKGATE_REPOSITORY", "s3:http://127.0.0.1:9/bucket/folder")
        .with("AWS_ACCESS_KEY_ID", "key")
        .with("AWS_SECRET_ACCESS_KEY", "secret");
    told(&lockgate.run(&["snapshots"])?, 13, &["127.0.0.1:9"])
}

#[test]
fn an_unreachable_server() -> Result<()> {
    let site = Site::local()?;
    fs::write(site.path("secret"), "secret")?;
    let lockgate = site.configured(&bank::source("shop", 9, &site.text("secret")))?;
    lockgate.ok(&["init"])?;
    told(&lockgate.run(&["backup", "shop"])?, 13, &["shop", "127.0.0.1:9"])
}

#[test]
fn a_wrong_server_password() -> Result<()> {
    let site = Site::local()?;
    let bank = Bank::open(10)?;
    let lockgate = bank.configure(&site, None)?;
    fs::write(site.path("secret"), "not the secret")?;
    lockgate.ok(&["init"])?;
    told(&lockgate.run(&["backup", "shop"])?, 18, &["shop", "backup"])
}

/// The first packet of a server that nobody has tested: protocol 10 with a version far in the future.
#[test]
fn an_unknown_server_version() -> Result<()> {
    let site = Site::local()?;
    let server = TcpListener::bind("127.0.0.1:0")?;
    let port = server.local_addr()?.port();
    fs::write(site.path("secret"), "secret")?;
    let lockgate = site.configured(&bank::source("shop", port, &site.text("secret")))?;
    lockgate.ok(&["init"])?;
    let greeter = std::thread::spawn(move || -> Result<()> {
        let (mut client, _) = server.accept()?;
        client.write_all(&greeting("99.1.0-Future"))?;
        // Whoever logs in is welcome: an OK packet, third of the exchange.
        let read = client.read(&mut [0; 4096])?;
        client.write_all(&[7, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0])?;
        if read > 0 {
            client.read_to_end(&mut Vec::new())?;
        }
        Ok(())
    });
    let outcome = lockgate.run(&["backup", "shop"])?;
    greeter.join().map_err(|_| anyhow::anyhow!("the greeter panicked"))??;
    told(&outcome, 19, &["99.1.0"])
}

/// A handshake packet, version 10 (MariaDB's public description of the protocol, "Initial handshake packet").
fn greeting(version: &str) -> Vec<u8> {
    let mut body = vec![10];
    body.extend_from_slice(version.as_bytes());
    body.push(0);
    body.extend_from_slice(&7_u32.to_le_bytes());
    body.extend_from_slice(b"12345678\0");
    let capabilities: u32 = 0x0008_a201 | 0x0008_0000;
    body.extend_from_slice(&capabilities.to_le_bytes()[..2]);
    body.push(45);
    body.extend_from_slice(&2_u16.to_le_bytes());
    body.extend_from_slice(&capabilities.to_le_bytes()[2..]);
    body.push(21);
    body.extend_from_slice(&[0; 10]);
    body.extend_from_slice(b"123456789012\0");
    body.extend_from_slice(b"mysql_native_password\0");
    let mut packet = u32::try_from(body.len()).unwrap_or(0).to_le_bytes().to_vec();
    packet[3] = 0;
    packet.extend_from_slice(&body);
    packet
}

#[test]
fn a_wrong_configuration_is_explained_by_line() -> Result<()> {
    let site = Site::local()?;
    let lockgate = site.configured("[sources.home]\nplugin = \"files\"\nparalel = 3\n")?;
    let checked = lockgate.run(&["config", "check"])?;
    ensure!(checked.code == Some(2) && checked.stdout.contains(":3: "), "{checked:?}");
    told(&lockgate.run(&["backup"])?, 2, &["line 3", "paralel"])
}

#[test]
fn what_a_plugin_has_no_use_for_is_seen_before_a_run() -> Result<()> {
    let site = Site::local()?;
    let lockgate = site.configured(
        "[sources.home]\nplugin = \"files\"\nendpoints.server = { address = \"db:1\", encryption = \"off\" }\n
         [sources.shop]\nplugin = \"oracle\"\n",
    )?;
    let checked = lockgate.run(&["config", "check"])?;
    ensure!(checked.code == Some(2), "{checked:?}");
    ensure!(checked.stdout.contains("sources.shop: there is no plugin oracle"), "{checked:?}");
    ensure!(checked.stdout.contains("sources.home: "), "{checked:?}");
    ensure!(checked.stdout.contains("server"), "{checked:?}");
    Ok(())
}

#[test]
fn an_interrupted_backup_leaves_nothing_half_visible() -> Result<()> {
    let (site, _) = with_data()?;
    folder::fill(&site.path("large"), 60, 400 << 20, 14)?;
    let large = site.text("large");
    let mut running = site.lockgate.start(&["backup", "--folder", &large])?;
    std::thread::sleep(std::time::Duration::from_millis(400));
    let pid = rustix::process::Pid::from_child(&running);
    rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
    let status = running.wait()?;
    ensure!(status.code() == Some(130), "{status}");
    ensure!(site.lockgate.ok(&["snapshots"])?.stdout.is_empty(), "a snapshot was left");
    let locks = site.repository_folder().context("local")?.join("locks");
    ensure!(fs::read_dir(locks)?.count() == 0, "a lock was left");
    site.lockgate.ok(&["check", "--read-data"])?;
    Ok(())
}
