use clap::Args;
use lockgate_engine::Result;
use lockgate_repository::{FindOptions, Found, NodeKind, Pattern, SizeRange, parse_moment};
use lockgate_types::Timestamp;
use serde_json::json;

use super::snapshots::time;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::selection::SnapshotFilter;
use crate::{output, words};

#[derive(Args)]
pub struct Arguments {
    /// Names with *, ?, [...] and {a,b}; with a slash in it, paths
    patterns: Vec<String>,
    /// Take capital and small letters for the same
    #[arg(short, long)]
    ignore_case: bool,
    /// Only these kinds: f (file), d (folder), l (link), p (pipe), s (socket), b, c (devices)
    #[arg(long = "type", value_name = "LETTERS", value_delimiter = ',', value_parser = kind)]
    kinds: Vec<NodeKind>,
    /// Only what was changed since: 2026-01-31, 2026-01-31 12:00:00, 2026-01-31T12:00:00Z, or a time ago such as 7d
    #[arg(long, value_name = "TIME", value_parser = moment)]
    newer: Option<Timestamp>,
    /// Only what was not changed since
    #[arg(long, value_name = "TIME", value_parser = moment)]
    older: Option<Timestamp>,
    /// Only files of this size: 4096, +10M for at least, -1k for at most; may be given again
    #[arg(long = "size", value_name = "SIZE", allow_hyphen_values = true)]
    sizes: Vec<SizeRange>,
    /// What needs this chunk or folder of the repository; may be given again
    #[arg(long = "blob", value_name = "ID")]
    blobs: Vec<String>,
    /// Folders with this tree; may be given again
    #[arg(long = "tree", value_name = "ID")]
    trees: Vec<String>,
    /// What needs something in this pack; may be given again
    #[arg(long = "pack", value_name = "ID")]
    packs: Vec<String>,
    /// Only in this snapshot; may be given again
    #[arg(short, long = "snapshot", value_name = "SNAPSHOT")]
    snapshots: Vec<String>,
    #[command(flatten)]
    filter: SnapshotFilter,
}

fn kind(text: &str) -> std::result::Result<NodeKind, String> {
    Ok(match text {
        "f" => NodeKind::File,
        "d" => NodeKind::Directory,
        "l" => NodeKind::Symlink,
        "p" => NodeKind::Fifo,
        "s" => NodeKind::Socket,
        "b" => NodeKind::BlockDevice,
        "c" => NodeKind::CharacterDevice,
        _ => return Err("expected f, d, l, p, s, b or c".to_owned()),
    })
}

fn moment(text: &str) -> std::result::Result<Timestamp, String> {
    parse_moment(text).map_err(|error| error.to_string())
}

impl Arguments {
    fn options(&self) -> Result<FindOptions> {
        let mut options = FindOptions::default();
        for pattern in &self.patterns {
            options.patterns.push(Pattern::new(pattern, self.ignore_case)?);
        }
        options.kinds.clone_from(&self.kinds);
        (options.newer, options.older) = (self.newer, self.older);
        options.sizes.clone_from(&self.sizes);
        options.blobs.clone_from(&self.blobs);
        options.trees.clone_from(&self.trees);
        options.packs.clone_from(&self.packs);
        Ok(options)
    }
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let location = context.site.location(None)?;
    let selection = arguments.filter.select(&arguments.snapshots);
    let options = arguments.options()?;
    let count = context.runtime.block_on(async {
        let repository = location.open().await?;
        let mut last = None;
        let take = |found: Found<'_>| {
            if !context.json && last != Some(found.snapshot.id) {
                last = Some(found.snapshot.id);
                let id = found.snapshot.id.short();
                output::line(format!("{id}  {}", time(found.snapshot)));
            }
            print(context, &found);
        };
        Ok::<_, lockgate_engine::Error>(repository.find(&selection, &options, take).await?)
    })?;
    if context.json {
        output::message("summary", json!({ "found": count }));
    } else {
        output::note(format!("{} found", words::count(count)));
    }
    Ok(exit::OK)
}

fn print(context: &Context, found: &Found<'_>) {
    let (path, node) = (format!("/{}", found.path), found.node.as_ref());
    let kind = node.map_or("dir", |node| node.kind.as_str());
    let size = node.map_or(0, |node| node.size);
    let changed = node.map(|node| node.mtime.to_string());
    if context.json {
        let (snapshot, blob) = (found.snapshot.id, found.blob);
        let body = json!({ "snapshot": snapshot, "path": path, "kind": kind, "size": size, "modified": changed, "blob": blob });
        output::message("match", body);
        return;
    }
    let changed = changed.map(words::time).unwrap_or_default();
    let blob = found.blob.map(|blob| format!("  ({})", blob.short())).unwrap_or_default();
    output::line(format!("  {kind:8} {size:>12}  {changed:19}  {path}{blob}"));
}
