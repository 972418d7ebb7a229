use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use lockgate_engine::restore::{RestoreJob, RestorePlan, RestoreReport, Target, preview, restore};
use lockgate_engine::{Error, ErrorKind, Result, read_manifest};
use lockgate_repository::Repository;
use serde_json::json;

use crate::bars::Bars;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

#[derive(Args)]
pub struct Arguments {
    /// `latest`, `latest~N`, or the start of an id
    snapshot: String,
    /// Restore as files into this folder, instead of into the source
    #[arg(long, value_name = "FOLDER")]
    target: Option<PathBuf>,
    /// Restore into this source of the configuration, instead of the one that was backed up
    #[arg(long, value_name = "SOURCE", conflicts_with = "target")]
    into: Option<String>,
    /// Only this part; may be given again
    #[arg(long = "part", value_name = "ID")]
    parts: Vec<String>,
    /// Restore OLD under the name NEW, in the plugin's terms; may be given again
    #[arg(long = "rename", value_name = "OLD=NEW", value_parser = pair)]
    rename: Vec<(String, String)>,
    /// Replace what is in the way
    #[arg(long)]
    overwrite: bool,
    /// The target is fresh and has not the old cluster's identity
    #[arg(long)]
    disaster_recovery: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not compare fingerprints afterwards
    #[arg(long)]
    no_verify: bool,
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => Err("expected OLD=NEW".to_owned()),
    }
}

pub fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let location = context.location(None)?;
    let repository = context.runtime.block_on(location.open())?;
    let target = target(context, &arguments, &repository)?;
    let job = RestoreJob {
        repository: &repository,
        snapshot: &arguments.snapshot,
        target,
        parts: arguments.parts,
        rename: arguments.rename,
        overwrite: arguments.overwrite,
        disaster_recovery: arguments.disaster_recovery,
        verify: !arguments.no_verify,
    };
    let bars = Arc::new(Bars::new(context));
    let host = context.host(bars.clone())?;
    if arguments.dry_run {
        let plan = preview(&host, &job)?;
        bars.finish();
        print_plan(context.json, &plan);
    } else {
        let report = restore(&host, &job)?;
        bars.finish();
        print_report(context.json, &report);
    }
    Ok(exit::OK)
}

fn target<'a>(
    context: &'a Context,
    arguments: &Arguments,
    repository: &Repository,
) -> Result<Target<'a>> {
    if let Some(folder) = &arguments.target {
        return Ok(Target::Folder(folder.clone()));
    }
    let name = match &arguments.into {
        Some(name) => name.clone(),
        None => archived_source(context, &arguments.snapshot, repository)?,
    };
    let (name, source) = context.source(&name).map_err(|error| {
        Error::new(ErrorKind::Configuration, error.to_string()).with_hint(
            "restore as files with --target FOLDER, or into another source with --into SOURCE",
        )
    })?;
    Ok(Target::Source { name, source })
}

fn archived_source(context: &Context, selector: &str, repository: &Repository) -> Result<String> {
    context.runtime.block_on(async {
        let snapshot = repository.snapshot(selector).await?;
        let manifest = read_manifest(&repository.reader().await?, &snapshot).await?;
        let foreign = || {
            Error::new(
                ErrorKind::NotFound,
                format!("snapshot {} was not written by lockgate", snapshot.id.short()),
            )
            .with_hint("restore its files into a folder: --target FOLDER")
        };
        Ok(manifest.ok_or_else(foreign)?.source.to_string())
    })
}

fn print_plan(json: bool, plan: &RestorePlan) {
    for step in &plan.steps {
        if json {
            output::message("step", step);
            continue;
        }
        let bytes = step.bytes_estimate.map(words::bytes).unwrap_or_default();
        let overwrites = if step.overwrites { "  (replaces what is there)" } else { "" };
        output::line(format!(
            "{}  {}  {}  {bytes}{overwrites}",
            step.part, step.action, step.target
        ));
    }
    if json {
        output::message(
            "summary",
            json!({ "snapshot_id": plan.snapshot.id, "steps": plan.steps.len(), "dry_run": true }),
        );
    } else {
        output::line(format!("snapshot {}: nothing was changed", plan.snapshot.id.short()));
    }
}

fn print_report(json: bool, report: &RestoreReport) {
    let equal = report.parts.iter().filter(|part| part.is_equal == Some(true)).count();
    let compared = report.parts.iter().filter(|part| part.is_equal.is_some()).count();
    if json {
        let body = json!({
            "snapshot_id": report.snapshot.id,
            "parts": report.parts.len(),
            "entries": report.totals.entries,
            "bytes": report.totals.bytes,
            "fingerprints_equal": equal,
            "fingerprints_compared": compared,
            "seconds": report.duration.as_secs_f64(),
            "isolation": report.isolation,
            "findings": report.findings,
            "unused_grants": words::texts(&report.unused),
        });
        output::message("summary", body);
        return;
    }
    words::note_findings(&report.findings);
    words::note_unused(&report.unused);
    let parts = words::plural(u64::try_from(report.parts.len()).unwrap_or(u64::MAX), "part");
    // A part has a fingerprint when its plugin computed one, which the configuration may leave out.
    let fingerprints = match compared {
        0 => "no fingerprints to compare".to_owned(),
        _ => format!("fingerprints equal in {equal} of {compared}"),
    };
    output::line(format!(
        "restored {parts} of snapshot {}: {} in {}; {fingerprints}",
        report.snapshot.id.short(),
        words::bytes(report.totals.bytes),
        words::duration(report.duration),
    ));
}
