//! The suite against real etcd servers, filled through the gateway and seen through `etcdctl`.

mod clusters;
mod content;
mod disaster;
mod gateway;
mod server;
mod writer;

use anyhow::{Context as _, Result};
use lockgate_conformance::{Datastore, Role, Server};
use lockgate_servers::{Etcd, EtcdRelease};

use server::Cluster;

struct EtcdStore(EtcdRelease);

impl Datastore for EtcdStore {
    fn plugin(&self) -> &str {
        "etcd"
    }

    fn server_version(&self) -> Result<String> {
        Ok(format!("etcd {}", version(&Etcd::start(self.0)?)?))
    }

    fn start(&self, _role: Role) -> Result<Box<dyn Server>> {
        Ok(Box::new(Cluster::open(self.0)?))
    }
}

/// As the server says it.
fn version(server: &Etcd) -> Result<String> {
    let status = server.ctl(&["endpoint", "status", "--write-out=json"])?;
    let status: serde_json::Value = serde_json::from_str(&status)?;
    let version = status.pointer("/0/Status/version").and_then(serde_json::Value::as_str);
    Ok(version.context("a version")?.to_owned())
}

#[test]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&EtcdStore(EtcdRelease::V3_6))
}

#[test]
fn it_conforms_to_the_release_of_debian() -> Result<()> {
    lockgate_conformance::check(&EtcdStore(EtcdRelease::V3_4))
}
