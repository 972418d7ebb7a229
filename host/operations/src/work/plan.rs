use lockgate_api::{PlannedStep, RestorePlan, RestoreRequest};
use lockgate_engine::restore::preview;
use serde_json::{Value, json};

use super::Work;
use super::restore::Opened;
use crate::Result;

/// Says what a restore would do, and changes nothing.
pub(super) fn run(work: &Work, request: &RestoreRequest) -> Result<Value> {
    let opened = Opened::new(work, request)?;
    let targets = opened.targets(work)?;
    let host = work.host()?;
    let mut plans = Vec::new();
    for (job, name) in opened.jobs(request, &targets).iter().zip(&opened.names) {
        plans.push(told(&preview(&host, job)?, name));
    }
    Ok(json!({ "plans": plans, "warnings": opened.warnings(request) }))
}

fn told(plan: &lockgate_engine::restore::RestorePlan, name: &lockgate_types::Name) -> RestorePlan {
    let saved_by = plan.manifest.as_ref().map(|manifest| {
        // As plugins call the version of what they saved.
        let server = manifest.attributes.get("server").map(|server| format!(" of {server}"));
        format!(
            "{} {}{}",
            manifest.plugin.name,
            manifest.plugin.version,
            server.unwrap_or_default()
        )
    });
    let step = |step: &lockgate_types::Step| PlannedStep {
        part: step.part.clone(),
        action: step.action.clone(),
        target: step.target.clone(),
        bytes: step.bytes_estimate,
        overwrites: step.overwrites,
    };
    RestorePlan {
        source: name.clone(),
        saved_by: saved_by.unwrap_or_default(),
        restored_by: plan.plugin.clone(),
        steps: plan.steps.iter().map(step).collect(),
    }
}
