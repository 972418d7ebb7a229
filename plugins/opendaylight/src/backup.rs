//! A backup: the plan, and what each part holds.

use std::io::Write;

use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Context, Entry, Error, Finding, Metadata, Outcome, Part,
    Result, Severity, Summary, archive, files, listed, path,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::config::{Config, Way};
use crate::container::{self, Shape};
use crate::folder::{self, BACKUP, FILE, Reading};
use crate::node::{CONTROLLER, MODULES, Node, TESTED};
use crate::shards::Shards;
use crate::snapshot::{self, Datastore};
use crate::{client, limits};

/// Kind and id of the part with the snapshot of all shards.
pub const SNAPSHOT: &str = "snapshot";
/// Attribute of its entries: where in the file they belong.
pub const OFFSET: &str = "offset";
/// Attributes of its summary: who owned the file, and who was allowed to read it.
pub const OWNER: [&str; 3] = ["owner", "group", "mode"];
/// Kind and id of the part with the names of the models.
pub const MODELS: &str = "models";
/// Path of its entry.
const MODELS_ENTRY: &str = "models.txt";
/// Attribute of the snapshot's part: its shards as JSON.
pub const SHARDS: &str = "shards";
/// Attribute of the snapshot's summary: SHA-256 of the file.
pub const SHA256: &str = "sha256";

const RPC: &str = "/rests/operations/cluster-admin:backup-datastore";

/// A backup under way.
#[derive(Debug)]
pub struct Saving {
    node: Node,
    mark: Mark,
    findings: Vec<Finding>,
}

/// What workers must know.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Mark {
    /// Size, inode and time of the file that the server wrote.
    file: Option<(u64, u64, i64, u32)>,
    /// Its shards, by datastore.
    shards: Vec<(String, snapshot::Shard)>,
}

impl Backup for Saving {
    type Config = Config;

    fn begin(config: Config, request: BackupRequest) -> Result<(Self, BackupPlan)> {
        config.validate()?;
        let node = Node::probe(&config)?;
        let mut saving = Self { mark: Mark::default(), findings: Vec::new(), node };
        if !saving.node.is_tested() {
            let text =
                format!("{} was not run in the tests of this plugin ({TESTED})", saving.node);
            saving.findings.push(Finding::new(Severity::Notice, "version-untested", text));
        }
        let plan = match config.way {
            Way::Snapshot => saving.plan_snapshot(&config)?,
            Way::Json => saving.plan_containers(&config)?,
        };
        let mut plan = plan.with_attribute(CONTROLLER, saving.node.to_string());
        plan.parts
            .push(Part::new(MODELS, MODELS).with_attribute(MODULES, saving.node.all_modules()));
        plan.parts.retain(|part| request.asks_for(&part.id));
        for part in &mut plan.parts {
            *part = part.clone().with_attribute(CONTROLLER, saving.node.to_string());
        }
        let mark = serde_json::to_vec(&saving.mark)?;
        Ok((saving, plan.with_mark(mark)))
    }

    fn join(config: Config, mark: Vec<u8>) -> Result<Self> {
        let node = Node::probe(&config)?;
        Ok(Self { node, mark: serde_json::from_slice(&mark)?, findings: Vec::new() })
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        let exported = match part.kind.as_str() {
            SNAPSHOT => self.export_snapshot(),
            MODELS => export_models(&part),
            container::KIND => container::export(&part, &self.node),
            other => Err(Error::corrupt(format!("no part is of the kind {other:?}"))),
        };
        exported.with_context(|| part.id.clone())
    }

    fn end(self, _outcome: Outcome) -> Result<Vec<Finding>> {
        Ok(self.findings)
    }
}

impl Saving {
    fn plan_containers(&mut self, config: &Config) -> Result<BackupPlan> {
        let top = container::list()?;
        let taken = || top.iter().filter(|(name, _)| config.takes(name));
        let odd: Vec<String> = taken()
            .filter(|(_, shape)| **shape == Shape::Other)
            .map(|(name, _)| name.clone())
            .collect();
        if !odd.is_empty() {
            return Err(Error::unsupported(format!(
                "no containers, but lists or leaves at the top, which RESTCONF cannot replace as a whole: {}; leave them out \
                 with `exclude`, or use `way = \"snapshot\"`",
                listed(&odd)
            )));
        }
        let left: Vec<String> = top.keys().filter(|name| !config.takes(name)).cloned().collect();
        let parts = taken().map(|(name, _)| Part::new(container::id(name), container::KIND));
        let plan = BackupPlan::new(parts.collect()).with_moment_of_export();
        Ok(plan.with_attribute("way", "json").with_attribute("left-out", left.join(" ")))
    }

    /// Has the server write the file, and looks whether it holds what it should.
    fn plan_snapshot(&mut self, config: &Config) -> Result<BackupPlan> {
        let folder = config.backup_folder()?;
        if !folder::is_granted(BACKUP)? {
            return Err(Error::denied(format!(
                "folder {BACKUP} is not granted: grant `folders.{BACKUP}` on the folder that the server knows as {folder}; \
                 `way = \"json\"` needs none"
            )));
        }
        let before = Shards::read()?;
        let stale = folder::status(BACKUP, FILE);
        let file = format!("{folder}/{}", String::from_utf8_lossy(FILE));
        let input = json!({ "input": { "file-path": file, "timeout": config.timeout_seconds } });
        client::send("POST", RPC, &serde_json::to_vec(&input)?).with_context(|| {
            format!("having the server write {file} (`backup-path`; the server's user must be allowed to)")
        })?;
        let written = folder::status(BACKUP, FILE)
            .filter(|now| stale.as_ref().is_none_or(|stale| identity(stale) != identity(now)));
        let written = written.ok_or_else(|| {
            Error::config(format!(
                "backup-path: the server has written {file}, and the granted folder {BACKUP} has no such new file: both must \
                 be the same folder"
            ))
        })?;
        let source = files::open(BACKUP, FILE).map_err(Error::from)?;
        let datastores = snapshot::read(Reading::of(source))?;
        self.compare(before.as_ref(), &datastores)?;
        self.mark.file = Some(identity(&written));
        for datastore in &datastores {
            let shards = datastore.shards.iter().cloned();
            self.mark.shards.extend(shards.map(|shard| (datastore.kind.clone(), shard)));
        }
        let mut part = Part::new(SNAPSHOT, SNAPSHOT)
            .with_attribute(SHARDS, serde_json::to_string(&self.mark.shards)?)
            .with_attribute(MODULES, self.node.all_modules());
        part.bytes_estimate = Some(written.size);
        let mut plan = BackupPlan::new(vec![part]).with_attribute("way", "snapshot");
        for datastore in &datastores {
            let manager = match &datastore.manager {
                Some(names) => names.join(" "),
                None => "shards as configured".to_owned(),
            };
            plan = plan.with_attribute(format!("shard-manager-{}", datastore.kind), manager);
        }
        Ok(plan)
    }

    fn compare(&mut self, before: Option<&Shards>, datastores: &[Datastore]) -> Result<()> {
        for kind in ["config", "operational"] {
            if !datastores.iter().any(|datastore| datastore.kind == kind) {
                return Err(Error::corrupt(format!("the snapshot lacks the {kind} datastore")));
            }
        }
        let Some(before) = before else {
            let text = "there is no Jolokia on the node (feature odl-jolokia), so that nobody tells whether the snapshot has all shards";
            self.findings.push(Finding::new(Severity::Notice, "shards-not-compared", text));
            return Ok(());
        };
        let missing = before.missing_in(datastores);
        if !missing.is_empty() {
            return Err(Error::conflict(format!(
                "the snapshot lacks shards that the member has: {}; `lockgate health` says how they are",
                listed(&missing)
            )));
        }
        let stale = before.newer_than(datastores);
        if !stale.is_empty() {
            let text =
                format!("the snapshot is older than the shards were before: {}", listed(&stale));
            return Err(Error::corrupt(text));
        }
        self.findings
            .extend(before.judge().into_iter().filter(|found| found.severity != Severity::Ok));
        Ok(())
    }

    fn export_snapshot(&self) -> Result<Summary> {
        let source = files::open(BACKUP, FILE).map_err(Error::from)?;
        let metadata = source.metadata().map_err(Error::from)?;
        let is_same = |now: &Metadata| self.mark.file == Some(identity(now));
        if !is_same(&metadata) {
            return Err(changed());
        }
        let size = metadata.size;
        for (path, offset, length) in pieces(&self.mark.shards, size) {
            let entry = Entry::new(path).with_size_hint(length);
            let entry = entry.with_attribute(OFFSET, offset.to_string());
            let mut writer = archive::create(&entry)?;
            writer.write_file(&source, offset, Some(length))?;
            writer.finish()?;
        }
        let digest = source.digest().map_err(Error::from)?;
        archive::settle()?;
        if !folder::status(BACKUP, FILE).is_some_and(|now| is_same(&now)) {
            return Err(changed());
        }
        let mut summary = Summary::of_items(self.mark.shards.len() as u64)
            .with_attribute(SHA256, crate::hexadecimal(&digest));
        let owner = [metadata.owner, metadata.group, metadata.mode];
        for (key, value) in OWNER.into_iter().zip(owner) {
            summary = summary.with_attribute(key, value.to_string());
        }
        for (kind, shard) in self.mark.shards.iter().take(limits::SHARDS_MAX) {
            let text = format!(
                "index {}, term {}, {} bytes",
                shard.last_index, shard.last_term, shard.bytes
            );
            summary = summary.with_attribute(format!("{kind}/{}", shard.name), text);
        }
        Ok(summary)
    }
}

/// Entries of the file: path, offset and length, in the file's order. The data of a large shard is one of its own, so that what changes
/// in front of it does not make it new.
fn pieces(shards: &[(String, snapshot::Shard)], size: u64) -> Vec<(String, u64, u64)> {
    let is_large = |(_, shard): &&(String, snapshot::Shard)| shard.bytes >= limits::PIECE_BYTES_MIN;
    let mut large: Vec<&(String, snapshot::Shard)> = shards.iter().filter(is_large).collect();
    large.sort_by_key(|(_, shard)| shard.offset);
    let mut pieces = Vec::new();
    let mut at = 0;
    let mut add = |name: &str, from: u64, to: u64| {
        if to > from {
            pieces.push((format!("{:04}-{name}", pieces.len()), from, to - from));
        }
    };
    for (kind, shard) in large {
        add("envelope", at, shard.offset);
        at = shard.offset.saturating_add(shard.bytes);
        add(&format!("{}-{}", path::escape(kind), path::escape(&shard.name)), shard.offset, at);
    }
    add("envelope", at, size);
    pieces
}

fn changed() -> Error {
    Error::conflict(
        "the file was written anew while it was read: another backup runs with the same `backup-path`",
    )
}

fn identity(metadata: &Metadata) -> (u64, u64, i64, u32) {
    (metadata.size, metadata.inode, metadata.modified.seconds, metadata.modified.nanoseconds)
}

fn export_models(part: &Part) -> Result<Summary> {
    let modules = part.attribute(MODULES).unwrap_or_default();
    let mut writer = archive::create(&Entry::new(MODELS_ENTRY).with_media_type("text/plain"))?;
    for module in modules.split_whitespace() {
        writeln!(writer, "{module}")?;
    }
    writer.finish()?;
    Ok(Summary::of_items(modules.split_whitespace().count() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_whole_file_and_large_shards_stand_alone() {
        let shard = |name: &str, offset, bytes| {
            let name = name.to_owned();
            ("config".to_owned(), snapshot::Shard { name, offset, bytes, ..Default::default() })
        };
        let large = limits::PIECE_BYTES_MIN;
        let shards = [shard("b", 100 + large, large), shard("a", 50, large), shard("c", 10, 5)];
        let found = pieces(&shards, 3 * large);
        let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(
            names,
            ["0000-envelope", "0001-config-a", "0002-envelope", "0003-config-b", "0004-envelope"]
        );
        let mut at = 0;
        for (_, offset, length) in &found {
            assert_eq!(*offset, at);
            at += length;
        }
        assert_eq!(at, 3 * large);
        assert_eq!(pieces(&[], 7), [("0000-envelope".to_owned(), 0, 7)]);
    }
}
