use clap::Args;
use lockgate_engine::{Error, ErrorKind, Result};
use lockgate_repository::Node;
use lockgate_types::{EntryPath, Kind};
use serde_json::json;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::output;

#[derive(Args)]
pub struct Arguments {
    /// `latest`, `latest~N`, or the start of an id
    snapshot: String,
    /// Only what is at or below this path
    #[arg(default_value = "")]
    path: String,
}

/// A path as people type it: with or without a slash in front or behind.
pub fn entry_path(text: &str) -> Result<EntryPath> {
    EntryPath::try_from(text.trim_matches('/'))
        .map_err(|error| Error::new(ErrorKind::Configuration, error.to_string()))
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let location = context.site.location(None)?;
    let path = entry_path(&arguments.path)?;
    context.runtime.block_on(async {
        let repository = location.open().await?;
        let snapshot = repository.snapshot(&arguments.snapshot).await?;
        let reader = repository.reader().await?;
        if !path.is_root() {
            let node = reader.node(&snapshot.tree, &path).await?;
            let node = node.ok_or_else(|| {
                Error::new(
                    ErrorKind::NotFound,
                    format!("snapshot {} has no {path}", snapshot.id.short()),
                )
            })?;
            print(context.json, &path, &node);
        }
        let mut walk = reader.walk(snapshot.tree, path.clone(), None);
        let mut count = 0_u64;
        while let Some((below, node)) = walk.next().await? {
            count += 1;
            print(context.json, &below, &node);
        }
        if context.json {
            output::message("summary", json!({ "entries": count }));
        }
        Ok(exit::OK)
    })
}

fn print(json: bool, path: &EntryPath, node: &Node) {
    let entry = node.to_entry(path.clone());
    let metadata = entry.metadata.as_ref();
    let kind = metadata.map_or(Kind::Regular, |metadata| metadata.kind);
    let (mode, owner, group) =
        metadata.map_or((0o600, 0, 0), |metadata| (metadata.mode, metadata.owner, metadata.group));
    if json {
        let body = json!({ "path": path.to_string(), "kind": kind, "size": node.size, "mode": mode, "owner": owner, "group": group });
        output::message("entry", body);
        return;
    }
    let letter = match kind {
        Kind::Regular => '-',
        Kind::Directory => 'd',
        Kind::Symlink => 'l',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
        Kind::CharacterDevice => 'c',
        Kind::BlockDevice => 'b',
    };
    output::line(format!("{letter}{mode:04o} {owner:>6} {group:>6} {:>12}  {path}", node.size));
}
