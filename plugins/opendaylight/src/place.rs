//! A snapshot is restored by a node that starts: it takes the only file in `clustered-datastore-restore`, and deletes it,
//! whether it could read it or not. So the file is placed while the node is down, and afterwards the shards tell whether
//! they have what it held.
//!
//! Source: `DefaultDatastoreSnapshotRestore` of the controller, <https://github.com/opendaylight/controller/tree/v9.0.4>.

use lockgate_plugin::{
    Context, Error, Extraction, Failure, Finding, Metadata, Part, RestoreRequest, Result, Severity,
    archive, clock, files, job, listed, log,
};

use crate::backup::{OFFSET, OWNER, SHA256, SHARDS, SNAPSHOT};
use crate::client;
use crate::config::Config;
use crate::folder::{self, DATA, FILE, RESTORE};
use crate::limits::LOOK_PAUSE_MS;
use crate::node::{MODULES, Node};
use crate::restore::other_models;
use crate::shards::Shards;
use crate::snapshot::Shard;

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;

/// Whether the request has a snapshot.
pub fn is_asked_for(request: &RestoreRequest) -> bool {
    request.parts.iter().any(|part| part.kind == SNAPSHOT)
}

/// Looks whether the node is down and without data, and removes another file that waits, if that is allowed.
///
/// # Errors
/// When it runs, something is in the way, or a folder is not granted.
pub fn prepare(request: &RestoreRequest) -> Result<()> {
    folder::demand_writable(RESTORE)?;
    DATA.iter().try_for_each(|data| folder::demand_writable(data))?;
    refuse_running()?;
    for name in [RESTORE].iter().chain(&DATA) {
        let found = folder::names(name)?;
        if let (Some(first), false) = (found.first(), request.overwrite) {
            let what =
                if *name == RESTORE { "a file waits to be restored" } else { "the node has data" };
            return Err(Error::conflict(format!(
                "{what}: {name}/{first}; --overwrite removes what the folders restore, journal and snapshots hold"
            )));
        }
    }
    folder::empty(RESTORE)
}

fn refuse_running() -> Result<()> {
    if client::is_up()? {
        return Err(Error::conflict(
            "the node runs, and takes a snapshot only when it starts: stop it, restore, and start it again",
        ));
    }
    Ok(())
}

/// Places the file, and removes the data that it replaces once it is there.
///
/// # Errors
/// When it cannot be written, or is not what was archived; then it is removed again.
pub fn import(part: &Part, overwrite: bool) -> Result<()> {
    refuse_running()?;
    let placed = write(part);
    if placed.is_err() {
        remove();
        return placed;
    }
    if overwrite {
        DATA.iter().try_for_each(|data| folder::empty(data))?;
    }
    Ok(())
}

fn write(part: &Part) -> Result<()> {
    let file = files::create(RESTORE, FILE, true).map_err(Error::from)?;
    let mut pieces = Vec::new();
    for entry in archive::entries("") {
        let entry = entry?;
        let offset = entry.attribute(OFFSET).and_then(|offset| offset.parse().ok());
        let offset = offset.ok_or_else(|| Error::corrupt("an entry does not tell its place"))?;
        pieces.push(Extraction { path: entry.path, target: &file, offset });
    }
    archive::extract(&pieces)?;
    let digest = crate::hexadecimal(&file.digest().map_err(Error::from)?);
    if part.attribute(SHA256) != Some(digest.as_str()) {
        return Err(Error::corrupt("what was written is not what was archived"));
    }
    // The node reads it as its own user, whose file it was.
    let number = |key: &str| part.attribute(key).and_then(|number| number.parse().ok());
    if let [Some(owner), Some(group), Some(mode)] = OWNER.map(number) {
        let (owner_name, group_name) = (String::new(), String::new());
        let now = file.metadata().map_err(Error::from)?;
        let then = Metadata { owner, group, mode, owner_name, group_name, ..now };
        for unset in file.apply(&then).map_err(Error::from)? {
            log::warn!("the file in the folder restore: {unset}; the node must be able to read it");
        }
    }
    file.sync().map_err(Error::from)?;
    Ok(())
}

/// Best effort: a file that stays is found by the check.
fn remove() {
    let _ = files::remove(RESTORE, FILE);
}

/// After a restore that failed or was stopped: the node must not start with half a file.
pub fn give_up() -> Vec<Finding> {
    remove();
    if folder::status(RESTORE, FILE).is_none() {
        return Vec::new();
    }
    let text = "a file that is not complete is in the folder restore: remove it before the node is started";
    vec![Finding::new(Severity::Critical, "incomplete-left", text)]
}

/// Waits for somebody to start the node, and then for its shards.
///
/// # Errors
/// When the run is cancelled.
pub fn confirm(config: &Config, request: &RestoreRequest) -> Result<Vec<Finding>> {
    let part = request.parts.iter().find(|part| part.kind == SNAPSHOT);
    let part = part.ok_or_else(|| Error::corrupt("there is no snapshot"))?;
    let deadline = clock::monotonic()?.saturating_add(u64::from(config.wait_seconds) * SECOND);
    if config.wait_seconds > 0 {
        log::info!("the snapshot is in its place: start the node now");
    }
    loop {
        job::go_on()?;
        let is_taken = folder::status(RESTORE, FILE).is_none();
        let last = if is_taken { look(config, part)? } else { Err(pending()) };
        match last {
            Ok(findings) => return Ok(findings),
            Err(finding) if clock::monotonic()? >= deadline => return Ok(vec![finding]),
            Err(_) => clock::sleep(LOOK_PAUSE_MS)?,
        }
    }
}

/// A snapshot is in its place and no node has taken it.
pub fn pending() -> Finding {
    let text = "the snapshot is in its place and waits for the node: start it, then `lockgate health` says how its shards are";
    Finding::new(Severity::Warning, "restore-pending", text)
}

/// What the node that took the file says; a single finding while it is not ready.
fn look(config: &Config, part: &Part) -> Result<Result<Vec<Finding>, Finding>> {
    let waits = |text: String| Finding::new(Severity::Warning, "restore-not-confirmed", text);
    let any = Config { allow_untested_version: true, ..config.clone() };
    let node = match Node::probe(&any) {
        Ok(node) => node,
        Err(error) if *error.failure() == Failure::Cancelled => return Err(error),
        Err(error) => {
            let text = format!("the node has taken the snapshot and is not ready: {error}");
            return Ok(Err(waits(text)));
        }
    };
    let Some(shards) = Shards::read()? else {
        let text =
            "the node has taken the snapshot; without Jolokia nobody tells how its shards are";
        return Ok(Ok(vec![Finding::new(Severity::Notice, "restore-not-confirmed", text)]));
    };
    let judged = shards.judge();
    if let Some(wrong) = judged.iter().find(|finding| finding.severity != Severity::Ok) {
        return Ok(Err(waits(wrong.message.clone())));
    }
    let archived = archived(part)?;
    let behind = behind(&shards, &archived);
    if !behind.is_empty() {
        let text = format!(
            "the node runs, and these shards do not have what the snapshot held (its log says why, at \
             DatastoreSnapshotRestore): {}",
            listed(&behind)
        );
        return Ok(Err(Finding::new(Severity::Critical, "restore-not-applied", text)));
    }
    let text = format!("{} shards are up and have what the snapshot held", archived.len());
    let mut findings = vec![Finding::new(Severity::Ok, "restore-confirmed", text)];
    let (missing, other) = node.compare(part.attribute(MODULES).unwrap_or_default());
    findings.extend(other_models(&other));
    if !missing.is_empty() {
        let text = format!(
            "the node lacks models that the backup's node had, whose data it does not show: {}",
            listed(&missing)
        );
        findings.push(Finding::new(Severity::Warning, "models-missing", text));
    }
    Ok(Ok(findings))
}

fn archived(part: &Part) -> Result<Vec<(String, Shard)>> {
    let text = part.attribute(SHARDS);
    let text = text.ok_or_else(|| Error::corrupt("the part does not tell its shards"))?;
    serde_json::from_str(text).context("the shards of the part")
}

/// Shards that are not there, or whose log ends before what was archived.
fn behind(shards: &Shards, archived: &[(String, Shard)]) -> Vec<String> {
    let is_behind = |(kind, shard): &&(String, Shard)| {
        let here = shards.shards.get(&format!("{kind}/{}", shard.name));
        here.and_then(|here| here.last_index).is_none_or(|here| here < shard.last_index)
    };
    archived
        .iter()
        .filter(is_behind)
        .map(|(kind, shard)| format!("{kind}/{}", shard.name))
        .collect()
}
