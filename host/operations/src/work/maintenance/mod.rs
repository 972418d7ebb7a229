//! Out of service and back: the modes of plugins, and the operator's own commands. What is out is remembered before it is taken
//! out, so that it is put back whatever happens in between.

mod command;
mod orphan;
mod out;
mod subject;

use std::sync::Arc;

use jiff::Timestamp;
use lockgate_api::{Happening, JobId, Maintenance, MaintenanceRequest, MaintenanceStep};
use lockgate_engine::{Cancel, Observe};
use lockgate_types::Name;
use serde_json::{Value, json};

use super::Work;
use crate::{Error, ErrorKind, Result, Site, Store};
pub(crate) use orphan::end as end_programs_of;
pub(super) use out::OutOfService;
use out::is_operators;
use subject::Subject;

/// How often it is tried to put something back.
const ATTEMPTS: u32 = 3;

/// Takes sources and sets out of service, or puts them back, for an operator who will undo it.
pub(super) fn run(work: &Work, request: &MaintenanceRequest) -> Result<Value> {
    let names = match request.step {
        MaintenanceStep::Enter => take_out(work, request)?,
        MaintenanceStep::Leave => bring_back(work)?,
    };
    Ok(json!({ "sources": names }))
}

/// All of it, or nothing.
fn take_out(work: &Work, request: &MaintenanceRequest) -> Result<Vec<Name>> {
    let held = work.wait(work.store.maintenance())?;
    let mut out = OutOfService::nothing(work);
    let mut names = Vec::new();
    for name in &work.sources {
        let is_out = if is_operators(&held, name) {
            // Again: its server may have been started anew meanwhile. It stays the operator's, whatever comes of it.
            let subject = Subject::of(&work.site, name)?;
            subject.enter(&work.site, &work.host()?, Some(work.job.id), &work.cancel)?
        } else {
            out.take(name)?
        };
        if is_out {
            names.push(name.clone());
        } else if request.sources.contains(name) && work.site.source(name.as_str()).is_ok() {
            return Err(unsupported(name));
        } else {
            work.recorder.note(format!("{name} has no maintenance mode"));
        }
    }
    if names.is_empty() {
        return Err(request.sources.first().map_or_else(nothing_named, unsupported));
    }
    out.keep()?;
    Ok(names)
}

fn unsupported(name: &Name) -> Error {
    let message = format!("{name} has no maintenance mode: its plugin knows none");
    Error::new(ErrorKind::Unsupported, message).with_hint(
        "`maintenance` of the source or set in the configuration names commands of your own",
    )
}

fn nothing_named() -> Error {
    Error::new(ErrorKind::Configuration, "name a source or a set")
}

/// All that can be put back; the first error when something cannot.
fn bring_back(work: &Work) -> Result<Vec<Name>> {
    let mut result = Ok(());
    for name in work.sources.iter().rev() {
        match put_back(&work.site, &work.store, name, Some(work.job.id), work.recorder.clone()) {
            Ok(()) => tell(work, name, false),
            Err(error) => result = result.and(Err(error)),
        }
    }
    result.map(|()| work.sources.clone())
}

fn entry(name: &Name, job: Option<JobId>) -> Maintenance {
    Maintenance { source: name.clone(), since: Timestamp::now(), job }
}

fn tell(work: &Work, name: &Name, is_on: bool) {
    work.recorder.happened(Happening::Maintenance { source: name.clone(), is_on });
}

/// Puts a source or a set back into service, whoever wishes to stop, and forgets that it was out.
///
/// # Errors
/// When its plugin or a program fails again and again; then it is not forgotten.
pub(crate) fn put_back(
    site: &Site,
    store: &Store,
    name: &Name,
    job: Option<JobId>,
    observer: Arc<dyn Observe>,
) -> Result<()> {
    let subject = Subject::of(site, name)?;
    // With a will of its own: a job that was stopped cleans up all the same.
    let host = site.host(observer, Cancel::default())?;
    let mut attempt = 1;
    while let Err(error) = subject.leave(site, &host, job) {
        if attempt >= ATTEMPTS {
            let message = format!("{name} is still out of service: {error}");
            let hint = format!("`lockgate maintenance {name} leave` tries again");
            return Err(Error::new(error.kind(), message).with_hint(hint));
        }
        attempt += 1;
    }
    site.runtime.block_on(store.maintenance_off(name))
}
