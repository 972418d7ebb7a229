use clap::Args;
use lockgate_engine::{Error, ErrorKind, Result};
use lockgate_repository::{Amended, Selection, TagChange};
use serde_json::json;

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::selection::SnapshotFilter;
use crate::{output, words};

#[derive(Args)]
pub struct Arguments {
    /// These snapshots: `latest`, `latest~N`, or the start of an id
    snapshots: Vec<String>,
    /// Put these tags to those that there are
    #[arg(long, value_name = "TAG,TAG", value_delimiter = ',')]
    add: Vec<String>,
    /// Take these tags away
    #[arg(long, value_name = "TAG,TAG", value_delimiter = ',')]
    remove: Vec<String>,
    /// Put these tags in the place of all that there are; nothing, as in --set '', takes all away
    #[arg(long, value_name = "TAG,TAG", value_delimiter = ',', conflicts_with_all = ["add", "remove"])]
    set: Option<Vec<String>>,
    /// All snapshots
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    filter: SnapshotFilter,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let selection = chosen(&arguments.snapshots, &arguments.filter, arguments.all)?;
    let set = arguments.set.clone().map(|mut tags| {
        tags.retain(|tag| !tag.is_empty());
        tags
    });
    let change = TagChange { set, remove: arguments.remove.clone(), add: arguments.add.clone() };
    apply(context, &selection, &change)
}

/// What is to be changed: everything only when that was said.
pub fn chosen(snapshots: &[String], filter: &SnapshotFilter, all: bool) -> Result<Selection> {
    if snapshots.is_empty() && filter.is_empty() && !all {
        return Err(Error::new(ErrorKind::Configuration, "which snapshots?").with_hint(
            "name some, filter them with --host, --source, --path or --tag, or say --all",
        ));
    }
    Ok(filter.select(snapshots))
}

pub fn apply(context: &Context, selection: &Selection, change: &TagChange) -> Result<Exit> {
    let location = context.site.location(None)?;
    let amended = context.runtime.block_on(async {
        let repository = location.open().await?;
        Ok::<_, Error>(repository.tag(selection, change).await?)
    })?;
    amended.iter().for_each(|one| print(context, one));
    if context.json {
        output::message("summary", json!({ "changed": amended.len() }));
    } else {
        output::line(format!("{} changed", words::plural(amended.len() as u64, "snapshot")));
    }
    Ok(exit::OK)
}

fn print(context: &Context, one: &Amended) {
    let (old, new) = (one.old, &one.snapshot);
    if context.json {
        let body = json!({ "old": old, "new": new.id, "tags": new.tags });
        output::message("snapshot", body);
    } else {
        let tags = new.tags.join(",");
        output::line(format!("{} is now {}  {tags}", old.short(), new.id.short()));
    }
}
