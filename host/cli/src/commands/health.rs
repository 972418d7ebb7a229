pub mod service;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use lockgate_engine::health::health;
use lockgate_engine::{Error, ErrorKind, Result, VisitReport};
use lockgate_types::{Finding, Name, Severity};
use serde_json::{Value, json};

use crate::bars::Bars;
use crate::context::Context;
use crate::each::each;
use crate::exit::{self, Exit};
use crate::{output, words};

#[derive(Args)]
pub struct Arguments {
    /// Sources of the configuration; all of them when none is given
    sources: Vec<String>,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    if context.server().is_some() {
        return service::run(context, &arguments.sources);
    }
    let sources = context.site.sources(&arguments.sources)?;
    if sources.is_empty() {
        return Err(Error::new(ErrorKind::Configuration, "there is nothing to look at")
            .with_hint("write a configuration with sources"));
    }
    let bars = Arc::new(Bars::new(context));
    let host = context.host(bars.clone())?;
    each(context, &sources, "not all sources could be looked at", |(name, source)| {
        let looked = health(&host, name, source);
        bars.finish();
        let report = looked?;
        print(context.json, name, &report);
        Ok(if report.worst() == Some(Severity::Critical) { exit::CRITICAL } else { exit::OK })
    })
}

/// A line that counts the findings, and the findings.
pub fn print(json: bool, source: &Name, report: &VisitReport) {
    let (duration, isolation) = (Some(report.duration), json!(report.isolation));
    print_findings(json, source, &report.findings, duration, isolation);
}

/// The same of what somebody else looked at, who may not say how long that took and what kept the plugin in.
fn print_findings(
    json: bool,
    source: &Name,
    findings: &[Finding],
    duration: Option<Duration>,
    isolation: Value,
) {
    let count = |severity: Severity| {
        let same = findings.iter().filter(|finding| finding.severity == severity).count();
        u64::try_from(same).unwrap_or(u64::MAX)
    };
    let graver = [Severity::Critical, Severity::Warning, Severity::Notice];
    if json {
        for finding in findings {
            output::message("finding", words::finding_of(source, finding));
        }
        let body = json!({
            "source": source,
            "worst": worst(findings),
            "critical": count(Severity::Critical),
            "warning": count(Severity::Warning),
            "notice": count(Severity::Notice),
            "ok": count(Severity::Ok),
            "seconds": duration.map(|duration| duration.as_secs_f64()),
            "isolation": isolation,
        });
        output::message("summary", body);
        return;
    }
    let counted: Vec<String> = graver
        .into_iter()
        .filter(|severity| count(*severity) > 0)
        .map(|severity| format!("{} {severity}", count(severity)))
        .collect();
    let result = if counted.is_empty() { "all well".to_owned() } else { counted.join(", ") };
    let took = duration.map(|took| format!(" in {}", words::duration(took))).unwrap_or_default();
    output::line(format!("source {source}: {result}{took}"));
    for finding in findings {
        output::line(format!("  {}", words::finding(finding)));
    }
}

fn worst(findings: &[Finding]) -> Severity {
    findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
}
