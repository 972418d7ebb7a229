use clap::Args;
use lockgate_engine::Result;
use serde_json::json;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::output;

#[derive(Args)]
pub struct Arguments {}

pub fn run(context: &Context, _arguments: &Arguments) -> Result<Exit> {
    let location = context.site.location(None)?;
    let repository = context.runtime.block_on(location.init())?;
    if context.json {
        output::message(
            "summary",
            json!({ "repository": location.settings.url, "id": repository.id() }),
        );
    } else {
        let id: String = repository.id().chars().take(8).collect();
        output::line(format!("made repository {id} at {}", location.settings.url));
        output::note("Keep the password: without it, nothing can be read.");
    }
    Ok(exit::OK)
}
