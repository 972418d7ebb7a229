use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use lockgate_engine::backup::{BackupJob, BackupReport, SetJob, SourceReport, backup};
use lockgate_engine::configuration::Source;
use lockgate_engine::{Error, ErrorKind, Host, Result};
use lockgate_types::Name;
use serde_json::{Value, json};

use crate::bars::Bars;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

#[derive(Args)]
pub struct Arguments {
    /// Sources and sets of the configuration; all of them when none is given
    names: Vec<String>,
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

/// What becomes one snapshot: a source, or the sources of a set.
struct Unit {
    set: Option<(Name, Duration)>,
    sources: Vec<(Name, Source)>,
}

impl Unit {
    fn of_source(source: (Name, Source)) -> Self {
        Self { set: None, sources: vec![source] }
    }
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let units = units(context, arguments)?;
    let bars = Arc::new(Bars::new(context));
    let host = context.host(bars.clone())?;
    let mut ended = exit::OK;
    let mut failure = None;
    for unit in &units {
        match one(context, arguments, &host, unit) {
            Ok(report) => {
                bars.finish();
                print(context, &report);
                if report.is_partial() {
                    ended = exit::PARTIAL;
                }
            }
            // The others are saved all the same, unless the operator wants to stop.
            Err(error) if units.len() > 1 && error.kind() != ErrorKind::Interrupted => {
                bars.finish();
                output::print_error(&error, context.json);
                failure = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match failure {
        Some(error) => Err(Error::new(error.kind(), "not all sources were backed up")),
        None => Ok(ended),
    }
}

fn one(context: &Context, arguments: &Arguments, host: &Host, unit: &Unit) -> Result<BackupReport> {
    let sources: Vec<_> = unit.sources.iter().map(|(name, source)| (name, source)).collect();
    let location = context.location(sources.first().map(|(_, source)| *source))?;
    let repository = context.runtime.block_on(location.open())?;
    backup(
        host,
        &BackupJob {
            sources,
            set: unit.set.as_ref().map(|(name, hold_max)| SetJob { name, hold_max: *hold_max }),
            repository: &repository,
            write: location.write_options()?,
            hostname: arguments.host.clone().unwrap_or_else(hostname),
            tags: arguments.tags.clone(),
            parts: arguments.parts.clone(),
            force: arguments.force,
            allow_shrink: arguments.allow_shrink,
        },
    )
}

fn units(context: &Context, arguments: &Arguments) -> Result<Vec<Unit>> {
    let units = match &arguments.folder {
        Some(folder) => vec![Unit::of_source(folder_source(folder, arguments.name.as_ref())?)],
        None if arguments.names.is_empty() => all(context)?,
        None => arguments.names.iter().map(|name| named(context, name)).collect::<Result<_>>()?,
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

/// The source or the set of that name.
fn named(context: &Context, name: &str) -> Result<Unit> {
    let sets = &context.configuration.sets;
    let Some((name, set)) = sets.iter().find(|(known, _)| known.as_str() == name) else {
        let (name, source) = context.source(name)?;
        return Ok(Unit::of_source((name.clone(), source.clone())));
    };
    let names: Vec<String> = set.sources.iter().map(ToString::to_string).collect();
    let hold_max = Duration::from_secs(set.hold_seconds.into());
    Ok(Unit { set: Some((name.clone(), hold_max)), sources: context.sources(&names)? })
}

/// All sets, and all sources that are in none.
fn all(context: &Context) -> Result<Vec<Unit>> {
    let sets = &context.configuration.sets;
    let is_in_set = |source: &Name| sets.values().any(|set| set.sources.contains(source));
    let alone = context.configuration.sources.keys().filter(|source| !is_in_set(source));
    sets.keys().chain(alone).map(|name| named(context, name.as_str())).collect()
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

/// This host's name, as the system has it.
pub fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

fn print(context: &Context, report: &BackupReport) {
    if context.json {
        return output::message("summary", to_json(report));
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
