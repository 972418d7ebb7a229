//! A service looks at its datastores.

use std::collections::BTreeMap;

use lockgate_api::{Health, HealthRequest, Request};
use lockgate_engine::{Error, ErrorKind, Result};
use lockgate_types::{Attributes, Finding, Name, Severity};
use serde_json::Value;

use super::{print_findings, worst};
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::follow::follow;
use crate::operator;

pub fn run(context: &Context, sources: &[String]) -> Result<Exit> {
    let sources = sources.iter().map(|name| parsed(name)).collect::<Result<Vec<Name>>>()?;
    let operator = operator::open(context)?;
    let job = operator.submit(Request::Health(HealthRequest { sources }))?;
    let Some(mut job) = follow(context, &*operator, &job)? else { return Ok(exit::INTERRUPTED) };
    let found: BTreeMap<Name, Health> = serde_json::from_value(job.result["sources"].take())
        .map_err(|error| {
            Error::new(ErrorKind::Unsupported, format!("job {}: its result: {error}", job.id))
        })?;
    let mut ended = exit::OK;
    for (name, health) in &found {
        let findings: Vec<Finding> = health.findings.iter().map(of_plugin).collect();
        print_findings(context.json, name, &findings, None, Value::Null);
        if worst(&findings) == Severity::Critical {
            ended = exit::CRITICAL;
        }
    }
    Ok(ended)
}

/// The name of a source of a service's.
pub fn parsed(name: &str) -> Result<Name> {
    name.parse().map_err(|error: lockgate_types::NameError| {
        Error::new(ErrorKind::Configuration, error.to_string())
    })
}

/// As this process would have it from the plugin.
pub fn of_plugin(finding: &lockgate_api::Finding) -> Finding {
    let mut attributes = Attributes::default();
    if !finding.hint.is_empty() {
        attributes.insert("hint".to_owned(), finding.hint.clone());
    }
    let (code, message) = (finding.code.clone(), finding.message.clone());
    Finding { severity: finding.severity.into(), code, message, attributes }
}

/// Prints findings of one source, with their exit code.
pub fn print(context: &Context, source: &Name, findings: &[lockgate_api::Finding]) -> Exit {
    let findings: Vec<Finding> = findings.iter().map(of_plugin).collect();
    print_findings(context.json, source, &findings, None, Value::Null);
    if worst(&findings) == Severity::Critical { exit::CRITICAL } else { exit::OK }
}
