mod object;

use clap::Args;
use lockgate_engine::{Error, ErrorKind, Manifest, Result, read_manifests};
use lockgate_repository::Snapshot;
use serde_json::json;

use super::snapshots::{time, to_json};
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

/// Characters of an attribute that are shown; `--json` has all of them.
const VALUE_CHARACTERS_MAX: usize = 120;

#[derive(Args)]
pub struct Arguments {
    /// The id of a backup; of a snapshot `latest`, `latest~N`, or the start of its id
    #[arg(value_name = "ID", default_value = "latest")]
    snapshot: String,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    if let Ok(id) = arguments.snapshot.parse() {
        return object::run(context, &id);
    }
    if context.server().is_some() {
        let message = format!("{} is not the id of a backup", arguments.snapshot);
        return Err(Error::new(ErrorKind::Configuration, message)
            .with_hint("a service shows backups by their ids: `lockgate list`"));
    }
    let location = context.site.location(None)?;
    let (snapshot, manifests) = context.runtime.block_on(async {
        let repository = location.open().await?;
        let snapshot = repository.snapshot(&arguments.snapshot).await?;
        let reader = repository.reader().await?;
        let manifests = read_manifests(&reader, &snapshot).await?;
        Ok::<_, lockgate_engine::Error>((snapshot, manifests))
    })?;
    if context.json {
        let body = json!({ "snapshot": to_json(&snapshot), "manifests": manifests });
        output::message("summary", body);
        return Ok(exit::OK);
    }
    print_snapshot(&snapshot);
    if manifests.is_empty() {
        output::line("not written by lockgate: restore its files with --target");
    }
    if let Some(set) = manifests.iter().find_map(|manifest| manifest.set.as_ref()) {
        let held = words::duration(set.held());
        output::line(format!("set      {}, all sources as of one moment within {held}", set.name));
    }
    manifests.iter().for_each(|manifest| print_manifest(context, manifest));
    Ok(exit::OK)
}

fn print_snapshot(snapshot: &Snapshot) {
    output::line(format!("snapshot {}", snapshot.id));
    output::line(format!("time     {} on {}", time(snapshot), snapshot.hostname));
    output::line(format!("paths    {}", snapshot.paths.join(" ")));
    if !snapshot.tags.is_empty() {
        output::line(format!("tags     {}", snapshot.tags.join(" ")));
    }
}

fn print_manifest(context: &Context, manifest: &Manifest) {
    let plugin = &manifest.plugin;
    output::line(format!("source   {}", manifest.source));
    output::line(format!(
        "plugin   {} {} ({})",
        plugin.name,
        plugin.version,
        plugin.digest.short()
    ));
    for grant in &plugin.grants {
        output::line(format!("could    {grant}"));
    }
    if let Some(isolation) = &plugin.isolation {
        output::line(format!("jail     {}", isolation.level));
        for (layer, reason) in &isolation.missing {
            output::line(format!("         without {layer}: {reason}"));
        }
    }
    output::line(format!("point    {}", manifest.consistency));
    for (key, value) in &manifest.attributes {
        output::line(format!("         {key}: {value}"));
    }
    for what in &manifest.not_saved {
        output::line(format!("not saved: {what}"));
    }
    output::line(format!("{:12} {:>14} {:>12}  part", "kind", "items", "bytes"));
    for part in &manifest.parts {
        let (items, bytes) = (words::count(part.items), words::bytes(part.bytes));
        output::line(format!("{:12} {items:>14} {bytes:>12}  {}", part.kind, part.id));
        // What a plugin plans by is of use to itself; what it found out is for people.
        let planned = part.attributes.iter().filter(|_| context.verbose > 0);
        let found = part.summary.iter().filter(|(_, value)| !matches!(value.as_str(), "" | "0"));
        for (key, value) in planned.chain(found) {
            output::line(format!("{:41} {key}: {}", "", words::cut(value, VALUE_CHARACTERS_MAX)));
        }
    }
}
