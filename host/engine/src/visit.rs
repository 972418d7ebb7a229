//! A call to a source's plugin outside of a backup or restore: admit → launch → the call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_sandbox::Instance;
use lockgate_trust::Grants;
use lockgate_types::{Finding, Name, Severity};

use crate::configuration::Source;
use crate::host::Launch;
use crate::manifest::IsolationRecord;
use crate::progress::Event;
use crate::trust::both_sides;
use crate::{Host, Result, audit};

/// What a plugin answered, and how it ran.
#[derive(Debug)]
pub struct VisitReport {
    /// What the plugin noticed.
    pub findings: Vec<Finding>,
    /// What kept the plugin in.
    pub isolation: IsolationRecord,
    /// From the first stage to the last.
    pub duration: Duration,
}

impl VisitReport {
    /// The gravest of the findings; none when there are none.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

/// Which source is visited.
#[derive(Clone, Copy)]
pub(crate) struct Visited<'a> {
    pub name: &'a Name,
    pub source: &'a Source,
    /// What of the configuration this visit may use.
    pub given: &'a Grants,
}

/// Runs `call` in one instance of the source's plugin, with the rules of trust and the jail of every other run.
pub(crate) fn visit(
    host: &Host,
    visited: Visited<'_>,
    stage: &'static str,
    call: impl FnOnce(&mut Instance) -> Result<Vec<Finding>>,
) -> Result<VisitReport> {
    host.audit.record(stage, visited.name.as_str(), |run| recorded(host, visited, run, stage, call))
}

fn recorded(
    host: &Host,
    visited: Visited<'_>,
    run: &Arc<audit::Run>,
    stage: &'static str,
    call: impl FnOnce(&mut Instance) -> Result<Vec<Finding>>,
) -> Result<VisitReport> {
    let started = Instant::now();
    let Visited { name, source, given } = visited;
    host.observer.event(&Event::Stage("admit"));
    let plugin = host.admit(&source.plugin)?;
    let (grants, limits) = both_sides(&plugin, name.as_str(), given, &source.limits)?;
    host.observer.event(&Event::Stage("launch"));
    let (name, config) = (name.to_string(), source.config_json());
    let session = host.launch(&plugin, Launch { run, name, grants: &grants, limits, config })?;
    let canceller = session.canceller();
    let listening = host.cancel.listen(move || canceller.cancel());
    let answered =
        session.instance("coordinator").map_err(crate::Error::from).and_then(|mut instance| {
            plugin.check_descriptor(&instance.describe()?)?;
            host.observer.event(&Event::Stage(stage));
            call(&mut instance)
        });
    drop(listening);
    let isolation = IsolationRecord::new(session.jail());
    session.close();
    Ok(VisitReport { findings: answered?, isolation, duration: started.elapsed() })
}
