use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use lockgate_engine::backup::{BackupJob, BackupReport, backup};
use lockgate_engine::configuration::Source;
use lockgate_engine::{Error, ErrorKind, Host, Result};
use lockgate_types::Name;
use serde_json::json;

use crate::bars::Bars;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

#[derive(Args)]
pub struct Arguments {
    /// Sources of the configuration; all of them when none is given
    sources: Vec<String>,
    /// Back up this folder, without a source in the configuration
    #[arg(long, value_name = "PATH", conflicts_with = "sources")]
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

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let sources = sources(context, arguments)?;
    let bars = Arc::new(Bars::new(context));
    let host = context.host(bars.clone())?;
    let mut ended = exit::OK;
    let mut failure = None;
    for (name, source) in &sources {
        match one(context, arguments, &host, (name, source)) {
            Ok(report) => {
                bars.finish();
                print(context, &report);
                if report.is_partial() {
                    ended = exit::PARTIAL;
                }
            }
            // The other sources are saved all the same, unless the operator wants to stop.
            Err(error) if sources.len() > 1 && error.kind() != ErrorKind::Interrupted => {
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

fn one(
    context: &Context,
    arguments: &Arguments,
    host: &Host,
    (name, source): (&Name, &Source),
) -> Result<BackupReport> {
    let location = context.location(Some(source))?;
    let repository = context.runtime.block_on(location.open())?;
    backup(
        host,
        &BackupJob {
            name,
            source,
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

fn sources(context: &Context, arguments: &Arguments) -> Result<Vec<(Name, Source)>> {
    if let Some(folder) = &arguments.folder {
        return Ok(vec![folder_source(folder, arguments.name.as_ref())?]);
    }
    let sources = context.sources(&arguments.sources)?;
    if sources.is_empty() {
        return Err(Error::new(ErrorKind::Configuration, "there is nothing to back up")
            .with_hint("give --folder PATH, or a configuration with sources"));
    }
    Ok(sources)
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
    let (manifest, written) = (&report.manifest, &report.written);
    let entries: u64 = manifest.parts.iter().map(|part| part.entries).sum();
    // The plugin counts its items as it likes.
    let items = manifest.parts.iter().map(|part| part.items).fold(0, u64::saturating_add);
    let bytes: u64 = manifest.parts.iter().map(|part| part.bytes).sum();
    if context.json {
        let body = json!({
            "snapshot_id": report.snapshot.id,
            "source": manifest.source,
            "parent": report.parent,
            "parts": manifest.parts.len(),
            "items": items,
            "entries": entries,
            "bytes": bytes,
            "bytes_read": written.bytes_read,
            "bytes_new": written.bytes_new,
            "bytes_stored": written.bytes_stored,
            "seconds": report.duration.as_secs_f64(),
            "partial": report.is_partial(),
            "isolation": manifest.plugin.isolation,
            "findings": report.findings,
            "unused_grants": words::texts(&report.unused),
        });
        output::message("summary", body);
        return;
    }
    words::note_findings(&report.findings);
    words::note_unused(&report.unused);
    let parts = words::plural(u64::try_from(manifest.parts.len()).unwrap_or(u64::MAX), "part");
    output::line(format!(
        "snapshot {} of {}: {parts}, {} items, {} ({} new, {} stored) in {}",
        report.snapshot.id.short(),
        manifest.source,
        words::count(items),
        words::bytes(bytes),
        words::bytes(written.bytes_new),
        words::bytes(written.bytes_stored),
        words::duration(report.duration),
    ));
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
