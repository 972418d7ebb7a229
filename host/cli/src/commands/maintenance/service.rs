//! A service repairs its datastores.

use lockgate_api::{ActionRequest, Request};
use lockgate_engine::{Error, ErrorKind, Result};

use crate::commands::health::service::{parsed, print};
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::follow::follow;
use crate::operator;

pub fn run(context: &Context, source: &str, action: &str, arguments: &str) -> Result<Exit> {
    let source = parsed(source)?;
    let request = Request::Action(ActionRequest {
        source: source.clone(),
        action: action.to_owned(),
        arguments: serde_json::from_str(arguments).map_err(|error| {
            Error::new(ErrorKind::Configuration, format!("--arguments: {error}"))
        })?,
    });
    let operator = operator::open(context)?;
    let job = operator.submit(request)?;
    let Some(mut job) = follow(context, &*operator, &job)? else { return Ok(exit::INTERRUPTED) };
    let findings = match job.result["findings"].take() {
        serde_json::Value::Null => Vec::new(),
        findings => serde_json::from_value(findings).map_err(|error| {
            Error::new(ErrorKind::Unsupported, format!("job {}: its result: {error}", job.id))
        })?,
    };
    Ok(print(context, &source, &findings))
}
