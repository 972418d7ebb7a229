use clap::Args;
use lockgate_api::{Backup, CopyState, Label};
use lockgate_engine::Result;
use serde_json::json;

use super::backup::object::whose;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{operator, output, words};

#[derive(Args)]
pub struct Arguments {
    /// Only backups with this label
    label: Option<Label>,
    /// Only the newest N
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: u32,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let backups = operator::open(context)?.backups(arguments.label.as_ref(), arguments.limit)?;
    for backup in &backups {
        if context.json {
            output::message("backup", backup);
        } else {
            output::line(line(backup));
        }
    }
    if context.json {
        output::message("summary", json!({ "backups": backups.len() }));
    }
    Ok(exit::OK)
}

fn line(backup: &Backup) -> String {
    format!(
        "{}  {:10}  {:>9}  {}  {}",
        words::time(backup.created),
        words::state(backup.state),
        words::bytes(backup.bytes),
        backup.id,
        whose(backup),
    ) + &missed(backup)
}

/// Where it is not yet.
fn missed(backup: &Backup) -> String {
    let missed = backup.copies.iter().filter(|(_, copy)| copy.state == CopyState::Missed);
    let names: Vec<&str> = missed.map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { String::new() } else { format!("  (not in {})", names.join(", ")) }
}
