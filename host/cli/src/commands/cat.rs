use std::io::Write as _;

use clap::{Args, ValueEnum};
use lockgate_engine::{Error, ErrorKind, Result};
use lockgate_repository::{Object, ObjectKind};
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::output;

#[derive(Args)]
pub struct Arguments {
    /// What kind of object
    kind: Kind,
    /// First digits of the id; of a snapshot also `latest`, of a tree also SNAPSHOT or SNAPSHOT:PATH; without it, all ids
    id: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Config,
    Snapshot,
    Index,
    Key,
    Lock,
    Pack,
    Blob,
    Tree,
}

impl Kind {
    fn object(self) -> ObjectKind {
        match self {
            Self::Config => ObjectKind::Config,
            Self::Snapshot => ObjectKind::Snapshot,
            Self::Index => ObjectKind::Index,
            Self::Key => ObjectKind::Key,
            Self::Lock => ObjectKind::Lock,
            Self::Pack => ObjectKind::Pack,
            Self::Blob => ObjectKind::Blob,
            Self::Tree => ObjectKind::Tree,
        }
    }
}

pub fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let location = context.site.location(None)?;
    let kind = arguments.kind.object();
    let id = match (&arguments.id, kind) {
        (None, ObjectKind::Config) => Some(""),
        (id, _) => id.as_deref(),
    };
    let Some(id) = id else {
        let ids = context
            .runtime
            .block_on(async { Ok::<_, Error>(location.open().await?.objects(kind).await?) })?;
        for id in &ids {
            match context.json {
                true => output::message("object", json!({ "id": id })),
                false => output::line(id.to_string()),
            }
        }
        if context.json {
            output::message("summary", json!({ "objects": ids.len() }));
        }
        return Ok(exit::OK);
    };
    let object = context
        .runtime
        .block_on(async { Ok::<_, Error>(location.open().await?.object(kind, id).await?) })?;
    print(context, kind, &object)?;
    if !object.is_intact {
        output::note(format!("pack {} is damaged: its SHA-256 is not its name", object.id));
        return Ok(exit::DAMAGED);
    }
    Ok(exit::OK)
}

fn print(context: &Context, kind: ObjectKind, object: &Object) -> Result<()> {
    if kind.is_json() {
        let value: Value = serde_json::from_slice(&object.bytes)
            .map_err(|error| Error::new(ErrorKind::Damaged, format!("{}: {error}", object.id)))?;
        match context.json {
            true => output::message("summary", json!({ "id": object.id, "object": value })),
            false => output::indented(&value),
        }
        return Ok(());
    }
    if context.json {
        let (id, bytes, is_intact) = (object.id, object.bytes.len(), object.is_intact);
        output::message("summary", json!({ "id": id, "bytes": bytes, "intact": is_intact }));
        return Ok(());
    }
    let mut output = std::io::stdout().lock();
    output
        .write_all(&object.bytes)
        .and_then(|()| output.flush())
        .map_err(|error| Error::new(ErrorKind::Failed, format!("standard output: {error}")))
}
