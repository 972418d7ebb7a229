pub mod object;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use lockgate_api::{CopyState, CopyStatus, Label};
use lockgate_engine::backup::{BackupJob, BackupReport, SetJob, SourceReport, backup};
use lockgate_engine::configuration::Source;
use lockgate_engine::{Error, ErrorKind, Host, Result};
use lockgate_operations::Unit;
use lockgate_types::Name;
use serde_json::{Value, json};

use crate::bars::Bars;
use crate::context::Context;
use crate::each::each;
use crate::exit::{self, Exit};
use crate::{output, words};

#[derive(Args)]
pub struct Arguments {
    /// Sources and sets of the configuration; all of them when none is given
    names: Vec<String>,
    /// Keep it under an id with this label: 3 to 25 of A-Z, a-z, 0-9, _, . and -
    #[arg(short, long, value_name = "LABEL")]
    label: Option<Label>,
    /// Take the datastores out of service while they are backed up
    #[arg(long)]
    maintenance: bool,
    /// Look at the datastores first, and refuse when something critical is wrong
    #[arg(long)]
    check_stability: bool,
    /// Print the id of the service's job, and do not wait for its end
    #[arg(long)]
    detach: bool,
    /// Back up this folder, without a source in the configuration
    #[arg(long, value_name = "PATH", conflicts_with = "names")]
    folder: Option<PathBuf>,
    /// Name of the source that --folder makes [default: the folder's own name]
    #[arg(long, value_name = "NAME", requires = "folder")]
    name: Option<Name>,
    /// Only this part of the source; may be given again
    #[arg(long = "part", value_name = "ID")]
    parts: Vec<String>,
    /// Tag of the snapshot; may be given again
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Host name in the snapshot [default: this host's]
    #[arg(long, env = "LOCKGATE_HOST")]
    host: Option<String>,
    /// Read everything, even what has not changed since the last snapshot
    #[arg(long)]
    force: bool,
    /// Accept a result that is empty or less than half of the last snapshot's
    #[arg(long)]
    allow_shrink: bool,
}

impl Arguments {
    /// Whether the host name was given here, and not by the environment, which counts for plain snapshots only.
    fn host_is_an_argument(&self) -> bool {
        self.host.is_some() && std::env::var_os("LOCKGATE_HOST").is_none()
    }
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    if arguments.label.is_some() || context.server().is_some() {
        return object::run(context, arguments);
    }
    if arguments.maintenance || arguments.check_stability || arguments.detach {
        let message = "--maintenance, --check-stability and --detach are of backups with an id";
        return Err(Error::new(ErrorKind::Configuration, message).with_hint("add --label LABEL"));
    }
    let units = units(context, arguments)?;
    let bars = Arc::new(Bars::new(context));
    let host = context.host(bars.clone())?;
    each(context, &units, "not all sources were backed up", |unit| {
        let saved = one(context, arguments, &host, unit);
        bars.finish();
        let (report, copies) = saved?;
        print(context, &report, &copies);
        let is_missed = note_missed(&report, &copies);
        Ok(match (report.is_partial(), is_missed) {
            (true, _) => exit::PARTIAL,
            (false, true) => exit::NOT_EVERYWHERE,
            (false, false) => exit::OK,
        })
    })
}

/// What became of a snapshot in each repository, where there are several.
type Copies = BTreeMap<String, CopyStatus>;

/// Says what is not everywhere, and how to bring it there. Whether there is any.
fn note_missed(report: &BackupReport, copies: &Copies) -> bool {
    let is_missed = |copy: &CopyStatus| copy.state == CopyState::Missed;
    let from = copies.iter().find(|(_, copy)| !is_missed(copy)).map_or("", |(name, _)| name);
    let id = report.snapshot.id.short();
    for (name, copy) in copies.iter().filter(|(_, copy)| is_missed(copy)) {
        output::note(format!(
            "lockgate: repository {name} does not have the backup: {} (hint: `lockgate copy --from {from} --to {name} {id}`)",
            copy.message
        ));
    }
    copies.values().any(is_missed)
}

fn one(
    context: &Context,
    arguments: &Arguments,
    host: &Host,
    unit: &Unit,
) -> Result<(BackupReport, Copies)> {
    let sources: Vec<_> = unit.sources.iter().map(|(name, source)| (name, source)).collect();
    let source = sources.first().map(|(_, source)| *source);
    let destinations = context.runtime.block_on(context.site.open_all(source))?;
    let report = backup(
        host,
        &BackupJob {
            sources,
            set: unit.set.as_ref().map(|(name, hold_max)| SetJob { name, hold_max: *hold_max }),
            repository: &destinations.repository,
            write: destinations.write.clone(),
            is_required: destinations.is_required,
            mirrors: destinations.mirrors.clone(),
            hostname: arguments.host.clone().unwrap_or_else(|| context.site.hostname.clone()),
            tags: arguments.tags.clone(),
            parts: arguments.parts.clone(),
            force: arguments.force,
            allow_shrink: arguments.allow_shrink,
        },
    )?;
    let copies = destinations.copies(&report);
    Ok((report, copies))
}

fn units(context: &Context, arguments: &Arguments) -> Result<Vec<Unit>> {
    let units = match &arguments.folder {
        Some(folder) => vec![Unit::of_source(folder_source(folder, arguments.name.as_ref())?)],
        None if arguments.names.is_empty() => context.site.units()?,
        None => {
            arguments.names.iter().map(|name| context.site.unit(name)).collect::<Result<_>>()?
        }
    };
    if units.is_empty() {
        return Err(Error::new(ErrorKind::Configuration, "there is nothing to back up")
            .with_hint("give --folder PATH, or a configuration with sources"));
    }
    match units.iter().find_map(|unit| unit.set.as_ref()) {
        Some((set, _)) if !arguments.parts.is_empty() => Err(Error::new(
            ErrorKind::Configuration,
            format!("--part is of one source, and {set} is a set of several"),
        )
        .with_hint("name the source instead of the set")),
        _ => Ok(units),
    }
}

fn folder_source(folder: &std::path::Path, name: Option<&Name>) -> Result<(Name, Source)> {
    let wrong = |cause: String| {
        Error::new(ErrorKind::Configuration, format!("--folder {}: {cause}", folder.display()))
    };
    let path = folder.canonicalize().map_err(|error| wrong(error.to_string()))?;
    let name = match name {
        Some(name) => name.clone(),
        None => name_of(&path)
            .ok_or_else(|| wrong("its name is no source name, give --name".to_owned()))?,
    };
    Ok((name.clone(), Source::of_folder(name, path)))
}

/// The folder's own name with what a source's name may not have replaced by `-`.
fn name_of(path: &std::path::Path) -> Option<Name> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let kept = |character: char| {
        if character.is_ascii_alphanumeric() || character == '_' { character } else { '-' }
    };
    name.chars().map(kept).collect::<String>().trim_matches('-').parse().ok()
}

fn print(context: &Context, report: &BackupReport, copies: &Copies) {
    if context.json {
        let mut summary = to_json(report);
        if !copies.is_empty() {
            summary["copies"] = json!(copies);
        }
        return output::message("summary", summary);
    }
    for source in &report.sources {
        words::note_findings(&source.findings);
        words::note_unused(&source.unused);
    }
    let counts = Counts::of(&report.sources);
    let names = report.sources.iter().map(|source| source.manifest.source.as_str());
    let (whose, held) = match report.set() {
        None => (names.collect::<String>(), String::new()),
        Some(set) => (
            format!("set {} ({})", set.name, names.collect::<Vec<_>>().join(", ")),
            format!("; held for {}", words::duration(set.held())),
        ),
    };
    let written = &report.written;
    output::line(format!(
        "snapshot {} of {whose}: {}, {} items, {} ({} new, {} stored) in {}{held}",
        report.snapshot.id.short(),
        words::plural(counts.parts, "part"),
        words::count(counts.items),
        words::bytes(counts.bytes),
        words::bytes(written.bytes_new),
        words::bytes(written.bytes_stored),
        words::duration(report.duration),
    ));
}

/// Sums of what was exported.
#[derive(Default)]
struct Counts {
    parts: u64,
    items: u64,
    entries: u64,
    bytes: u64,
}

impl Counts {
    fn of(sources: &[SourceReport]) -> Self {
        let mut counts = Self::default();
        for part in sources.iter().flat_map(|source| &source.manifest.parts) {
            counts.parts += 1;
            // The plugin counts its items as it likes.
            counts.items = counts.items.saturating_add(part.items);
            counts.entries += part.entries;
            counts.bytes += part.bytes;
        }
        counts
    }

    fn to_json(&self) -> Value {
        let Self { parts, items, entries, bytes } = self;
        json!({ "parts": parts, "items": items, "entries": entries, "bytes": bytes })
    }
}

/// Of a source alone, what is told of it stands beside the rest; of a set, in `sources`.
fn to_json(report: &BackupReport) -> Value {
    let written = &report.written;
    let mut body = json!({
        "snapshot_id": report.snapshot.id,
        "parent": report.parent,
        "bytes_read": written.bytes_read,
        "bytes_new": written.bytes_new,
        "bytes_stored": written.bytes_stored,
        "seconds": report.duration.as_secs_f64(),
        "partial": report.is_partial(),
    });
    add(&mut body, Counts::of(&report.sources).to_json());
    let set = report.set();
    match (set, &report.sources[..]) {
        (None, [source]) => add(&mut body, source_to_json(source)),
        _ => {
            let sources = report.sources.iter().map(|source| {
                let mut told = Counts::of(std::slice::from_ref(source)).to_json();
                add(&mut told, source_to_json(source));
                told
            });
            let held = set.map(|set| set.held().as_secs_f64());
            add(
                &mut body,
                json!({
                    "set": set.map(|set| &set.name),
                    "held_seconds": held,
                    "sources": sources.collect::<Vec<_>>(),
                }),
            );
        }
    }
    body
}

fn source_to_json(source: &SourceReport) -> Value {
    json!({
        "source": source.manifest.source,
        "partial": source.is_partial(),
        "isolation": source.manifest.plugin.isolation,
        "findings": source.findings,
        "unused_grants": words::texts(&source.unused),
    })
}

fn add(body: &mut Value, more: Value) {
    if let (Value::Object(body), Value::Object(more)) = (body, more) {
        body.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_folder_gives_its_name_to_the_source() {
        let name = |path: &str| name_of(Path::new(path)).map(|name| name.to_string());
        assert_eq!(name("/srv/My Data.d"), Some("my-data-d".to_owned()));
        assert_eq!(name("/"), None);
        assert_eq!(name("/srv/..."), None);
    }
}
