use clap::Args;
use lockgate_engine::Result;
use lockgate_repository::TagChange;

use super::tag;
use crate::context::Context;
use crate::exit::Exit;
use crate::selection::SnapshotFilter;

#[derive(Args)]
pub struct Arguments {
    /// These snapshots: `latest`, `latest~N`, or the start of an id
    snapshots: Vec<String>,
    #[command(flatten)]
    filter: SnapshotFilter,
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let selection = tag::chosen(&arguments.snapshots, &arguments.filter, false)?;
    tag::apply(context, &selection, &TagChange::unpin())
}
