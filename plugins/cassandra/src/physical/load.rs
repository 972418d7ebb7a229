//! SSTables on their way to a node: they are put into a folder that it reaches, and it is told to take them.

use lockgate_plugin::files::{self, File};
use lockgate_plugin::{
    Context, Error, Extraction, Kind, Metadata, Result, archive, job, printable,
};
use serde_json::{Value, json};

use super::restore::Target;
use super::sstable::{join, list};
use crate::jolokia::{self, STORAGE};
use crate::limits::BATCH_FILES;

/// The node, which runs as another user, must be able to read the files and to remove them.
const FOLDER_MODE: u32 = 0o777;
const FILE_MODE: u32 = 0o644;

/// Restores the part's SSTables, which were of the node `source`.
///
/// # Errors
/// When the node does not take them.
pub fn load(target: &Target, source: &str, keyspace: &str, table: &str) -> Result<()> {
    let folder = target.folder();
    let outermost = format!("lockgate-{source}-{keyspace}-{table}");
    // A node tells keyspace and table by the last two names of the path.
    let path = format!("{outermost}/{keyspace}/{table}");
    remove(&folder, outermost.as_bytes())?;
    let loaded = if stage(&folder, &[&outermost, keyspace, table])? > 0 {
        let there = format!("{}/{path}", target.staging.trim_end_matches('/'));
        let taken = if target.is_streamed { stream } else { import };
        taken(&target.node, &there, keyspace, table).with_context(|| {
            format!("node {}: taking the SSTables of node {source} from {there}", target.node)
        })
    } else {
        Ok(())
    };
    let removed = remove(&folder, outermost.as_bytes());
    loaded.and(removed)
}

fn import(node: &str, path: &str, keyspace: &str, table: &str) -> Result<()> {
    let object = format!("org.apache.cassandra.db:type=Tables,keyspace={keyspace},table={table}");
    let operation =
        "importNewSSTables(java.util.Set,boolean,boolean,boolean,boolean,boolean,boolean,boolean)";
    // Level and repairs begin anew; checksums and tokens are verified; caches of rows are dropped; every cell is not read; the node
    // takes copies, so that what it has belongs to its own user.
    let arguments = json!([[path], true, true, true, true, true, false, true]);
    refused(jolokia::execute(node, &object, operation, arguments)?)
}

fn stream(node: &str, path: &str, _keyspace: &str, _table: &str) -> Result<()> {
    let operation = "bulkLoad(java.lang.String)";
    jolokia::execute(node, STORAGE, operation, json!([path])).map(drop)
}

/// The answer to an import: the folders that were not taken.
fn refused(answer: Value) -> Result<()> {
    let folders = jolokia::texts(Some(&answer))?;
    if folders.is_empty() {
        return Ok(());
    }
    Err(Error::corrupt(format!(
        "not taken: {}; the node's log says why (a checksum that is wrong, or rows of other tokens)",
        printable(folders.join(", "))
    )))
}

/// Writes the part's files. Returns how many there are.
fn stage(folder: &str, names: &[&str]) -> Result<usize> {
    let mut path = Vec::new();
    for name in names {
        path = join(&path, name.as_bytes());
        let made = files::make(folder, &path, &Metadata::new(Kind::Directory, FOLDER_MODE), true);
        made.with_context(|| format!("folder {folder}"))?;
        // The mode that was asked for, whatever the process takes off.
        files::apply(folder, &path, &mode(files::status(folder, &path)?, FOLDER_MODE))?;
    }
    let (mut count, mut batch) = (0, Vec::new());
    for entry in archive::entries("") {
        let entry = entry?;
        let file = files::create(folder, &join(&path, &entry.path), true)?;
        batch.push((entry.path, file));
        count += 1;
        if batch.len() >= BATCH_FILES {
            fill(&mut batch)?;
        }
    }
    fill(&mut batch)?;
    Ok(count)
}

fn fill(batch: &mut Vec<(Vec<u8>, File)>) -> Result<()> {
    job::go_on()?;
    let all: Vec<Extraction<'_>> = batch
        .iter()
        .map(|(path, file)| Extraction { path: path.clone(), target: file, offset: 0 })
        .collect();
    if !all.is_empty() {
        archive::extract(&all)?;
    }
    for (_, file) in batch.drain(..) {
        file.apply(&mode(file.metadata()?, FILE_MODE))?;
    }
    Ok(())
}

/// Removes what is at `path`, and everything in it.
fn remove(folder: &str, path: &[u8]) -> Result<()> {
    let (above, name) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&b""[..], path),
    };
    let Some(found) = list(folder, above)?.into_iter().find(|one| one.name == name) else {
        return Ok(());
    };
    if found.metadata.kind == Kind::Directory {
        for inner in list(folder, path)? {
            if inner.metadata.kind == Kind::Directory {
                remove(folder, &join(path, &inner.name))?;
            } else {
                files::remove(folder, &join(path, &inner.name))?;
            }
        }
    }
    Ok(files::remove(folder, path)?)
}

fn mode(metadata: Metadata, mode: u32) -> Metadata {
    Metadata { mode, ..metadata }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_import_did_not_take_is_an_error() {
        assert!(refused(json!([])).is_ok());
        assert!(refused(json!(["/staging/k/t"])).unwrap_err().message().contains("/staging/k/t"));
        assert!(refused(json!(null)).is_err() && refused(json!("a")).is_err());
    }
}
