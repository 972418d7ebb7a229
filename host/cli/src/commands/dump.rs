use std::io::Write as _;

use clap::Args;
use lockgate_engine::{Error, ErrorKind, Result};
use lockgate_repository::NodeKind;

use super::ls::entry_path;
use crate::context::Context;
use crate::exit::{self, Exit};

#[derive(Args)]
pub struct Arguments {
    /// `latest`, `latest~N`, or the start of an id
    snapshot: String,
    /// Which entry
    path: String,
}

/// Bytes that are fetched and written at a time.
const PIECE_BYTES: usize = 1 << 20;

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let location = context.site.location(None)?;
    let path = entry_path(&arguments.path)?;
    let mut output = std::io::stdout().lock();
    let written =
        |error: std::io::Error| Error::new(ErrorKind::Failed, format!("standard output: {error}"));
    context.runtime.block_on(async {
        let repository = location.open().await?;
        let snapshot = repository.snapshot(&arguments.snapshot).await?;
        let reader = repository.reader().await?;
        let missing = || {
            Error::new(
                ErrorKind::NotFound,
                format!("snapshot {} has no {path}", snapshot.id.short()),
            )
        };
        let node = reader.node(&snapshot.tree, &path).await?.ok_or_else(missing)?;
        if node.kind != NodeKind::File {
            return Err(Error::new(ErrorKind::NotFound, format!("{path} is no file")).with_hint(
                "`lockgate ls` shows what is below it; `lockgate restore --target` restores it",
            ));
        }
        let mut content = reader.content(&node);
        loop {
            let piece = content.read(PIECE_BYTES).await?;
            if piece.is_empty() {
                break;
            }
            output.write_all(&piece).map_err(written)?;
        }
        output.flush().map_err(written)?;
        Ok(exit::OK)
    })
}
