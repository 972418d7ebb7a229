use std::sync::Arc;

use clap::Subcommand;
use lockgate_engine::{Plugin, Result};
use lockgate_types::Descriptor;
use serde_json::json;

use crate::bars::Bars;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

#[derive(Subcommand)]
pub enum Command {
    /// List the plugins that are installed
    List,
    /// Show what a plugin is, what it saves, and what it asks for
    Inspect {
        /// Name of an installed plugin, or the path of a component
        plugin: String,
    },
}

pub fn run(context: &Context, command: &Command) -> Result<Exit> {
    let bars = Arc::new(Bars::new(context));
    let host = context.host(bars.clone())?;
    match command {
        Command::List => {
            for path in host.plugins().list()? {
                let plugin = host.plugins().find(&path.to_string_lossy())?;
                let descriptor = host.describe(&plugin)?;
                bars.finish();
                print_row(context.json, &plugin, &descriptor);
            }
        }
        Command::Inspect { plugin } => {
            let plugin = host.plugins().find(plugin)?;
            let descriptor = host.describe(&plugin)?;
            bars.finish();
            print_all(context.json, &plugin, &descriptor);
        }
    }
    Ok(exit::OK)
}

fn print_row(json: bool, plugin: &Plugin, descriptor: &Descriptor) {
    if json {
        let body = json!({ "name": plugin.name, "version": descriptor.version, "digest": plugin.admitted.digest, "datastore": descriptor.datastore });
        output::message("plugin", body);
        return;
    }
    output::line(format!(
        "{:16} {:10} {}  {}",
        plugin.name,
        descriptor.version,
        plugin.admitted.digest.short(),
        descriptor.datastore
    ));
}

fn print_all(json: bool, plugin: &Plugin, descriptor: &Descriptor) {
    let admitted = &plugin.admitted;
    if json {
        let body = json!({ "path": plugin.path, "digest": admitted.digest, "imports": admitted.imports, "descriptor": descriptor });
        output::message("summary", body);
        return;
    }
    output::line(format!("plugin       {} {}", descriptor.name, descriptor.version));
    output::line(format!(
        "file         {} ({})",
        plugin.path.display(),
        words::bytes(admitted.component.len() as u64)
    ));
    output::line(format!("digest       {}", admitted.digest));
    output::line(format!(
        "datastore    {}; versions: {}",
        descriptor.datastore, descriptor.server_versions
    ));
    output::line(format!("consistency  {}", descriptor.consistency));
    output::line(format!("parts        {}", descriptor.part_kinds.join(", ")));
    output::line(format!("features     {}", descriptor.features.join(", ")));
    for what in &descriptor.not_saved {
        output::line(format!("not saved    {what}"));
    }
    for import in &admitted.imports {
        output::line(format!("imports      {import}"));
    }
    output::line(format!("config       {}", descriptor.config_schema));
}
