//! One database, out of a snapshot of each master or key by key.

use std::collections::BTreeSet;
use std::io::BufRead;

use lockgate_plugin::host::Host;
use lockgate_plugin::{Error, Result};

use crate::config::Scope;
use crate::keys::{KeyWriter, Tally};
use crate::limits::TURN_BYTES;
use crate::rdb::snapshot::skip_value;
use crate::scan::Walk;
use crate::sync::Reading;

/// What is done with the databases of a snapshot that nobody asked for.
#[derive(Clone, Debug, Default)]
pub struct Others {
    /// Databases that were there when the backup began; none when any may be passed over.
    pub known: Option<BTreeSet<u64>>,
}

impl Others {
    fn check(&self, database: u64) -> Result<()> {
        match &self.known {
            Some(known) if !known.contains(&database) => Err(Error::conflict(format!(
                "database {database} got its first keys while the backup began: run it again"
            ))),
            _ => Ok(()),
        }
    }
}

/// Reads over databases in front of `database`, or over all when there is none.
///
/// # Errors
/// When the snapshot breaks off or has a database that must not be passed over.
pub fn pass_over<H: Host>(
    host: &H,
    reading: &mut Reading<H::Stream>,
    database: Option<u64>,
    others: &Others,
) -> Result<()> {
    let snapshot = reading.snapshot();
    while let Some(here) =
        snapshot.database().filter(|here| database.is_none_or(|wanted| *here < wanted))
    {
        others.check(here)?;
        let mut looked_at = snapshot.input().position();
        while let Some(head) = snapshot.next_key()? {
            skip_value(snapshot.input(), &head)?;
            if snapshot.input().position() - looked_at > TURN_BYTES {
                looked_at = snapshot.input().position();
                host.go_on()?;
            }
        }
    }
    Ok(())
}

/// Takes up to [`TURN_BYTES`] of `database`; says whether there is more.
///
/// # Errors
/// When the snapshot breaks off or does not parse.
pub fn take_turn<H: Host, S: BufRead>(
    reading: &mut Reading<S>,
    database: u64,
    scope: &Scope,
    to: &mut KeyWriter<H>,
) -> Result<bool> {
    let snapshot = reading.snapshot();
    if snapshot.database() != Some(database) {
        return Ok(false);
    }
    let end = snapshot.input().position() + TURN_BYTES;
    while snapshot.input().position() < end {
        let Some(head) = snapshot.next_key()? else { return Ok(false) };
        if scope.takes(&head.key) {
            to.take(head, snapshot.input())?;
        } else {
            skip_value(snapshot.input(), &head)?;
        }
    }
    Ok(true)
}

/// Where the keys of a database come from.
#[derive(Debug)]
pub enum Origin<'a, S> {
    /// A snapshot, which is at the database or behind it.
    Snapshot(&'a mut Reading<S>),
    /// The server itself.
    Server(Walk<S>),
}

/// Takes a database from all masters, a bit from each in turn: a server that has to wait for long before it can go on
/// sending gives up.
///
/// # Errors
/// When one breaks off, or the host cannot store it.
pub fn take_all<H: Host>(
    host: &H,
    part: &str,
    database: u64,
    scope: &Scope,
    mut origins: Vec<(Origin<'_, H::Stream>, KeyWriter<H>)>,
) -> Result<(Tally, bool)> {
    let mut active: Vec<bool> = vec![true; origins.len()];
    while active.contains(&true) {
        for (has_more, (origin, writer)) in
            active.iter_mut().zip(&mut origins).filter(|(more, _)| **more)
        {
            *has_more = match origin {
                Origin::Snapshot(reading) => take_turn(reading, database, scope, writer)?,
                Origin::Server(walk) => walk.step(scope, writer)?,
            };
        }
        host.go_on()?;
        let mut so_far = Tally::default();
        origins.iter().for_each(|(_, writer)| so_far.add(*writer.tally()));
        host.progress(part, so_far.bytes, so_far.keys);
    }
    let mut tally = Tally::default();
    let mut is_doubtful = false;
    for (origin, writer) in origins {
        tally.add(writer.finish()?);
        is_doubtful |= matches!(origin, Origin::Server(Walk { is_doubtful: true, .. }));
    }
    Ok((tally, is_doubtful))
}
