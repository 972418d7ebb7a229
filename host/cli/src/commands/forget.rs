use clap::Args;
use lockgate_engine::Result;
use lockgate_repository::{
    Filter, ForgetGroup, ForgetOptions, ForgetReport, Grouping, Period, Policy, Snapshot,
};
use serde_json::json;

use super::snapshots::{time, to_json};
use crate::context::Context;
use crate::exit::{self, Exit};
use crate::output;

#[derive(Args)]
pub struct Arguments {
    /// These snapshots, instead of what a policy does not keep
    snapshots: Vec<String>,
    /// Keep the newest N snapshots of each group
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_last: u32,
    /// Keep the newest of each of the last N hours
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_hourly: u32,
    /// Keep the newest of each of the last N days
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_daily: u32,
    /// Keep the newest of each of the last N weeks
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_weekly: u32,
    /// Keep the newest of each of the last N months
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_monthly: u32,
    /// Keep the newest of each of the last N years
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep_yearly: u32,
    /// Keep all that are not older than this before the newest, for example 1y5m7d2h
    #[arg(long, value_name = "PERIOD")]
    keep_within: Option<Period>,
    /// Keep all that have all of these tags; may be given again
    #[arg(long = "keep-tag", value_name = "TAG,TAG")]
    keep_tags: Vec<String>,
    /// What makes a group: any of host, paths, tags
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "host,paths")]
    group_by: Vec<String>,
    /// Only snapshots of this host; may be given again
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Only snapshots of this source; may be given again
    #[arg(long = "source", value_name = "SOURCE")]
    sources: Vec<String>,
    /// Let the last snapshot of a group go, when no rule keeps it
    #[arg(long)]
    allow_empty: bool,
    /// Say what would go, and delete nothing
    #[arg(long)]
    dry_run: bool,
}

impl Arguments {
    fn options(&self) -> ForgetOptions {
        let has = |word: &str| self.group_by.iter().any(|given| given == word);
        let mut options = ForgetOptions::default();
        options.policy = Policy {
            last: self.keep_last,
            hourly: self.keep_hourly,
            daily: self.keep_daily,
            weekly: self.keep_weekly,
            monthly: self.keep_monthly,
            yearly: self.keep_yearly,
            within: self.keep_within.unwrap_or_default(),
            tags: self
                .keep_tags
                .iter()
                .map(|tags| tags.split(',').map(str::to_owned).collect())
                .collect(),
            ..Policy::default()
        };
        options.grouping =
            Grouping { by_host: has("host"), by_paths: has("paths"), by_tags: has("tags") };
        options.filter = Filter {
            hosts: self.hosts.clone(),
            paths: self.sources.iter().map(|source| format!("/{source}")).collect(),
            ..Filter::default()
        };
        options.snapshots.clone_from(&self.snapshots);
        options.dry_run = self.dry_run;
        options.allow_empty_group = self.allow_empty;
        options
    }
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let location = context.site.location(None)?;
    let report = context.runtime.block_on(async {
        let repository = location.open().await?;
        Ok::<_, lockgate_engine::Error>(repository.forget(&arguments.options()).await?)
    })?;
    report.groups.iter().for_each(|group| print_group(context, group));
    print_summary(context, &report);
    Ok(exit::OK)
}

fn print_group(context: &Context, group: &ForgetGroup) {
    if !context.json {
        output::line(format!("{} {}", group.key.hostname, group.key.paths.join(" ")));
    }
    for kept in &group.kept {
        let reasons: Vec<String> = kept.reasons.iter().map(ToString::to_string).collect();
        print_one(context, "keep", &kept.snapshot, &reasons.join(", "));
    }
    for snapshot in &group.removed {
        print_one(context, "forget", snapshot, "");
    }
}

fn print_one(context: &Context, action: &str, snapshot: &Snapshot, reason: &str) {
    if context.json {
        output::message(action, json!({ "snapshot": to_json(snapshot), "reason": reason }));
    } else {
        output::line(format!("  {action:6} {}  {}  {reason}", snapshot.id.short(), time(snapshot)));
    }
}

fn print_summary(context: &Context, report: &ForgetReport) {
    let (kept, removed) = (report.kept_count(), report.removed_count());
    if context.json {
        output::message(
            "summary",
            json!({
                "kept": kept, "removed": removed, "retained": report.retained_count(),
                "hidden": report.hidden, "dry_run": report.dry_run,
            }),
        );
        return;
    }
    let would = if report.dry_run { "would be " } else { "" };
    output::line(format!("{kept} kept, {removed} {would}forgotten"));
    let retained = report.retained_count();
    if retained > 0 {
        output::line(format!(
            "{retained} of those kept stay until their retention in the storage has ended"
        ));
    }
    if report.hidden > 0 {
        output::line(format!(
            "the bucket keeps {} of those forgotten as older versions",
            report.hidden
        ));
    }
    if removed > 0 && !report.dry_run {
        output::note("`lockgate prune` gives the space back.");
    }
}
