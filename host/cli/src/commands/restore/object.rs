//! A backup is restored by its id: a job, of this process or of a service.

use std::collections::BTreeMap;

use lockgate_api::{BackupId, ComponentStatus, Job, Request, RestorePlan, RestoreRequest};
use lockgate_engine::{Error, ErrorKind, Result};
use lockgate_types::Name;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Arguments;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::follow::{can_detach, duration, follow, goes_on};
use crate::{operator, output, words};

pub fn run(context: &Context, arguments: &Arguments, id: BackupId) -> Result<Exit> {
    if arguments.target.is_some() || arguments.into.is_some() {
        let message = "--target and --into are of snapshots, and this is the id of a backup";
        return Err(Error::new(ErrorKind::Configuration, message)
            .with_hint("`lockgate show ID` tells its snapshot, which can be restored elsewhere"));
    }
    let operator = operator::open(context)?;
    can_detach(&*operator, arguments.detach)?;
    let request = RestoreRequest {
        backup: id,
        sources: arguments.sources.clone(),
        parts: arguments.parts.clone(),
        rename: arguments.rename.iter().cloned().collect(),
        overwrite: arguments.overwrite,
        disaster_recovery: arguments.disaster_recovery,
        without_maintenance: arguments.without_maintenance,
        without_stability: arguments.without_stability,
        without_verify: arguments.no_verify,
    };
    let job = operator.submit(match arguments.dry_run {
        true => Request::Plan(request),
        false => Request::Restore(request),
    })?;
    if arguments.detach {
        goes_on(context, &job);
        return Ok(exit::OK);
    }
    let Some(mut job) = follow(context, &*operator, &job)? else { return Ok(exit::INTERRUPTED) };
    match arguments.dry_run {
        true => print_plans(context, &mut job)?,
        false => print_restored(context, &mut job)?,
    }
    Ok(exit::OK)
}

fn print_plans(context: &Context, job: &mut Job) -> Result<()> {
    let plans: Vec<RestorePlan> = part(job, "plans")?;
    let warnings: Vec<String> = part(job, "warnings")?;
    if context.json {
        plans.iter().for_each(|plan| output::message("plan", plan));
        let body = json!({
            "backup": job.backup,
            "job": job.id,
            "warnings": warnings,
            "steps": plans.iter().map(|plan| plan.steps.len()).sum::<usize>(),
            "dry_run": true,
        });
        output::message("summary", body);
        return Ok(());
    }
    plans.iter().for_each(print_plan);
    warnings.iter().for_each(|warning| output::note(format!("warning: {warning}")));
    output::line(format!("{}: nothing was changed", what(job)));
    Ok(())
}

fn print_plan(plan: &RestorePlan) {
    let saved_by = match plan.saved_by.as_str() {
        "" => String::new(),
        by => format!(", saved by {by}"),
    };
    output::line(format!("source {}{saved_by}; {} would restore", plan.source, plan.restored_by));
    for (step, number) in plan.steps.iter().zip(1..) {
        let bytes = step.bytes.map(words::bytes).unwrap_or_default();
        let overwrites = if step.overwrites { "  (replaces what is there)" } else { "" };
        output::line(format!(
            "{number:4}  {}  {}  {}  {bytes}{overwrites}",
            step.part, step.action, step.target
        ));
    }
}

fn print_restored(context: &Context, job: &mut Job) -> Result<()> {
    let sources: BTreeMap<Name, ComponentStatus> = part(job, "component_status")?;
    let warnings: Vec<String> = part(job, "warnings")?;
    if context.json {
        let body = json!({
            "backup": job.backup,
            "job": job.id,
            "component_status": sources,
            "warnings": warnings,
            "seconds": duration(job).as_secs_f64(),
        });
        output::message("summary", body);
        return Ok(());
    }
    for (name, status) in &sources {
        let bytes = words::bytes(status.bytes);
        let state = words::state(status.state);
        output::line(format!("source {name}: {state}, {bytes}; {}", status.message));
    }
    let count = words::plural(u64::try_from(sources.len()).unwrap_or(u64::MAX), "source");
    let took = words::duration(duration(job));
    output::line(format!("restored {count} of {} in {took}", what(job)));
    Ok(())
}

fn what(job: &Job) -> String {
    job.backup.as_ref().map(|id| format!("backup {id}")).unwrap_or_default()
}

/// A part of what came of a job.
fn part<T: DeserializeOwned + Default>(job: &mut Job, name: &str) -> Result<T> {
    match job.result.get_mut(name).map(Value::take) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(value) => serde_json::from_value(value).map_err(|error| {
            Error::new(ErrorKind::Unsupported, format!("job {}: its result: {error}", job.id))
        }),
    }
}
