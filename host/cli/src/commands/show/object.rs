//! What is known of a backup: of the CSO's commands this is `backupdetails`.

use std::collections::BTreeMap;

use lockgate_api::{Backup, BackupId, ComponentStatus};
use lockgate_engine::Result;
use lockgate_types::Name;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{operator, output, words};

pub fn run(context: &Context, id: &BackupId) -> Result<Exit> {
    let backup = operator::open(context)?.backup(id)?;
    if context.json {
        output::message("summary", &backup);
    } else {
        print(&backup);
    }
    Ok(exit::OK)
}

fn print(backup: &Backup) {
    output::line(format!("backup   {}", backup.id));
    output::line(format!("state    {}", words::state(backup.state)));
    if let Some(error) = &backup.error {
        output::line(format!("error    {}", error.detail));
        error.hint.iter().for_each(|hint| output::line(format!("hint     {hint}")));
    }
    let by = &backup.requested_by;
    output::line(format!("begun    {} by {by}", words::time(backup.created)));
    if let Some(ended) = backup.ended {
        let took = words::duration(ended.duration_since(backup.created).unsigned_abs());
        output::line(format!("ended    {} after {took}", words::time(ended)));
    }
    if let Some(set) = &backup.set {
        output::line(format!("set      {set}, all sources as of one moment"));
    }
    let snapshot = backup.snapshot.as_deref().unwrap_or("none");
    output::line(format!("snapshot {snapshot} in {}", backup.repository));
    for (name, copy) in &backup.copies {
        let state = words::state(copy.state);
        let detail = copy.snapshot.as_deref().unwrap_or(&copy.message);
        output::line(format!("copy     {name}: {state} {detail}"));
    }
    let (bytes, stored) = (words::bytes(backup.bytes), words::bytes(backup.bytes_stored));
    output::line(format!("data     {bytes}, {stored} stored"));
    print_sources(&backup.component_status);
    if let Some(restored) = &backup.restores {
        let ended = restored.ended.map(|ended| format!(", ended {}", words::time(ended)));
        output::line(format!(
            "restored from {}{} by job {}",
            words::time(restored.started),
            ended.unwrap_or_default(),
            restored.job
        ));
        print_sources(&restored.component_status);
    }
}

fn print_sources(sources: &BTreeMap<Name, ComponentStatus>) {
    output::line(format!("{:12} {:>14} {:>12}  source", "state", "items", "bytes"));
    for (name, status) in sources {
        let state = words::state(status.state);
        let (items, bytes) = (words::count(status.items), words::bytes(status.bytes));
        output::line(format!("{state:12} {items:>14} {bytes:>12}  {name}"));
        if !status.message.is_empty() {
            output::line(format!("{:41} {}", "", status.message));
        }
    }
}
