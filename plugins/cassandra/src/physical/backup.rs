use lockgate_plugin::host::Granted;
use lockgate_plugin::net::Connection;
use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Context, Error, Finding, Outcome, Part, Result, Severity,
    Summary, archive, clock, files, job,
};
use serde::{Deserialize, Serialize};

use super::config::Physical;
use super::node::{Node, Ring};
use super::{KEYSPACE, SSTABLES, VIEWS, schema, snapshot, sstable};
use crate::config::Config;
use crate::cql::Session;
use crate::restore::WAY;

/// A coordinator or a worker of a backup.
#[derive(Debug)]
pub struct Saving {
    config: Config,
    mark: Mark,
    /// Of the coordinator: what its end tells.
    findings: Vec<Finding>,
}

/// What the coordinator tells the workers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Mark {
    /// Names the run in the snapshots' tags.
    run: String,
    /// The nodes that have a snapshot.
    nodes: Vec<String>,
}

/// A table that is saved.
struct Table {
    keyspace: String,
    name: String,
    /// Without dashes, as in the name of its folder.
    id: String,
}

impl Table {
    fn folder(&self) -> String {
        format!("{}-{}", self.name, self.id)
    }
}

impl Backup for Saving {
    type Config = Config;

    fn begin(config: Config, request: BackupRequest) -> Result<(Self, BackupPlan)> {
        config.validate()?;
        config.physical.validate()?;
        let mut session = Session::open(&Granted, &config)?;
        session.agree()?;
        let ring = Ring::survey(&mut session, &config.physical)?;
        ring.whole(config.physical.missing_nodes_max)?;
        granted(&config.physical, &ring)?;
        let mut findings = missing(&ring);
        let tables = tables(&mut session, &config)?;
        for node in &ring.nodes {
            for folder in config.physical.data_of(&node.name) {
                findings.extend(forgotten(&node.name, &snapshot::leftovers(&folder)?));
            }
        }
        let mark = Mark {
            run: (clock::now()? / 1_000_000).to_string(),
            nodes: ring.nodes.iter().map(|node| node.name.clone()).collect(),
        };
        let mut saving = Self { config, mark, findings };
        match saving.plan(&mut session, &ring, &tables, &request) {
            Ok(plan) => Ok((saving, plan)),
            Err(error) => {
                for finding in saving.clear() {
                    log::warn!("{}", finding.message);
                }
                Err(error)
            }
        }
    }

    fn join(config: Config, mark: Vec<u8>) -> Result<Self> {
        let mark = serde_json::from_slice(&mark)?;
        Ok(Self { config, mark, findings: Vec::new() })
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        let of = |key: &str| part.attribute(key).unwrap_or_default();
        let keyspace = of("keyspace");
        if part.kind == SSTABLES {
            let folder = format!("{}-{}", of("table"), of("table-id"));
            return self.export_sstables(of("node"), keyspace, &folder, of("table-id"));
        }
        let mut session = Session::open(&Granted, &self.config)?;
        let definitions = schema::read(&mut session, keyspace)?;
        schema::save(&definitions)?;
        Ok(Summary::of_items(definitions.len() as u64))
    }

    fn end(mut self, _outcome: Outcome) -> Result<Vec<Finding>> {
        let left = self.clear();
        self.findings.extend(left);
        Ok(self.findings)
    }
}

impl Saving {
    /// Makes the snapshots, and says what is in them.
    fn plan(
        &mut self,
        session: &mut Session<Connection>,
        ring: &Ring,
        tables: &[Table],
        request: &BackupRequest,
    ) -> Result<BackupPlan> {
        let names: Vec<(String, String)> =
            tables.iter().map(|table| (table.keyspace.clone(), table.name.clone())).collect();
        let physical = &self.config.physical;
        if !tables.is_empty() {
            snapshot::take(&ring.nodes, &self.mark.run, physical.snapshot_hours, &names)?;
        }
        for (node, table) in ring.nodes.iter().filter_map(|node| Some((node, tables.first()?))) {
            // Now rather than in the middle.
            self.located(&node.name, &table.keyspace, &table.folder())?;
        }
        let version = session.one("SELECT schema_version FROM system.local")?.uuid(0);
        if version.as_deref() != Some(ring.schema()) {
            return Err(Error::conflict(
                "the schema was changed while the snapshots were made: run the backup again",
            ));
        }
        let mut parts = definitions(session, tables)?;
        for table in tables {
            for node in &ring.nodes {
                parts.push(sstables_part(table, node, ring.members.len()));
            }
        }
        parts.retain(|part| request.asks_for(&part.id));
        let server = session.server();
        let of_server = |part: Part| {
            part.with_attribute("release", &server.release)
                .with_attribute("partitioner", &server.partitioner)
        };
        let saved: Vec<Part> = parts.into_iter().map(of_server).collect();
        let nodes: Vec<String> = ring
            .nodes
            .iter()
            .map(|node| {
                format!("{} (host id {}, {} tokens)", node.name, node.host_id, node.tokens.len())
            })
            .collect();
        Ok(BackupPlan::new(saved)
            .with_mark(serde_json::to_vec(&self.mark)?)
            .with_attribute("server", session.server().to_string())
            .with_attribute("cluster", &session.server().cluster)
            .with_attribute("nodes", nodes.join(", "))
            .with_attribute("nodes-missing", ring.missing().join(", "))
            .with_attribute("consistency", "each node as of its own moment, seconds apart"))
    }

    /// The granted folders, each with the path of the snapshot of a table.
    fn located(&self, node: &str, keyspace: &str, folder: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let tag = snapshot::tag(&self.mark.run, node);
        let folders = self.config.physical.data_of(node);
        let mut found = Vec::new();
        for name in &folders {
            if let Some(path) = snapshot::find(name, keyspace, folder, &tag)? {
                found.push((name.clone(), path));
            }
        }
        if found.is_empty() { Err(snapshot::absent(node, &folders, &tag)) } else { Ok(found) }
    }

    fn export_sstables(
        &self,
        node: &str,
        keyspace: &str,
        table_folder: &str,
        table_id: &str,
    ) -> Result<Summary> {
        let (mut sstables, mut bytes, mut kept) = (0, 0, 0);
        for (folder, path) in self.located(node, keyspace, table_folder)? {
            let entries = sstable::entries(&folder, &path, table_id)?;
            let reused = archive::reuse(&entries)?;
            for (entry, is_reused) in entries.iter().zip(reused) {
                let size = entry.size_hint.unwrap_or_default();
                bytes += size;
                if is_reused {
                    kept += size;
                    continue;
                }
                job::go_on()?;
                let file = files::open(&folder, &sstable::join(&path, &entry.path))
                    .with_context(|| format!("node {node}"))?;
                let mut writer = archive::create(entry)?;
                writer.write_file(&file, 0, Some(size))?;
                writer.finish()?;
            }
            sstables += sstable::count(&entries);
        }
        Ok(Summary::of_items(sstables)
            .with_attribute("bytes", bytes.to_string())
            .with_attribute("bytes-kept", kept.to_string()))
    }

    fn clear(&self) -> Vec<Finding> {
        let nodes = self.mark.nodes.iter().map(String::as_str);
        snapshot::clear(nodes, &self.mark.run, self.config.physical.snapshot_hours)
    }
}

/// Every node's data folders must be there.
fn granted(config: &Physical, ring: &Ring) -> Result<()> {
    let granted = files::folders()?;
    for node in &ring.nodes {
        let folders = config.data_of(&node.name);
        if let Some(absent) =
            folders.iter().find(|name| !granted.iter().any(|folder| folder.name == **name))
        {
            return Err(Error::denied(format!(
                "folder {absent} is not granted: give the source `folders.{absent}`, the data folder of node {}",
                node.name
            )));
        }
        if folders.len() != node.data_folders {
            return Err(Error::config(format!(
                "node {} has {} data folders and {} are named: name all in physical.nodes.{}.data",
                node.name,
                node.data_folders,
                folders.len(),
                node.name
            )));
        }
    }
    Ok(())
}

fn missing(ring: &Ring) -> Vec<Finding> {
    let finding = |node: String| {
        let message = format!(
            "node {node} is not in the backup: rows are missing of which it has the only replica"
        );
        Finding::new(Severity::Warning, "node-missing", message)
    };
    ring.missing().into_iter().map(finding).collect()
}

/// What an earlier run left.
pub fn forgotten(node: &str, tags: &[String]) -> Option<Finding> {
    let newest = tags.last()?;
    let message = format!(
        "node {node} holds {} snapshots of other runs, the last is {newest}; unless such a run is under way, \
         `nodetool clearsnapshot -t {newest}` gives back what they keep on the disk",
        tags.len()
    );
    Some(Finding::new(Severity::Warning, "snapshot-left", message).with_attribute("node", node))
}

fn tables(session: &mut Session<Connection>, config: &Config) -> Result<Vec<Table>> {
    let filter = config.filter();
    let mut tables = Vec::new();
    for row in session.rows("SELECT keyspace_name, table_name, id FROM system_schema.tables")? {
        let (keyspace, name) = (row.text(0)?.to_owned(), row.text(1)?.to_owned());
        let is_server = keyspace == "system" || keyspace.starts_with("system_");
        if !is_server && config.takes_keyspace(&keyspace) && filter.takes_in(&keyspace, &name) {
            let id = row.uuid(2).unwrap_or_default().replace('-', "");
            tables.push(Table { keyspace, name, id });
        }
    }
    tables.sort_by(|left, right| (&left.keyspace, &left.name).cmp(&(&right.keyspace, &right.name)));
    Ok(tables)
}

/// The parts with definitions: of each keyspace of the tables, and of its views where there are any.
fn definitions(session: &mut Session<Connection>, tables: &[Table]) -> Result<Vec<Part>> {
    let views = session.rows("SELECT keyspace_name, base_table_name FROM system_schema.views")?;
    let mut parts: Vec<Part> = Vec::new();
    let mut keyspaces: Vec<&str> = tables.iter().map(|table| table.keyspace.as_str()).collect();
    keyspaces.dedup();
    for keyspace in keyspaces {
        let part = |kind: &str| {
            let id = format!("{kind}/{keyspace}");
            Part::new(id, kind).with_attribute(WAY, "physical").with_attribute("keyspace", keyspace)
        };
        parts.push(part(KEYSPACE));
        let is_saved = |name: &str| {
            tables.iter().any(|table| table.keyspace == keyspace && table.name == name)
        };
        for view in &views {
            if view.text(0)? == keyspace && is_saved(view.text(1)?) {
                parts.push(part(VIEWS));
                break;
            }
        }
    }
    Ok(parts)
}

fn sstables_part(table: &Table, node: &Node, nodes: usize) -> Part {
    let Table { keyspace, name, id } = table;
    Part::new(format!("{SSTABLES}/{keyspace}/{name}/{}", node.name), SSTABLES)
        .with_attribute(WAY, "physical")
        .with_attribute("keyspace", keyspace)
        .with_attribute("table", name)
        .with_attribute("table-id", id)
        .with_attribute("node", &node.name)
        .with_attribute("host-id", &node.host_id)
        .with_attribute("place", node.place())
        .with_attribute("nodes", nodes.to_string())
}
