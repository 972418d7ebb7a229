use std::collections::BTreeMap;

use jiff::Timestamp;
use lockgate_api::{Finding, Health, HealthState};
use lockgate_engine::configuration::Source;
use lockgate_types::Name;
use serde_json::{Value, json};

use super::{Work, to_finding};
use crate::error::problem;
use crate::{ErrorKind, Result};

/// Has the plugins of the sources look at their datastores.
pub(super) fn run(work: &Work) -> Result<Value> {
    let mut all = BTreeMap::new();
    for name in &work.sources {
        let (name, source) = work.site.source(name.as_str())?;
        all.insert(name.clone(), look(work, name, source)?);
    }
    Ok(json!({ "sources": all }))
}

/// Has one plugin look. That it cannot is what it found.
///
/// # Errors
/// When someone wishes to stop, or the store fails.
pub(super) fn look(work: &Work, name: &Name, source: &Source) -> Result<Health> {
    let looked = work.host().and_then(|host| lockgate_engine::health::health(&host, name, source));
    let findings: Vec<Finding> = match looked {
        Ok(report) => {
            report.findings.iter().map(|finding| to_finding(Some(name), finding)).collect()
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
        Err(error) => {
            let problem = problem(&error);
            vec![Finding {
                source: Some(name.clone()),
                severity: HealthState::Critical,
                code: problem.kind,
                message: problem.detail,
                hint: problem.hint.unwrap_or_default(),
            }]
        }
    };
    let state = findings.iter().map(|finding| finding.severity).max().unwrap_or(HealthState::Ok);
    for finding in findings.iter().filter(|finding| finding.severity > HealthState::Notice) {
        work.recorder.happened(lockgate_api::Happening::Finding(finding.clone()));
    }
    let health = Health { state, time: Timestamp::now(), findings };
    work.wait(work.store.put_health(name, &health))?;
    Ok(health)
}

/// The first critical finding.
pub(super) fn critical(health: &Health) -> Option<&Finding> {
    health.findings.iter().find(|finding| finding.severity == HealthState::Critical)
}
