use std::sync::Arc;

use clap::Args;
use lockgate_engine::health::health;
use lockgate_engine::{Error, ErrorKind, Result, VisitReport};
use lockgate_types::{Name, Severity};
use serde_json::json;

use crate::bars::Bars;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

#[derive(Args)]
pub struct Arguments {
    /// Sources of the configuration; all of them when none is given
    sources: Vec<String>,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let sources = context.sources(&arguments.sources)?;
    if sources.is_empty() {
        return Err(Error::new(ErrorKind::Configuration, "there is nothing to look at")
            .with_hint("write a configuration with sources"));
    }
    let bars = Arc::new(Bars::new(context));
    let host = context.host(bars.clone())?;
    let mut ended = exit::OK;
    let mut failure = None;
    for (name, source) in &sources {
        match health(&host, name, source) {
            Ok(report) => {
                bars.finish();
                print(context.json, name, &report);
                if report.worst() == Some(Severity::Critical) {
                    ended = exit::CRITICAL;
                }
            }
            // The other sources are looked at all the same, unless the operator wants to stop.
            Err(error) if sources.len() > 1 && error.kind() != ErrorKind::Interrupted => {
                bars.finish();
                output::print_error(&error, context.json);
                failure = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match failure {
        Some(error) => Err(Error::new(error.kind(), "not all sources could be looked at")),
        None => Ok(ended),
    }
}

/// A line that counts the findings, and the findings.
pub fn print(json: bool, source: &Name, report: &VisitReport) {
    let count = |severity: Severity| {
        let same = report.findings.iter().filter(|finding| finding.severity == severity).count();
        u64::try_from(same).unwrap_or(u64::MAX)
    };
    let graver = [Severity::Critical, Severity::Warning, Severity::Notice];
    if json {
        for finding in &report.findings {
            output::message("finding", words::finding_of(source, finding));
        }
        let body = json!({
            "source": source,
            "worst": report.worst().unwrap_or(Severity::Ok),
            "critical": count(Severity::Critical),
            "warning": count(Severity::Warning),
            "notice": count(Severity::Notice),
            "ok": count(Severity::Ok),
            "seconds": report.duration.as_secs_f64(),
            "isolation": report.isolation,
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
    output::line(format!("source {source}: {result} in {}", words::duration(report.duration)));
    for finding in &report.findings {
        output::line(format!("  {}", words::finding(finding)));
    }
}
