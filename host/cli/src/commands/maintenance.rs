use std::sync::Arc;

use clap::Args;
use lockgate_engine::maintenance::{Maintenance, maintain};
use lockgate_engine::{Error, ErrorKind, Result};
use lockgate_types::Severity;

use super::health::print;
use crate::bars::Bars;
use crate::context::Context;
use crate::exit::{self, Exit};

#[derive(Args)]
pub struct Arguments {
    /// Source of the configuration
    source: String,
    /// `enter` takes the datastore out of service, `leave` puts it back; any other word is an action of the plugin's, such as
    /// `reindex`
    step: String,
    /// What the action is to know, as the plugin documents it
    #[arg(long, value_name = "JSON")]
    arguments: Option<String>,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let (name, source) = context.source(&arguments.source)?;
    let step = step(arguments)?;
    let bars = Arc::new(Bars::new(context));
    let host = context.host(bars.clone())?;
    let report = maintain(&host, name, source, step)?;
    bars.finish();
    print(context.json, name, &report);
    Ok(if report.worst() == Some(Severity::Critical) { exit::CRITICAL } else { exit::OK })
}

fn step(arguments: &Arguments) -> Result<Maintenance<'_>> {
    let wrong =
        |cause: String| Err(Error::new(ErrorKind::Configuration, format!("--arguments: {cause}")));
    let given = arguments.arguments.as_deref();
    match (arguments.step.as_str(), given) {
        ("enter", None) => Ok(Maintenance::Enter),
        ("leave", None) => Ok(Maintenance::Leave),
        ("enter" | "leave", Some(_)) => wrong(format!("{} takes none", arguments.step)),
        (action, given) => {
            let text = given.unwrap_or("{}");
            match serde_json::from_str::<serde_json::Value>(text) {
                Ok(_) => Ok(Maintenance::Act { action, arguments: text }),
                Err(error) => wrong(format!("this is not JSON: {error}")),
            }
        }
    }
}
