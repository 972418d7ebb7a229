use clap::Args;
use lockgate_api::BackupId;
use lockgate_engine::Result;
use serde_json::json;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{operator, output};

#[derive(Args)]
pub struct Arguments {
    /// The id of a backup
    id: BackupId,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    operator::open(context)?.delete(&arguments.id)?;
    if context.json {
        output::message("summary", json!({ "deleted": arguments.id }));
    } else {
        output::line(format!("backup {} is deleted", arguments.id));
        output::note("`lockgate prune` gives the space back.");
    }
    Ok(exit::OK)
}
