use std::sync::Arc;

use clap::Args;
use lockgate_engine::Result;
use lockgate_repository::{CheckOptions, CheckReport, Finding, ReadData};
use lockgate_types::Severity;

use crate::bars::CheckBar;
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

#[derive(Args)]
pub struct Arguments {
    /// Read and verify every stored byte
    #[arg(long)]
    read_data: bool,
    /// Read and verify only some packs: N/M, a percentage such as 5%, or a size such as 10G
    #[arg(long, value_name = "SUBSET", conflicts_with = "read_data")]
    read_data_subset: Option<ReadData>,
    /// Take no lock: needs no right to write, and may report what somebody deletes meanwhile
    #[arg(long)]
    no_lock: bool,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let location = context.site.location(None)?;
    let all = if arguments.read_data { ReadData::All } else { ReadData::None };
    let bar = Arc::new(CheckBar::new(context));
    let mut options = CheckOptions::default();
    options.read_data = arguments.read_data_subset.unwrap_or(all);
    options.lock = !arguments.no_lock;
    let observed = Arc::clone(&bar);
    options.observer = Some(Arc::new(move |progress| observed.show(progress)));
    let report = context.runtime.block_on(async {
        let repository = location.open().await?;
        Ok::<_, lockgate_engine::Error>(repository.check(options).await?)
    });
    bar.finish();
    let report = report?;
    print(context, &report);
    Ok(if report.is_clean() { exit::OK } else { exit::DAMAGED })
}

fn print(context: &Context, report: &CheckReport) {
    if context.json {
        report.findings.iter().for_each(|finding| output::message("finding", finding));
        output::message("summary", report);
        return;
    }
    for finding in &report.findings {
        if finding.severity > Severity::Ok
            && (finding.severity > Severity::Notice || context.verbose > 0)
        {
            print_finding(finding);
        }
    }
    let read = match report.packs_read {
        0 => String::new(),
        packs => {
            format!(", {} read ({})", words::plural(packs, "pack"), words::bytes(report.bytes_read))
        }
    };
    output::line(format!(
        "{}, {}, {} ({}){read}: {}",
        words::plural(report.snapshots, "snapshot"),
        words::plural(report.trees, "tree"),
        words::plural(report.packs, "pack"),
        words::bytes(report.bytes_stored),
        match report.critical {
            0 => "no damage".to_owned(),
            count => format!("{} of damage", words::plural(count, "finding")),
        }
    ));
}

fn print_finding(finding: &Finding) {
    output::line(finding.to_string());
    for place in &finding.affected {
        output::line(format!(
            "  cannot be restored: {} in snapshot {}",
            place.path,
            place.snapshot.short()
        ));
    }
    if finding.affected_more > 0 {
        output::line(format!("  and {} more places", words::count(finding.affected_more)));
    }
}
