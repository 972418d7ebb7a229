mod object;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use lockgate_engine::restore::{
    Archived, RestoreJob, RestorePlan, RestoreReport, Target, preview, rehearse, restore,
};
use lockgate_engine::{Error, ErrorKind, Result};
use lockgate_operations::Origins;
use lockgate_repository::Snapshot;
use lockgate_types::Name;
use serde_json::json;

use crate::bars::Bars;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

#[derive(Args)]
pub struct Arguments {
    /// The id of a backup; of a snapshot `latest`, `latest~N`, or the start of its id
    #[arg(value_name = "ID")]
    snapshot: String,
    /// Only this source of several; may be given again, or as a list with commas
    #[arg(long = "source", value_name = "SOURCE", value_delimiter = ',')]
    sources: Vec<Name>,
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
    /// Leave the datastores in service while a backup is restored
    #[arg(long)]
    without_maintenance: bool,
    /// Do not look at the datastores before and after a backup is restored
    #[arg(long)]
    without_stability: bool,
    /// Print the id of the service's job, and do not wait for its end
    #[arg(long)]
    detach: bool,
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => Err("expected OLD=NEW".to_owned()),
    }
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    if let Ok(id) = arguments.snapshot.parse() {
        return object::run(context, arguments, id);
    }
    if context.server().is_some() {
        let message = format!("{} is not the id of a backup", arguments.snapshot);
        return Err(Error::new(ErrorKind::Configuration, message)
            .with_hint("a service restores backups by their ids: `lockgate list`"));
    }
    if arguments.without_maintenance || arguments.without_stability || arguments.detach {
        let message =
            "--without-maintenance, --without-stability and --detach are of backups with an id";
        return Err(Error::new(ErrorKind::Configuration, message)
            .with_hint("a snapshot is restored as if both were given"));
    }
    let origins = context.runtime.block_on(Origins::open(context.site.origins()?))?;
    let bars = Arc::new(Bars::new(context));
    let host = context.host(bars.clone())?;
    let (first, others) = (&origins.repository, &origins.others);
    let archived = Archived::open_with(&host, first, &arguments.snapshot, others)?;
    let jobs = jobs(context, arguments, &archived)?;
    if arguments.dry_run {
        for job in &jobs {
            let plan = preview(&host, job)?;
            bars.finish();
            print_plan(context.json, &plan);
        }
        return Ok(exit::OK);
    }
    if jobs.len() > 1 {
        rehearse(&host, &jobs)?;
    }
    for job in &jobs {
        let report = restore(&host, job)?;
        bars.finish();
        print_report(context.json, &report);
    }
    origins.told(&archived.rescued()).iter().for_each(|text| match context.json {
        true => output::message("read_from", serde_json::json!({ "text": text })),
        false => output::note(text),
    });
    Ok(exit::OK)
}

/// One restore for each source, in the order of the snapshot.
fn jobs<'a>(
    context: &'a Context,
    arguments: &'a Arguments,
    archived: &'a Archived,
) -> Result<Vec<RestoreJob<'a>>> {
    let targets = targets(context, arguments, archived)?;
    let job = |(source, target)| RestoreJob {
        archived,
        source,
        target,
        parts: arguments.parts.clone(),
        rename: arguments.rename.clone(),
        overwrite: arguments.overwrite,
        disaster_recovery: arguments.disaster_recovery,
        verify: !arguments.no_verify,
    };
    Ok(targets.into_iter().map(job).collect())
}

/// Which source of the snapshot goes where; no source is all of the snapshot.
fn targets<'a>(
    context: &'a Context,
    arguments: &'a Arguments,
    archived: &'a Archived,
) -> Result<Vec<(Option<&'a Name>, Target<'a>)>> {
    let only = match &arguments.sources[..] {
        [] => None,
        [source] => Some(source),
        several => return each(context, arguments, archived, several),
    };
    if let Some(folder) = &arguments.target {
        return Ok(vec![(only, Target::Folder(folder.clone()))]);
    }
    if let Some(into) = &arguments.into {
        return Ok(vec![(only, target(context, into)?)]);
    }
    let names: Vec<&Name> = match only {
        Some(source) => vec![source],
        None => all(arguments, archived)?,
    };
    names.into_iter().map(|name| Ok((Some(name), target(context, name.as_str())?))).collect()
}

/// Several sources of the snapshot, in its order.
fn each<'a>(
    context: &'a Context,
    arguments: &'a Arguments,
    archived: &'a Archived,
    names: &'a [Name],
) -> Result<Vec<(Option<&'a Name>, Target<'a>)>> {
    let of_one = [
        ("--target", arguments.target.is_some()),
        ("--into", arguments.into.is_some()),
        ("--part", !arguments.parts.is_empty()),
        ("--rename", !arguments.rename.is_empty()),
    ];
    if let Some((option, _)) = of_one.iter().find(|(_, is_given)| *is_given) {
        let message = format!("{option} is of one source, and several are to be restored");
        return Err(Error::new(ErrorKind::Configuration, message)
            .with_hint("say which one with --source NAME"));
    }
    let place = |name: &&Name| {
        let mut saved = archived.manifests.iter();
        saved.position(|manifest| manifest.source == **name).unwrap_or(usize::MAX)
    };
    let mut names: Vec<&Name> = names.iter().collect();
    names.sort_by_key(place);
    names.dedup();
    names.into_iter().map(|name| Ok((Some(name), target(context, name.as_str())?))).collect()
}

fn target<'a>(context: &'a Context, name: &str) -> Result<Target<'a>> {
    let (name, source) = context.site.source(name).map_err(|error| {
        Error::new(ErrorKind::Configuration, error.to_string()).with_hint(
            "restore as files with --target FOLDER, or into another source with --into SOURCE",
        )
    })?;
    Ok(Target::Source { name, source })
}

/// All sources of the snapshot, if they can be restored one after the other.
fn all<'a>(arguments: &Arguments, archived: &'a Archived) -> Result<Vec<&'a Name>> {
    let (id, manifests) = (archived.snapshot.id.short(), &archived.manifests);
    let names: Vec<&Name> = manifests.iter().map(|manifest| &manifest.source).collect();
    if names.is_empty() {
        let message = format!("snapshot {id} was not written by lockgate");
        return Err(Error::new(ErrorKind::NotFound, message)
            .with_hint("restore its files into a folder: --target FOLDER"));
    }
    if names.len() > 1 && !(arguments.parts.is_empty() && arguments.rename.is_empty()) {
        let message = format!("--part and --rename are of one source, snapshot {id} holds several");
        return Err(Error::new(ErrorKind::Configuration, message)
            .with_hint("say which one with --source NAME"));
    }
    let set = manifests.iter().find_map(|manifest| manifest.set.as_ref());
    match set.and_then(|set| set.sources.iter().find(|source| !names.contains(source))) {
        None => Ok(names),
        Some(absent) => Err(Error::new(
            ErrorKind::Damaged,
            format!("snapshot {id} is of a set and does not hold its source {absent} any more"),
        )
        .with_hint("restore the others one by one with --source NAME")),
    }
}

fn print_plan(json: bool, plan: &RestorePlan) {
    let saved = plan.manifest.as_ref();
    let saved_by = saved.map(|it| format!("{} {}", it.plugin.name, it.plugin.version));
    // As plugins call the version of what they saved.
    let server = saved.and_then(|manifest| manifest.attributes.get("server"));
    let source = saved.map(|manifest| &manifest.source);
    if json {
        plan.steps.iter().for_each(|step| output::message("step", step));
        let body = json!({
            "snapshot_id": plan.snapshot.id,
            "source": source,
            "saved_by": saved_by,
            "saved_server": server,
            "restored_by": plan.plugin,
            "steps": plan.steps.len(),
            "dry_run": true,
        });
        return output::message("summary", body);
    }
    let of = server.map(|server| format!(" of {server}")).unwrap_or_default();
    let saved_by = saved_by.map(|by| format!(", saved by {by}{of}")).unwrap_or_default();
    let what = what(&plan.snapshot, source);
    output::line(format!("{what}{saved_by}; {} would restore", plan.plugin));
    for (step, number) in plan.steps.iter().zip(1..) {
        let bytes = step.bytes_estimate.map(words::bytes).unwrap_or_default();
        let overwrites = if step.overwrites { "  (replaces what is there)" } else { "" };
        output::line(format!(
            "{number:4}  {}  {}  {}  {bytes}{overwrites}",
            step.part, step.action, step.target
        ));
    }
    output::line(format!("{what}: nothing was changed"));
}

fn print_report(json: bool, report: &RestoreReport) {
    let equal = report.parts.iter().filter(|part| part.is_equal == Some(true)).count();
    let compared = report.parts.iter().filter(|part| part.is_equal.is_some()).count();
    if json {
        let body = json!({
            "snapshot_id": report.snapshot.id,
            "source": report.source,
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
        "restored {parts} of {}: {} in {}; {fingerprints}",
        what(&report.snapshot, report.source.as_ref()),
        words::bytes(report.totals.bytes),
        words::duration(report.duration),
    ));
}

fn what(snapshot: &Snapshot, source: Option<&Name>) -> String {
    let source = source.map_or_else(String::new, |source| format!(" source {source}"));
    format!("snapshot {}{source}", snapshot.id.short())
}
