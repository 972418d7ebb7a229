//! The plugin against a stand-in of Marathon. What it holds is written and seen by the Python client `marathon`.

mod restores;
mod server;
mod zookeeper;

use anyhow::{Context, Result, ensure};
use lockgate_conformance::{Content, Datastore, Disguise, Role, Server};

use crate::server::Marathon;

struct Marathons;

impl Datastore for Marathons {
    fn plugin(&self) -> &str {
        "marathon"
    }

    fn server_version(&self) -> Result<String> {
        Ok("recorded protocol of Marathon 1.10.26".to_owned())
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        let reason = "Marathon gives all definitions in one answer, which is in the plugin's memory before its first byte is archived";
        vec![("back-pressure", reason)]
    }

    fn start(&self, _role: Role) -> Result<Box<dyn Server>> {
        Ok(Box::new(Marathon::start()?))
    }
}

#[test]
#[ignore = "takes minutes: sh tests/conformance.sh runs it"]
fn it_conforms() -> Result<()> {
    lockgate_conformance::check(&Marathons)
}

#[test]
fn the_stand_in_is_what_the_client_takes_for_marathon() -> Result<()> {
    let mut server = Marathon::start()?;
    server.client(&["protocol"])?;
    server.stand_in.kill();
    server.stand_in.restart()?;
    server.client(&["protocol"])?;
    server.give_token("a-token")?;
    server.client(&["protocol"])?;
    Ok(())
}

#[test]
fn the_servers_are_driven_as_the_suite_drives_them() -> Result<()> {
    let mut source = Marathons.start(Role::Source)?;
    let empty = source.contents()?;
    source.fill(Content::Usual)?;
    let usual = source.contents()?;
    let renamed = source.renaming().objects.into_iter().map(|(old, _)| old);
    for key in source.selection().objects.into_iter().chain(renamed) {
        ensure!(usual.contains_key(&key), "{key}");
    }
    let writer = source.write()?;
    std::thread::sleep(std::time::Duration::from_millis(500));
    ensure!(writer.stop()? > 5);
    source.check_invariant()?;
    ensure!(source.contents()? != usual);
    source.kill()?;
    source.restart()?;
    source.check_invariant()?;
    let Disguise::Replies(replies) = source.disguise()? else { anyhow::bail!("no replies") };
    ensure!(replies.iter().all(|(from, to)| from.len() == to.len() && from != to));
    source.clear()?;
    ensure!(source.contents()? == empty);
    for content in [
        Content::Odd,
        Content::Huge { bytes: 9 << 20 },
        Content::Many { count: 2000 },
        Content::Bulk { bytes: 1 << 20 },
    ] {
        source.fill(content)?;
    }
    ensure!(source.contents()?.len() > 60, "{}", source.contents()?.len());
    ensure!(source.leftovers()?.is_empty(), "{:?}", source.leftovers().context("leftovers")?);
    Ok(())
}
