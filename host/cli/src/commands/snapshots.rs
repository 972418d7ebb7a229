use clap::Args;
use lockgate_engine::Result;
use lockgate_repository::Snapshot;
use serde_json::json;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

#[derive(Args)]
pub struct Arguments {
    /// Only snapshots of this source
    #[arg(long)]
    source: Option<String>,
    /// Only snapshots with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Only snapshots of this host
    #[arg(long)]
    host: Option<String>,
}

impl Arguments {
    fn wants(&self, snapshot: &Snapshot) -> bool {
        let source = self.source.as_ref().map(|source| format!("/{source}"));
        source.is_none_or(|path| snapshot.paths.contains(&path))
            && self.tag.as_ref().is_none_or(|tag| snapshot.tags.contains(tag))
            && self.host.as_ref().is_none_or(|host| &snapshot.hostname == host)
    }
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let location = context.site.location(None)?;
    let snapshots = context.runtime.block_on(async {
        Ok::<_, lockgate_engine::Error>(location.open().await?.snapshots().await?)
    })?;
    let wanted: Vec<&Snapshot> =
        snapshots.iter().filter(|snapshot| arguments.wants(snapshot)).collect();
    for snapshot in &wanted {
        if context.json {
            output::message("snapshot", to_json(snapshot));
        } else {
            output::line(format!(
                "{}  {}  {:16}  {}  {}",
                snapshot.id.short(),
                time(snapshot),
                snapshot.hostname,
                snapshot.paths.join(" "),
                snapshot.tags.join(","),
            ));
        }
    }
    if context.json {
        output::message("summary", json!({ "snapshots": wanted.len() }));
    }
    Ok(exit::OK)
}

/// The time of a snapshot as people read it.
pub fn time(snapshot: &Snapshot) -> String {
    words::time(snapshot.time)
}

/// A snapshot for programs.
pub fn to_json(snapshot: &Snapshot) -> serde_json::Value {
    json!({
        "id": snapshot.id,
        "time": snapshot.time.to_string(),
        "hostname": snapshot.hostname,
        "username": snapshot.username,
        "paths": snapshot.paths,
        "tags": snapshot.tags,
        "tree": snapshot.tree,
        "parent": snapshot.parent,
        "original": snapshot.original,
        "program_version": snapshot.program_version,
    })
}
