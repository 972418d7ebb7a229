//! The plugin against what of ONOS can be had: a stand-in of its REST interface, driven with curl as ONOS's own tools do it, and node
//! folders whose partitions are those of real Atomix agents.

mod client;
mod nodes;
mod server;

use anyhow::{Result, ensure};
use lockgate_conformance::{Content, Datastore, Role, Server};
use lockgate_servers::StandIn;

use crate::server::Controller;

struct Controllers;

impl Datastore for Controllers {
    fn plugin(&self) -> &str {
        "onos"
    }

    fn server_version(&self) -> Result<String> {
        Ok("recorded protocol of ONOS 2.7".to_owned())
    }

    fn start(&self, _role: Role) -> Result<Box<dyn Server>> {
        Ok(Box::new(Controller::new(StandIn::start("onos")?)?))
    }
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&Controllers)
}

#[test]
fn the_stand_in_is_driven_as_the_suite_drives_it() -> Result<()> {
    let mut source = Controllers.start(Role::Source)?;
    let empty = source.contents()?;
    source.fill(Content::Usual)?;
    let usual = source.contents()?;
    for object in source.selection().objects {
        ensure!(usual.contains_key(&object), "{object} is not one of {usual:?}");
    }
    source.kill()?;
    source.restart()?;
    ensure!(source.contents()? == usual, "it forgot something");
    let writer = source.write()?;
    std::thread::sleep(std::time::Duration::from_millis(500));
    ensure!(writer.stop()? > 0);
    source.check_invariant()?;
    source.clear()?;
    ensure!(source.contents()? == empty);
    source.fill(Content::Odd)?;
    source.revoke()?;
    ensure!(source.contents().is_err());
    Ok(())
}
