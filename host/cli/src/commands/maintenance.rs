mod service;

use std::sync::Arc;

use clap::Args;
use lockgate_api::{Maintenance as Held, MaintenanceRequest, MaintenanceStep, Request};
use lockgate_engine::maintenance::{Maintenance, maintain};
use lockgate_engine::{Error, ErrorKind, Result};
use lockgate_types::{Name, Severity};
use serde_json::{Value, json};

use super::health::print;
use super::health::service::parsed;
use crate::bars::Bars;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::follow::follow;
use crate::operator;
use crate::{output, words};

#[derive(Args)]
pub struct Arguments {
    /// Source or set of the configuration; without one, what is out of service is listed
    #[arg(requires = "step")]
    source: Option<String>,
    /// `enter` takes it out of service, `leave` puts it back; any other word is an action of the plugin's, such as
    /// `reindex`
    step: Option<String>,
    /// What the action is to know, as the plugin documents it
    #[arg(long, value_name = "JSON", requires = "step")]
    arguments: Option<String>,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let (Some(source), Some(word)) = (&arguments.source, &arguments.step) else {
        return list(context);
    };
    match step(word, arguments.arguments.as_deref())? {
        Maintenance::Enter => by_hand(context, source, MaintenanceStep::Enter),
        Maintenance::Leave => by_hand(context, source, MaintenanceStep::Leave),
        Maintenance::Act { action, arguments } => match context.server() {
            Some(_) => service::run(context, source, action, arguments),
            None => act(context, source, Maintenance::Act { action, arguments }),
        },
    }
}

/// A repair of the plugin's, by this process.
fn act(context: &Context, source: &str, step: Maintenance<'_>) -> Result<Exit> {
    let (name, source) = context.site.source(source)?;
    let bars = Arc::new(Bars::new(context));
    let host = context.host(bars.clone())?;
    let report = maintain(&host, name, source, step)?;
    bars.finish();
    print(context.json, name, &report);
    Ok(if report.worst() == Some(Severity::Critical) { exit::CRITICAL } else { exit::OK })
}

/// Out of service or back, as a job: what an operator took out is remembered, so that no other job puts it back.
fn by_hand(context: &Context, name: &str, step: MaintenanceStep) -> Result<Exit> {
    let request = MaintenanceRequest { sources: vec![parsed(name)?], step };
    let operator = operator::open(context)?;
    let job = operator.submit(Request::Maintenance(request))?;
    let Some(mut job) = follow(context, &*operator, &job)? else { return Ok(exit::INTERRUPTED) };
    let names = match job.result["sources"].take() {
        Value::Null => Vec::new(),
        names => serde_json::from_value::<Vec<Name>>(names).map_err(|error| {
            Error::new(ErrorKind::Unsupported, format!("job {}: its result: {error}", job.id))
        })?,
    };
    let is_out = step == MaintenanceStep::Enter;
    for name in names {
        if context.json {
            output::message("maintenance", json!({ "name": name, "is_out_of_service": is_out }));
        } else {
            let what = if is_out { "out of service" } else { "in service" };
            output::line(format!("{name} is {what}"));
        }
    }
    Ok(exit::OK)
}

/// What is out of service, since when, and who puts it back.
fn list(context: &Context) -> Result<Exit> {
    let held = operator::open(context)?.out_of_service()?;
    for held in &held {
        if context.json {
            output::message(
                "maintenance",
                json!({ "name": held.source, "is_out_of_service": true,
                "since": held.since, "job": held.job }),
            );
        } else {
            output::line(line(held));
        }
    }
    if context.json {
        output::message("summary", json!({ "out_of_service": held.len() }));
    }
    Ok(exit::OK)
}

fn line(held: &Held) -> String {
    let back = match held.job {
        Some(job) => format!("until job {job} has ended"),
        None => format!("until `lockgate maintenance {} leave`", held.source),
    };
    format!("{}  out of service since {}, {back}", held.source, words::time(held.since))
}

fn step<'a>(word: &'a str, arguments: Option<&'a str>) -> Result<Maintenance<'a>> {
    let wrong =
        |cause: String| Err(Error::new(ErrorKind::Configuration, format!("--arguments: {cause}")));
    match (word, arguments) {
        ("enter", None) => Ok(Maintenance::Enter),
        ("leave", None) => Ok(Maintenance::Leave),
        ("enter" | "leave", Some(_)) => wrong(format!("{word} takes none")),
        (action, given) => {
            let text = given.unwrap_or("{}");
            match serde_json::from_str::<Value>(text) {
                Ok(_) => Ok(Maintenance::Act { action, arguments: text }),
                Err(error) => wrong(format!("this is not JSON: {error}")),
            }
        }
    }
}
