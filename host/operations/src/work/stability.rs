use std::thread;
use std::time::{Duration, Instant};

use lockgate_engine::configuration::Source;
use lockgate_types::Name;

use super::{Work, health};
use crate::{Error, ErrorKind, Result};

/// How long datastores may take to be well again after a restore.
const SETTLES_IN: Duration = Duration::from_secs(120);
const PERIOD: Duration = Duration::from_secs(3);

/// Sees to it that nothing critical is wrong before something is done.
pub(super) fn before(work: &Work, sources: &[(Name, Source)]) -> Result<()> {
    match critical(work, sources)? {
        None => Ok(()),
        Some(finding) => {
            Err(Error::new(ErrorKind::Conflict, format!("not stable, nothing was done: {finding}"))
                .with_hint("mend that first, or go on without the check of stability"))
        }
    }
}

/// Waits until nothing critical is wrong any more.
pub(super) fn after(work: &Work, sources: &[(Name, Source)]) -> Result<()> {
    let until = Instant::now() + SETTLES_IN;
    loop {
        let Some(finding) = critical(work, sources)? else { return Ok(()) };
        if Instant::now() >= until {
            let message =
                format!("everything was restored, and {finding} after {} s", SETTLES_IN.as_secs());
            return Err(
                Error::new(ErrorKind::Failed, message).with_hint("`lockgate health` looks again")
            );
        }
        thread::sleep(PERIOD);
    }
}

/// The first thing that is critical, in words.
fn critical(work: &Work, sources: &[(Name, Source)]) -> Result<Option<String>> {
    for (name, source) in sources {
        let health = health::look(work, name, source)?;
        if let Some(finding) = health::critical(&health) {
            return Ok(Some(format!("source {name}: {}", finding.message)));
        }
    }
    Ok(None)
}
