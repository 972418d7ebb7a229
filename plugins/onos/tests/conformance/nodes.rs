//! Folders of nodes: the layout of ONOS 2.7 around the partitions of real Atomix agents, which ONOS has inside where no storage nodes are
//! configured.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use lockgate_conformance::command::{Lockgate, plugins};
use lockgate_servers::{Atomix, AtomixOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

const MEMBERS: usize = 3;
const KARAF: &str = "apache-karaf-4.2.14";
const MAP: &str = "/v1/atomic-map/onos-devices";

fn options() -> AtomixOptions {
    AtomixOptions {
        members: MEMBERS,
        groups: vec![("raft".to_owned(), 3)],
        storage: format!("{KARAF}/data/db/partitions"),
        ..AtomixOptions::default()
    }
}

/// What of an installation is there before its first start.
fn install(home: &Path, version: &str) -> Result<()> {
    let application = home.join("apps/org.onosproject.fwd");
    fs::create_dir_all(&application)?;
    fs::create_dir_all(home.join(KARAF).join("etc"))?;
    fs::write(home.join("VERSION"), version)?;
    let text = format!("<app name=\"org.onosproject.fwd\" version=\"{version}\"/>");
    Ok(fs::write(application.join("app.xml"), text)?)
}

/// What an operator and a running node add to it.
fn run(home: &Path, cluster: &Atomix, number: usize) -> Result<()> {
    fs::create_dir_all(home.join("config"))?;
    let local = home.join(KARAF).join("data/db/local");
    fs::create_dir_all(&local)?;
    fs::write(local.join("cache"), format!("of node {number}"))?;
    fs::write(home.join(KARAF).join("etc/users.properties"), "onos = rocks,_g_:admingroup\n")?;
    fs::write(home.join("apps/org.onosproject.fwd/active"), "")?;
    let node = |number: usize| {
        let (ip, port) = address(cluster, number);
        json!({"id": format!("m{}", number + 1), "ip": ip, "port": port})
    };
    let all: Vec<Value> = (0..MEMBERS).map(node).collect();
    let file = json!({"name": "tested", "node": node(number), "controller": all});
    fs::write(home.join("config/cluster.json"), file.to_string())?;
    let network =
        json!({"devices": {"of:1": {"basic": {"driver": "ovs", "managementAddress": "10.0.0.1"}}}});
    Ok(fs::write(home.join("config/network-cfg.json"), network.to_string())?)
}

fn address(cluster: &Atomix, number: usize) -> (String, u16) {
    let address = cluster.address(number);
    let (ip, port) = address.rsplit_once(':').unwrap_or_default();
    (ip.to_owned(), port.parse().unwrap_or_default())
}

fn source(name: &str, cluster: &Atomix, config: &str) -> String {
    let mut text = format!("[sources.{name}]\nplugin = \"onos\"\nconfig = {{ {config} }}\n");
    for number in 0..MEMBERS {
        let home = cluster.folder(number);
        text += &format!(
            "folders.m{} = {{ path = \"{}\", access = \"read-write\" }}\n",
            number + 1,
            home.display()
        );
    }
    text
}

fn refused(lockgate: &Lockgate, arguments: &[&str], words: &str) -> Result<()> {
    let outcome = lockgate.run(arguments)?;
    let line = outcome.error_line();
    ensure!(outcome.code != Some(0) && line.contains(words), "{arguments:?}: {outcome:?}");
    Ok(())
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn it_conforms_when_nodes_move_by_their_names() -> Result<()> {
    let cluster = Atomix::start_with(options())?;
    for number in 0..MEMBERS {
        install(&cluster.folder(number), "2.6.0")?;
        run(&cluster.folder(number), &cluster, number)?;
    }
    let mut client = cluster.client(0);
    for device in 0..50 {
        client.send("PUT", &format!("{MAP}/of-{device}"), &format!("device {device}"))?;
    }
    // New nodes of the next version, with the same names elsewhere.
    let mut moved = Atomix::prepare(options())?;
    for number in 0..MEMBERS {
        install(&moved.folder(number), "2.7.0")?;
    }
    let addresses: Vec<String> =
        (0..MEMBERS).map(|it| format!("m{} = \"{}\"", it + 1, moved.address(it))).collect();
    let config = format!("nodes-stopped = true, addresses = {{ {} }}", addresses.join(", "));
    let folder = TempDir::new()?;
    let path = folder.path().join("config.toml");
    let sources = [source("old", &cluster, ""), source("moved", &moved, &config)];
    fs::write(&path, sources.concat())?;
    let repository = format!("fs:{}", folder.path().join("repository").display());
    let lockgate = Lockgate::new(folder.path(), &plugins()?)?
        .with("LOCKGATE_REPOSITORY", repository)
        .with("LOCKGATE_CONFIG", path);
    lockgate.ok(&["plugin", "lock"])?;
    lockgate.ok(&["init"])?;
    lockgate.ok(&["backup", "old"])?;

    let restore = ["restore", "latest", "--into", "moved", "--rename", "10.0.0.1=10.9.0.1"];
    refused(&lockgate, &["restore", "latest", "--into", "old", "--overwrite"], "nodes-stopped")?;
    let one = [&restore[..], &["--part", "node/m1/raft/1"]].concat();
    refused(&lockgate, &one, "and not to m2, m3")?;
    fs::write(moved.folder(2).join("VERSION"), "2.5.9")?;
    refused(&lockgate, &restore, "an older version does not read it")?;
    fs::write(moved.folder(2).join("VERSION"), "2.7.0")?;
    let told = lockgate.ok(&restore)?;
    ensure!((told.stdout.clone() + &told.stderr).contains("recorded protocol"), "{told:?}");
    refused(&lockgate, &restore, "exists already")?;

    moved.launch()?;
    for number in 0..MEMBERS {
        let found = moved.client(number).get(&format!("{MAP}/of-7"))?;
        ensure!(found.contains("device 7"), "node m{}: {found}", number + 1);
        check(&moved, number)?;
    }
    Ok(())
}

fn check(moved: &Atomix, number: usize) -> Result<()> {
    let home = moved.folder(number);
    let read = |path: &str| fs::read_to_string(home.join(path)).with_context(|| path.to_owned());
    let file: Value = serde_json::from_str(&read("config/cluster.json")?)?;
    let (ip, port) = address(moved, number);
    let node = json!({"id": format!("m{}", number + 1), "ip": ip, "port": port});
    ensure!(file["node"] == node && file["controller"][number] == node, "{file}");
    ensure!(read("config/network-cfg.json")?.contains("10.9.0.1"));
    ensure!(read(&format!("{KARAF}/data/db/local/cache"))? == format!("of node {number}"));
    ensure!(read(&format!("{KARAF}/etc/users.properties"))?.contains("rocks"));
    // The application is active, and of the newer version.
    ensure!(home.join("apps/org.onosproject.fwd/active").exists());
    ensure!(read("apps/org.onosproject.fwd/app.xml")?.contains("2.7.0"));
    Ok(())
}
