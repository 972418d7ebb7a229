use clap::Args;
use lockgate_engine::Result;
use lockgate_operations::{Jobs, Store};
use serde_json::json;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::output;

/// Copies to each repository what it missed of backups with an id. A service does the same after each backup.
#[derive(Args)]
pub struct Arguments {}

pub fn run(context: &Context, _arguments: &Arguments) -> Result<Exit> {
    let done = context.runtime.block_on(async {
        let store = Store::open(&context.state).await?;
        let jobs = Jobs::start_for_command(context.site.clone(), store).await?;
        let done = jobs.catch_up().await;
        jobs.stop(std::time::Duration::ZERO).await;
        done
    })?;
    let failed = done.iter().filter(|one| one.error.is_some()).count();
    if context.json {
        done.iter().for_each(|one| output::message("caught_up", one));
        output::message("summary", json!({ "copied": done.len() - failed, "missed": failed }));
    } else {
        done.iter().for_each(|one| output::line(one.to_string()));
        if done.is_empty() {
            output::line("every repository has what it should have");
        }
    }
    Ok(if failed == 0 { exit::OK } else { exit::NOT_EVERYWHERE })
}
