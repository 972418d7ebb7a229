//! One agent, once: below a minute.

use anyhow::{Result, ensure};
use lockgate_conformance::{Content, Datastore, Role};

use crate::Agents;

#[test]
fn the_agents_are_driven_as_the_suite_drives_them() -> Result<()> {
    let mut source = Agents.start(Role::Source)?;
    ensure!(source.contents()?.is_empty() && source.leftovers()?.is_empty());
    source.fill(Content::Usual)?;
    source.fill(Content::Odd)?;
    let usual = source.contents()?;
    for (key, _) in source.renaming().objects {
        ensure!(usual.contains_key(&key), "{key} is not one of {usual:?}");
    }
    for key in source.selection().objects {
        ensure!(usual.contains_key(&key), "{key} is not one of {usual:?}");
    }
    let writer = source.write()?;
    std::thread::sleep(std::time::Duration::from_secs(1));
    ensure!(writer.stop()? > 10);
    source.kill()?;
    source.restart()?;
    source.check_invariant()?;
    let mut after = source.contents()?;
    ensure!(after != usual);
    after.extend(
        usual
            .iter()
            .filter(|(key, _)| key.contains("data.l"))
            .map(|(key, value)| (key.clone(), value.clone())),
    );
    ensure!(after == usual);
    Ok(())
}
