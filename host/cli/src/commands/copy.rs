use std::sync::Arc;

use clap::Args;
use lockgate_engine::Result;
use lockgate_engine::repositories::Location;
use lockgate_repository::{Copied, CopyOptions, CopyReport, Filter, Repository};

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

/// Copies snapshots to another repository, which has a key and a password of its own. What is there is not read again.
#[derive(Args)]
pub struct Arguments {
    /// These snapshots, instead of all
    snapshots: Vec<String>,
    /// Repository that is read: a name from the configuration, or a location
    #[arg(long, value_name = "REPOSITORY")]
    from: String,
    /// Repository that is written to; else the one that --repository means
    #[arg(long, value_name = "REPOSITORY")]
    to: Option<String>,
    /// File whose first line is the password of the repository that is read
    #[arg(long, env = "LOCKGATE_FROM_PASSWORD_FILE", value_name = "FILE")]
    from_password_file: Option<std::path::PathBuf>,
    /// Only snapshots of this host; may be given again
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Only snapshots of this source; may be given again
    #[arg(long = "source", value_name = "SOURCE")]
    sources: Vec<String>,
    /// Only snapshots with all of these tags; may be given again
    #[arg(long = "tag", value_name = "TAG,TAG")]
    tags: Vec<String>,
    /// Take no lock in the repository that is read: needs no right to write there
    #[arg(long)]
    no_lock: bool,
    /// Say what would be copied, and copy nothing
    #[arg(long)]
    dry_run: bool,
}

/// The repository that something is read from, with its own password.
pub fn origin(
    context: &Context,
    named: &str,
    password_file: Option<&std::path::PathBuf>,
) -> Result<Location> {
    let mut location = context.site.location_named(named)?;
    if let Some(file) = password_file {
        location.password = Some(lockgate_engine::configuration::Secret::File(file.clone()));
    } else if location.settings.has_password() {
        // The password of the command line is that of the repository that is written to.
        location.password = None;
    }
    Ok(location)
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let from = origin(context, &arguments.from, arguments.from_password_file.as_ref())?;
    let to = match &arguments.to {
        Some(named) => context.site.location_named(named)?,
        None => context.site.location(None)?,
    };
    let mut options = CopyOptions::default();
    options.snapshots.clone_from(&arguments.snapshots);
    options.filter = Filter {
        hosts: arguments.hosts.clone(),
        paths: arguments.sources.iter().map(|source| format!("/{source}")).collect(),
        tags: arguments
            .tags
            .iter()
            .map(|tags| tags.split(',').map(str::to_owned).collect())
            .collect(),
    };
    options.write = to.write_options()?;
    options.lock_origin = !arguments.no_lock;
    options.dry_run = arguments.dry_run;
    let json = context.json;
    options.observer = Some(Arc::new(move |copied| print_one(json, copied)));
    let report = context.runtime.block_on(async {
        let (origin, target) = (from.open().await?, to.open().await?);
        if context.verbose > 0 {
            note_chunks(&origin, &target);
        }
        Ok::<_, lockgate_engine::Error>(origin.copy_to(&target, &options).await?)
    })?;
    if arguments.dry_run {
        report.copied.iter().for_each(|copied| print_one(json, copied));
    }
    print(json, arguments.dry_run, &report);
    Ok(exit::OK)
}

/// Copies keep their chunks, so that what a program writes to the target itself may be cut elsewhere.
fn note_chunks(origin: &Repository, target: &Repository) {
    if origin.config().chunker_polynomial != target.config().chunker_polynomial {
        output::note(
            "the repositories cut files at different places: what is backed up into both shares no chunks with the copies",
        );
    }
}

fn print_one(json: bool, copied: &Copied) {
    if json {
        output::message("copied", copied);
        return;
    }
    match copied.to {
        Some(to) => output::line(format!("{} -> {}", copied.from.short(), to.short())),
        None => output::line(format!("{} would be copied", copied.from.short())),
    }
}

fn print(json: bool, is_dry: bool, report: &CopyReport) {
    if json {
        return output::message("summary", report);
    }
    let copied = words::plural(report.copied.len() as u64, "snapshot");
    let there = words::count(report.present);
    if is_dry {
        return output::line(format!("{copied} would be copied, {there} there already"));
    }
    output::line(format!(
        "{copied} copied, {there} there already: {} read, {} stored",
        words::bytes(report.bytes_read),
        words::bytes(report.bytes_stored)
    ));
}
