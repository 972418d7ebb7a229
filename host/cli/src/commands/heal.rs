use clap::Args;
use lockgate_engine::Result;
use lockgate_repository::{HealOptions, HealReport, ReadData};

use super::copy::origin;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

/// Looks for damage and stores again what is damaged or missing, from another repository that holds the same: a copy, or
/// one that the same backups went to.
#[derive(Args)]
pub struct Arguments {
    /// Repository that holds the same: a name from the configuration, or a location
    #[arg(long, value_name = "REPOSITORY")]
    from: String,
    /// File whose first line is the password of that repository
    #[arg(long, env = "LOCKGATE_FROM_PASSWORD_FILE", value_name = "FILE")]
    from_password_file: Option<std::path::PathBuf>,
    /// Read every stored byte to find damage
    #[arg(long)]
    read_data: bool,
    /// Read only some packs: N/M, or a percentage such as 5%
    #[arg(long, value_name = "SUBSET", conflicts_with = "read_data")]
    read_data_subset: Option<ReadData>,
    /// Take no lock in the other repository: needs no right to write there
    #[arg(long)]
    no_lock: bool,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let damaged = context.site.location(None)?;
    let whole = origin(context, &arguments.from, arguments.from_password_file.as_ref())?;
    let all = if arguments.read_data { ReadData::All } else { ReadData::None };
    let mut options = HealOptions::default();
    options.read_data = arguments.read_data_subset.unwrap_or(all);
    options.write = damaged.write_options()?;
    options.lock_origin = !arguments.no_lock;
    let report = context.runtime.block_on(async {
        let (damaged, whole) = (damaged.open().await?, whole.open().await?);
        Ok::<_, lockgate_engine::Error>(damaged.heal(&whole, &options).await?)
    })?;
    print(context, &report);
    Ok(if report.is_whole() { exit::OK } else { exit::DAMAGED })
}

fn print(context: &Context, report: &HealReport) {
    if context.json {
        return output::message("summary", report);
    }
    for lost in &report.lost {
        output::line(format!("lost: blob {}: {}", lost.blob.short(), lost.why));
    }
    report.left.findings.iter().filter(|_| !report.left.is_clean()).for_each(|finding| {
        output::line(finding.to_string());
    });
    output::line(format!(
        "{} replaced, {} brought, {} saved from damaged packs, {} lost: {}",
        words::plural(report.packs_replaced, "pack"),
        words::plural(report.blobs_brought, "blob"),
        words::count(report.blobs_saved),
        words::count(report.lost_count),
        match report.left.critical {
            0 => "no damage".to_owned(),
            count => format!("{} of damage left", words::plural(count, "finding")),
        }
    ));
}
