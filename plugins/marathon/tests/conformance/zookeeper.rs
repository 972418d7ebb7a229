//! Marathon and the ZooKeeper in which it keeps its framework id and its state, as one set.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use lockgate_conformance::{Content, Server};
use lockgate_servers::ZooKeeper;

use crate::restores::Site;
use crate::server::Marathon;

const FRAMEWORK: &str = "6a3b1f0e-7c55-4d0c-9d7a-2f3e5c1b9a10-0001";

/// What Marathon 1.5 and later, and the masters of Mesos, have in ZooKeeper: state by kind and id with earlier versions below,
/// and a leader for as long as it lives.
const SEED: &str = r#"
import sys
from kazoo.client import KazooClient
client = KazooClient(hosts=sys.argv[1]); client.start()
id = sys.argv[2].encode()
def put(path, value, **more): client.create(path, value, makepath=True, **more)
put("/marathon/state/framework-id/id", b"\n" + bytes([len(id)]) + id)
put("/marathon/state/.version", b"\x08\x01\x10\x0a\x18\x1a")
put("/marathon/state/root/root", b"\n\x01/")
put("/marathon/state/root/root/2026-11-01T10:00:00.000Z", b"\n\x01/")
put("/marathon/state/apps/a/shop_web", b"\n\x09/shop/web\x12\x05sleep")
put("/marathon/state/instance/c/shop_web.instance-1", b'{"instanceId":{"idString":"shop_web.instance-1"}}')
put("/marathon/leader/member_", b"m1:8080", ephemeral=True, sequence=True)
put("/mesos/log_replicas/0000000001", b"\x0a\x0bm1:5050")
put("/mesos/json.info_", b"{}", ephemeral=True, sequence=True)
put("/other", b"not Marathon's")
"#;
/// The framework's id, and everything below `/marathon` and `/mesos` that lives without a session.
const SHOW: &str = r#"
import sys
from kazoo.client import KazooClient
client = KazooClient(hosts=sys.argv[1]); client.start()
def walk(path):
    data, stat = client.get(path)
    if not stat.ephemeralOwner:
        print(path, data)
        for name in sorted(client.get_children(path)): walk(path + "/" + name)
print(client.get("/marathon/state/framework-id/id")[0][2:].decode())
for path in ("/marathon", "/mesos"): walk(path)
"#;

fn kazoo(program: &str, server: &ZooKeeper, more: &[&str]) -> Result<String> {
    // The system's own, which sees the packages of the system.
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", program, &address(server)?]).args(more);
    let output = command.output().context("run python3")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn address(server: &ZooKeeper) -> Result<String> {
    Ok(format!("127.0.0.1:{}", server.ports().first().context("no server")?))
}

fn configuration(name: &str, server: &ZooKeeper) -> Result<String> {
    Ok(format!(
        "[sources.{name}]\nplugin = \"zookeeper\"\nconfig = {{ include = [\"/marathon\", \"/mesos\"] }}\n\
         endpoints.server = {{ address = \"{}\", encryption = \"off\" }}\n",
        address(server)?
    ))
}

#[test]
fn a_set_brings_the_framework_id_and_the_applications_back() -> Result<()> {
    let (state, mut marathon) = (ZooKeeper::start()?, Marathon::start()?);
    kazoo(SEED, &state, &[FRAMEWORK])?;
    marathon.start_on(FRAMEWORK)?;
    marathon.fill(Content::Usual)?;
    let (new_state, mut new_marathon) = (ZooKeeper::start()?, Marathon::start()?);
    let site = Site::open(&format!(
        "{}{}[sources.marathon]\n{}[sources.new-marathon]\n{}\n[sets.scheduler]\nsources = [\"marathon\", \"state\"]\n",
        configuration("state", &state)?,
        configuration("new-state", &new_state)?,
        marathon.configuration(""),
        new_marathon.configuration(""),
    ))?;
    let saved = site.lockgate.summary(&["backup", "scheduler"])?;
    println!("the set was held for {} s", saved["held_seconds"]);

    // State first, with no Marathon on it; then Marathon starts on it as the framework that it was.
    site.lockgate.ok(&["restore", "latest", "--source", "state", "--into", "new-state"])?;
    let (was, is) = (kazoo(SHOW, &state, &[])?, kazoo(SHOW, &new_state, &[])?);
    ensure!(was == is, "{was}\n{is}");
    let framework = is.lines().next().unwrap_or_default();
    ensure!(framework == FRAMEWORK, "{is}");
    new_marathon.start_on(framework)?;
    site.lockgate.ok(&["restore", "latest", "--source", "marathon", "--into", "new-marathon"])?;
    ensure!(new_marathon.client(&["info"])? == FRAMEWORK);
    ensure!(new_marathon.contents()? == marathon.contents()?);
    let shown = site.lockgate.ok(&["show", "latest"])?.stdout;
    ensure!(shown.contains(FRAMEWORK), "{shown}");
    Ok(())
}
