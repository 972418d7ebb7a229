use lockgate_api::ActionRequest;
use lockgate_engine::maintenance::{Maintenance as Step, maintain};
use serde_json::{Value, json};

use super::{Work, to_finding};
use crate::Result;

/// Runs a repair of a plugin's.
pub(super) fn run(work: &Work, request: &ActionRequest) -> Result<Value> {
    let (name, source) = work.site.source(request.source.as_str())?;
    let arguments = match &request.arguments {
        Value::Null => "{}".to_owned(),
        arguments => arguments.to_string(),
    };
    let step = Step::Act { action: &request.action, arguments: &arguments };
    let report = maintain(&work.host()?, name, source, step)?;
    let findings: Vec<_> =
        report.findings.iter().map(|finding| to_finding(Some(name), finding)).collect();
    Ok(json!({ "findings": findings }))
}
