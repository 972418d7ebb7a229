use clap::Args;
use lockgate_engine::{Error, ErrorKind, Result};
use lockgate_repository::{Change, DiffCount, DiffOptions, DiffReport, Reader, Repository};
use lockgate_types::Digest;
use serde_json::json;

use super::ls::entry_path;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

#[derive(Args)]
pub struct Arguments {
    /// The older side: a snapshot, or a folder in one as SNAPSHOT:PATH
    old: String,
    /// The newer side
    new: String,
    /// Tell also where owner, mode, time or attributes alone differ
    #[arg(long)]
    metadata: bool,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let location = context.site.location(None)?;
    let mut options = DiffOptions::default();
    options.metadata = arguments.metadata;
    let report = context.runtime.block_on(async {
        let repository = location.open().await?;
        let sides = [parse(&arguments.old)?, parse(&arguments.new)?];
        let mut snapshots = Vec::new();
        for (selector, path) in sides {
            snapshots.push((snapshot(&repository, selector).await?, path));
        }
        // The index after the snapshots: it has whatever they need.
        let reader = repository.reader().await?;
        let mut trees = Vec::new();
        for (tree, path) in &snapshots {
            trees.push(folder(&reader, tree, path).await?);
        }
        let print = |change| print(context, &change);
        Ok::<_, Error>(reader.diff(&trees[0], &trees[1], options, print).await?)
    })?;
    print_summary(context, &report);
    Ok(exit::OK)
}

fn parse(text: &str) -> Result<(&str, lockgate_types::EntryPath)> {
    let (selector, path) = text.split_once(':').unwrap_or((text, ""));
    Ok((selector, entry_path(path)?))
}

async fn snapshot(repository: &Repository, selector: &str) -> Result<Digest> {
    Ok(repository.snapshot(selector).await?.tree)
}

async fn folder(
    reader: &Reader,
    tree: &Digest,
    path: &lockgate_types::EntryPath,
) -> Result<Digest> {
    reader
        .folder_tree(tree, path)
        .await?
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("there is no folder {path}")))
}

fn print(context: &Context, change: &Change) {
    let slash = if change.is_folder { "/" } else { "" };
    let (path, letters) = (format!("/{}{slash}", change.path), change.kind.to_string());
    if context.json {
        output::message("change", json!({ "path": path, "modifier": letters }));
    } else {
        output::line(format!("{letters:4} {path}"));
    }
}

fn print_summary(context: &Context, report: &DiffReport) {
    if context.json {
        output::message("summary", report);
        return;
    }
    let row = |what: &str, count: &DiffCount| {
        output::line(format!(
            "{what:8} {:>12} {:>12} {:>12}  {}",
            words::plural(count.files, "file"),
            words::plural(count.dirs, "folder"),
            words::plural(count.others, "other"),
            words::bytes(count.bytes)
        ));
    };
    output::line(format!("changed  {:>12}", words::plural(report.changed_files, "file")));
    row("added", &report.added);
    row("removed", &report.removed);
}
