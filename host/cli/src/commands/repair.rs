use clap::{Args, Subcommand};
use lockgate_engine::Result;
use lockgate_repository::{IndexRepair, RepairedSnapshot, SnapshotRepair};
use serde_json::json;

use super::snapshots::time;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::selection::SnapshotFilter;
use crate::{output, words};

#[derive(Subcommand)]
pub enum Command {
    /// Make the index say what packs hold, where it is damaged, missing, or names packs that are gone
    Index(Index),
    /// Write damaged snapshots once more, without what is lost
    Snapshots(Snapshots),
}

#[derive(Args)]
pub struct Index {
    /// Believe no index: read the header of every pack
    #[arg(long)]
    read_all_packs: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Args)]
pub struct Snapshots {
    /// These snapshots: `latest`, `latest~N`, or the start of an id; all without
    snapshots: Vec<String>,
    #[command(flatten)]
    filter: SnapshotFilter,
    /// Remove the damaged snapshots, those included of which nothing can be read
    #[arg(long)]
    forget: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

pub fn run(context: &Context, command: &Command) -> Result<Exit> {
    let location = context.site.location(None)?;
    context.runtime.block_on(async {
        let repository = location.open().await?;
        match command {
            Command::Index(arguments) => {
                let (all, dry_run) = (arguments.read_all_packs, arguments.dry_run);
                print_index(context, &repository.repair_index(all, dry_run).await?);
            }
            Command::Snapshots(arguments) => {
                let selection = arguments.filter.select(&arguments.snapshots);
                let (forget, dry_run) = (arguments.forget, arguments.dry_run);
                let report = repository.repair_snapshots(&selection, forget, dry_run).await?;
                print_snapshots(context, &report, forget);
            }
        }
        Ok(exit::OK)
    })
}

fn print_index(context: &Context, report: &IndexRepair) {
    if context.json {
        output::message("summary", report);
        return;
    }
    for pack in &report.packs_unreadable {
        output::line(format!("pack {pack} cannot be read, and stays where it is"));
    }
    let rows = [
        ("damaged", report.indexes_damaged, "index"),
        ("found", report.packs_found, "pack"),
        ("gone", report.packs_lost, "pack"),
        ("removed", report.indexes_removed, "index"),
        ("written", report.indexes_written, "index"),
    ];
    for (what, count, noun) in rows {
        let plural = words::plural(count, noun).replace("indexs", "indexes");
        output::line(format!("{what:10} {plural:>14}"));
    }
    if report.dry_run {
        output::line("nothing was changed");
    } else if report.packs_lost > 0 {
        output::note("`lockgate repair snapshots` takes what is lost out of the snapshots");
    } else if report.is_clean() {
        output::note("the index was as it should be");
    }
}

fn print_snapshots(context: &Context, report: &SnapshotRepair, forget: bool) {
    report.repaired.iter().for_each(|one| print_one(context, one));
    for id in &report.unreadable {
        match context.json {
            true => output::message("unreadable", json!({ "id": id })),
            false => output::line(format!("{}  cannot be read", id.short())),
        }
    }
    let (damaged, unreadable) = (report.repaired.len(), report.unreadable.len());
    if context.json {
        let body = json!({
            "whole": report.whole, "damaged": damaged, "unreadable": unreadable,
            "dry_run": report.dry_run,
        });
        output::message("summary", body);
        return;
    }
    let whole = words::plural(report.whole, "whole snapshot");
    output::line(format!("{whole}, {damaged} damaged, {unreadable} that cannot be read"));
    if report.dry_run {
        output::line("nothing was changed");
    } else if damaged + unreadable > 0 && !forget {
        output::note("the damaged snapshots are still there; --forget removes them");
    }
}

fn print_one(context: &Context, one: &RepairedSnapshot) {
    let (old, new) = (one.old.id, one.new.as_ref().map(|new| new.id));
    if context.json {
        let body = json!({
            "old": old, "new": new, "files": one.files, "folders": one.folders,
            "bytes_lost": one.bytes, "forgotten": one.is_forgotten,
        });
        output::message("snapshot", body);
        return;
    }
    let now = new.map_or_else(String::new, |new| format!(", without it {}", new.short()));
    output::line(format!(
        "{}  {}  lost: {} of {}, {}{now}",
        old.short(),
        time(&one.old),
        words::bytes(one.bytes),
        words::plural(one.files, "file"),
        words::plural(one.folders, "folder")
    ));
}
