use std::time::Duration;

use clap::Args;
use lockgate_engine::Result;
use lockgate_repository::{PruneLimit, PruneOptions, PruneReport};

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::{output, words};

/// Removes data in two passes, beside running backups: the first marks what no snapshot needs, a later run deletes it.
#[derive(Args)]
pub struct Arguments {
    /// How long a marked pack stays before a later run deletes it, for example 23h: longer than the longest backup
    #[arg(long, value_name = "TIME", default_value = "23h", value_parser = time)]
    keep_delete: Duration,
    /// How much may stay unused: a percentage, a size such as 10G, or unlimited
    #[arg(long, value_name = "LIMIT", default_value = "5%")]
    max_unused: PruneLimit,
    /// How much is stored again at most in one run
    #[arg(long, value_name = "LIMIT", default_value = "10%")]
    max_repack: PruneLimit,
    /// After this time no further pack is stored again, for example 2h; a later run goes on
    #[arg(long, value_name = "TIME", value_parser = time)]
    max_time: Option<Duration>,
    /// Let a repository without snapshots be emptied
    #[arg(long)]
    allow_no_snapshots: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// A number with `s`, `m`, `h` or `d` behind it.
fn time(text: &str) -> std::result::Result<Duration, String> {
    let wrong =
        || format!("{text:?} is no time: expected a number with s, m, h or d, for example 23h");
    let digits = text.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let unit = match text.strip_prefix(digits).unwrap_or_default() {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).map(Duration::from_secs).ok_or_else(wrong)
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let location = context.site.location(None)?;
    let mut options = PruneOptions::default();
    options.dry_run = arguments.dry_run;
    options.keep_marked = arguments.keep_delete;
    options.max_unused = arguments.max_unused;
    options.max_repack = arguments.max_repack;
    options.max_time = arguments.max_time;
    options.allow_no_snapshots = arguments.allow_no_snapshots;
    let report = context.runtime.block_on(async {
        let repository = location.open().await?;
        Ok::<_, lockgate_engine::Error>(repository.prune(&options).await?)
    })?;
    print(context, &report);
    Ok(exit::OK)
}

fn print(context: &Context, report: &PruneReport) {
    if context.json {
        output::message("summary", report);
        return;
    }
    let rows = [
        ("kept", report.packs_kept, report.bytes_used),
        ("stored again", report.packs_repacked, report.bytes_repacked),
        ("marked", report.packs_marked, report.bytes_marked),
        ("still waiting", report.packs_waiting, report.bytes_waiting),
        ("deleted", report.packs_removed, report.bytes_removed),
    ];
    for (what, packs, bytes) in rows {
        output::line(format!(
            "{what:14} {:>12}  {}",
            words::plural(packs, "pack"),
            words::bytes(bytes)
        ));
    }
    if report.packs_retained > 0 {
        output::line(format!(
            "{:14} {:>12}  {}: a later prune deletes them, when their retention in the storage has ended",
            "retained",
            words::plural(report.packs_retained, "pack"),
            words::bytes(report.bytes_retained)
        ));
    }
    if report.packs_hidden > 0 {
        output::line(format!(
            "{:14} {:>12}  {}: deleted, and kept by the bucket as older versions until its rules remove them",
            "hidden",
            words::plural(report.packs_hidden, "pack"),
            words::bytes(report.bytes_hidden)
        ));
    }
    for holder in &report.waits_for {
        output::note(format!("What {holder} may need was left as it is."));
    }
    if report.dry_run {
        output::line("nothing was changed");
    } else if report.packs_marked + report.packs_waiting > 0 {
        output::note(
            "What is marked is deleted by a later prune, when no backup can need it any more.",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(time("23h"), Ok(Duration::from_secs(82_800)));
        assert_eq!(time("0s"), Ok(Duration::ZERO));
        for wrong in ["", "5", "h", "-1h", "5w", "99999999999999999999d", "18446744073709551615d"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
