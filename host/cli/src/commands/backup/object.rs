//! A backup with a label and an id, which is remembered: a job, of this process or of a service.

use lockgate_api::{Backup, BackupRequest, CopyState, Job, Request};
use lockgate_engine::{Error, ErrorKind, Result};
use serde_json::json;

use super::Arguments;
use crate::context::Context;
use crate::each::each;
use crate::exit::{self, Exit};
use crate::follow::{can_detach, duration, follow, goes_on};
use crate::operator::{self, Operator};
use crate::{output, words};

/// Backs up the named sets and sources one after the other, each under an id of its own.
pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    fits(arguments)?;
    let operator = operator::open(context)?;
    can_detach(&*operator, arguments.detach)?;
    let names = match arguments.names.is_empty() {
        true => operator.units()?,
        false => arguments.names.clone(),
    };
    if names.is_empty() {
        return Err(Error::new(ErrorKind::Configuration, "there is nothing to back up")
            .with_hint("write a configuration with sources"));
    }
    each(context, &names, "not all sources were backed up", |name| {
        one(context, &*operator, arguments, name)
    })
}

/// What only a plain snapshot can be.
fn fits(arguments: &Arguments) -> Result<()> {
    let given = [
        ("--folder", arguments.folder.is_some()),
        ("--part", !arguments.parts.is_empty()),
        ("--tag", !arguments.tags.is_empty()),
        ("--host", arguments.host_is_an_argument()),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        None => Ok(()),
        Some((option, _)) => Err(Error::new(
            ErrorKind::Configuration,
            format!("{option} is of plain snapshots, and a backup with an id has none"),
        )
        .with_hint("leave --label and --server out, and no id is kept")),
    }
}

fn one(
    context: &Context,
    operator: &dyn Operator,
    arguments: &Arguments,
    name: &str,
) -> Result<Exit> {
    let job = operator.submit(Request::Backup(BackupRequest {
        name: name.to_owned(),
        label: arguments.label.clone(),
        maintenance: arguments.maintenance,
        check_stability: arguments.check_stability,
        force: arguments.force,
        allow_shrink: arguments.allow_shrink,
    }))?;
    if arguments.detach {
        goes_on(context, &job);
        return Ok(exit::OK);
    }
    let Some(job) = follow(context, operator, &job)? else { return Ok(exit::INTERRUPTED) };
    let id = job
        .backup
        .as_ref()
        .ok_or_else(|| Error::new(ErrorKind::Failed, format!("job {} made no backup", job.id)))?;
    let backup = operator.backup(id)?;
    let is_partial = job.result["is_partial"].as_bool().unwrap_or_default();
    print(context, &job, &backup, is_partial);
    let is_everywhere = backup.copies.values().all(|copy| copy.state == CopyState::Stored);
    Ok(match (is_partial, is_everywhere) {
        (true, _) => exit::PARTIAL,
        (false, false) => exit::NOT_EVERYWHERE,
        (false, true) => exit::OK,
    })
}

fn print(context: &Context, job: &Job, backup: &Backup, is_partial: bool) {
    if context.json {
        let mut body = json!(backup);
        body["job"] = json!(job.id);
        body["partial"] = json!(is_partial);
        body["seconds"] = json!(duration(job).as_secs_f64());
        return output::message("summary", body);
    }
    let items =
        backup.component_status.values().fold(0, |sum: u64, one| sum.saturating_add(one.items));
    output::line(format!(
        "backup {} of {}: {} items, {} ({} stored) in {}",
        backup.id,
        whose(backup),
        words::count(items),
        words::bytes(backup.bytes),
        words::bytes(backup.bytes_stored),
        words::duration(duration(job)),
    ));
}

/// The set and its sources, or the source.
pub fn whose(backup: &Backup) -> String {
    let names: Vec<&str> = backup.component_status.keys().map(|name| name.as_str()).collect();
    match &backup.set {
        Some(set) => format!("set {set} ({})", names.join(", ")),
        None => names.join(", "),
    }
}
