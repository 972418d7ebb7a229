use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use lockgate_engine::{Error, ErrorKind, Result};
use lockgate_mount::{ErrorKind as MountErrorKind, Mount, MountOptions};
use serde_json::json;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::output;
use crate::selection::SnapshotFilter;

#[derive(Args)]
pub struct Arguments {
    /// An empty folder
    #[arg(value_name = "MOUNTPOINT")]
    point: PathBuf,
    #[command(flatten)]
    filter: SnapshotFilter,
    /// Let other users of this machine see what the modes in the backup let them see; without it, nobody but you sees anything
    #[arg(long)]
    allow_other: bool,
    /// Take no lock: for a repository that cannot be written to. A prune may then remove what a forgotten snapshot needs
    #[arg(long)]
    no_lock: bool,
    /// Look for new snapshots when the last look was so long ago, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    refresh: u64,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let location = context.site.location(None)?;
    let mut options = MountOptions::default();
    options.filter = arguments.filter.select(&[]).filter;
    options.refresh = Duration::from_secs(arguments.refresh);
    options.allow_other = arguments.allow_other;
    options.lock = !arguments.no_lock;
    context.runtime.block_on(async {
        let start = async {
            let repository = location.open().await?;
            Mount::new(&repository, &arguments.point, &options).await.map_err(of_mount)
        };
        let stopped = || Error::new(ErrorKind::Interrupted, "stopped before anything was mounted");
        let mut mount = context.cancel.or_stop(start).await.ok_or_else(stopped)??;
        let point = arguments.point.display().to_string();
        if context.json {
            output::message("mounted", json!({ "mountpoint": point }));
        } else {
            output::note(format!("mounted at {point}; Ctrl-C or `umount` ends it"));
        }
        let ended = context.cancel.or_stop(mount.ended()).await.unwrap_or(Ok(()));
        let report = mount.end().await.map_err(of_mount)?;
        ended.map_err(of_mount)?;
        if context.json {
            let body = json!({ "mountpoint": point, "errors": report.errors, "was_busy": report.was_busy });
            output::message("summary", body);
        } else {
            if report.was_busy {
                output::note("programs still had something open there");
            }
            output::note(format!("unmounted {point}"));
        }
        Ok(exit::OK)
    })
}

fn of_mount(error: lockgate_mount::Error) -> Error {
    if let Some(error) = error.of_repository() {
        return error.clone().into();
    }
    let kind = match error.kind() {
        MountErrorKind::NoMountPoint => ErrorKind::NotFound,
        MountErrorKind::MountPoint => ErrorKind::Conflict,
        MountErrorKind::Unavailable => ErrorKind::Unsupported,
        _ => ErrorKind::Failed,
    };
    let told = Error::new(kind, error.to_string());
    match error.hint() {
        Some(hint) => told.with_hint(hint),
        None => told,
    }
}
