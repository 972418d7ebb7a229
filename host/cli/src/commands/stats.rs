use clap::Args;
use lockgate_engine::Result;
use lockgate_repository::StatsReport;
use serde_json::json;

use super::snapshots::time;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::selection::SnapshotFilter;
use crate::{output, words};

#[derive(Args)]
pub struct Arguments {
    /// These snapshots: `latest`, `latest~N`, or the start of an id; all without
    snapshots: Vec<String>,
    #[command(flatten)]
    filter: SnapshotFilter,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let location = context.site.location(None)?;
    let selection = arguments.filter.select(&arguments.snapshots);
    let report = context.runtime.block_on(async {
        let repository = location.open().await?;
        Ok::<_, lockgate_engine::Error>(repository.stats(&selection).await?)
    })?;
    print(context, &report);
    Ok(if report.blobs_missing == 0 { exit::OK } else { exit::DAMAGED })
}

fn print(context: &Context, report: &StatsReport) {
    for one in &report.snapshots {
        if context.json {
            let body = json!({
                "id": one.snapshot.id, "entries": one.entries, "files": one.files,
                "restore_bytes": one.restore_bytes,
            });
            output::message("snapshot", body);
        } else {
            output::line(format!(
                "{}  {}  {:>12}  {:>10}",
                one.snapshot.id.short(),
                time(&one.snapshot),
                words::plural(one.files, "file"),
                words::bytes(one.restore_bytes)
            ));
        }
    }
    if context.json {
        output::message("summary", report);
        return;
    }
    let blobs = report.data_blobs + report.tree_blobs;
    let rows = [
        ("restored", words::plural(report.files, "file"), report.restore_bytes),
        ("different contents", words::plural(report.contents, "file"), report.contents_bytes),
        ("before compression", words::plural(blobs, "blob"), report.plain_bytes),
        ("stored", words::plural(blobs, "blob"), report.stored_bytes),
        ("whole repository", words::plural(report.packs, "pack"), report.packs_bytes),
    ];
    output::line(words::plural(report.snapshots_count, "snapshot"));
    for (what, count, bytes) in rows {
        output::line(format!("  {what:20} {count:>16}  {:>10}", words::bytes(bytes)));
    }
    if report.stored_bytes > 0 {
        output::line(format!("  compressed {:.2} times", report.compression_ratio));
    }
    if report.blobs_missing > 0 {
        let missing = words::plural(report.blobs_missing, "blob");
        output::note(format!("{missing} missing: `lockgate check` tells what cannot be restored"));
    }
}
