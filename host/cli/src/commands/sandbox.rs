use std::sync::Arc;

use clap::Subcommand;
use lockgate_engine::Result;
use lockgate_engine::jail::{LANDLOCK_ABI_REQUIRED, Report, Shape, landlock_abi};
use serde_json::json;

use crate::bars::Bars;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::output;

#[derive(Subcommand)]
pub enum Command {
    /// Start a worker of each kind, and show which layers of the jail hold on this machine
    Status,
}

pub fn run(context: &Context, command: &Command) -> Result<Exit> {
    let Command::Status = command;
    let host = context.host(Arc::new(Bars::new(context)))?;
    let reports =
        Shape::ALL.into_iter().map(|shape| host.probe(shape)).collect::<Result<Vec<_>>>()?;
    let is_full = reports.iter().all(Report::is_full);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if context.json {
        print_json(&reports, is_full, kernel.trim());
    } else {
        print(&reports, is_full, kernel.trim());
    }
    Ok(if is_full { exit::OK } else { exit::NOT_CONTAINED })
}

fn print_json(reports: &[Report], is_full: bool, kernel: &str) {
    let layer = |report: &Report| {
        let states = report.layers.iter().map(|state| {
            json!({
                "layer": state.layer,
                "required": state.layer.is_required(),
                "holds": state.missing.is_none(),
                "missing": state.missing,
            })
        });
        json!({
            "worker": report.shape,
            "purpose": report.shape.purpose(),
            "full": report.is_full(),
            "layers": states.collect::<Vec<_>>(),
        })
    };
    let body = json!({
        "full": is_full,
        "kernel": kernel,
        "architecture": std::env::consts::ARCH,
        "landlock_abi": landlock_abi(),
        "landlock_abi_required": LANDLOCK_ABI_REQUIRED,
        "workers": reports.iter().map(layer).collect::<Vec<_>>(),
    });
    output::message("summary", body);
}

fn print(reports: &[Report], is_full: bool, kernel: &str) {
    output::line(format!("kernel    {kernel} on {}", std::env::consts::ARCH));
    output::line(format!("landlock  version {}, needed {LANDLOCK_ABI_REQUIRED}", landlock_abi()));
    for report in reports {
        output::line(format!("a worker that {}", report.shape.purpose()));
        for state in &report.layers {
            let name = state.layer.name();
            output::line(match (&state.missing, state.layer.is_required()) {
                (None, _) => format!("  holds    {name}"),
                (Some(reason), true) => format!("  MISSING  {name}: {reason}"),
                (Some(reason), false) => format!("  without  {name}, where offered: {reason}"),
            });
        }
    }
    output::line(if is_full {
        "every required layer holds: plugins are contained"
    } else {
        "a required layer is missing: runs are refused without --isolation=reduced"
    });
}
