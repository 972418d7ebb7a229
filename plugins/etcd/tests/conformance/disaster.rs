//! The file for disaster recovery, from a cluster of three members that wants certificates.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use lockgate_conformance::command::{Lockgate, plugins};
use lockgate_servers::{Etcd, EtcdOptions, etcdutl};
use serde_json::Value;
use tempfile::TempDir;

const KEYS: u64 = 20;

#[test]
fn the_snapshot_file_makes_a_new_cluster() -> Result<()> {
    let options = EtcdOptions { members: 3, is_tls: true, ..EtcdOptions::default() };
    let server = Etcd::start_with(&options)?;
    for number in 0..KEYS {
        server.ctl(&["put", &format!("/app/{number}"), "a value"])?;
    }
    let folder = TempDir::new()?;
    let lockgate = configured(&server, &folder)?;
    lockgate.ok(&["init"])?;
    lockgate.ok(&["backup", "settings"])?;
    let files = folder.path().join("files");
    lockgate.ok(&["restore", "latest", "--target", &files.display().to_string()])?;

    let file = files.join("settings/snapshot/snapshot.db");
    let tool = |arguments: &[&str]| -> Result<String> {
        let output = Command::new(etcdutl()?).args(arguments).arg(&file).output()?;
        ensure!(output.status.success(), "{output:?}");
        Ok(String::from_utf8(output.stdout)?)
    };
    let status: Value = serde_json::from_str(&tool(&["snapshot", "status", "--write-out=json"])?)?;
    ensure!(status["totalKey"].as_u64() == Some(KEYS), "{status}");
    let data = folder.path().join("data");
    tool(&["snapshot", "restore", "--data-dir", &data.display().to_string()])?;
    ensure!(data.join("member/snap/db").is_file(), "etcdutl made no data folder");
    Ok(())
}

fn configured(server: &Etcd, folder: &TempDir) -> Result<Lockgate> {
    let authority = server.ca_certificate.as_ref().context("an authority")?.display();
    let (certificate, key) = server.client_certificate.as_ref().context("a certificate")?;
    let (address, certificate, key) = (&server.address, certificate.display(), key.display());
    let path = folder.path().join("config.toml");
    let text = format!(
        "[sources.settings]\nplugin = \"etcd\"\nconfig = {{ physical-snapshot = true }}\n\
         endpoints.server = {{ address = \"{address}\", encryption = \"immediate\", ca-file = \"{authority}\", \
         cert-file = \"{certificate}\", key-file = \"{key}\" }}\n"
    );
    std::fs::write(&path, text)?;
    let repository = format!("fs:{}", folder.path().join("repository").display());
    let lockgate = Lockgate::new(folder.path(), &plugins()?)?
        .with("LOCKGATE_REPOSITORY", repository)
        .with("LOCKGATE_CONFIG", path);
    // The lock file is beside the configuration.
    lockgate.ok(&["plugin", "lock"])?;
    Ok(lockgate)
}
