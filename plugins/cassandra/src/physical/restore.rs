use std::collections::{BTreeMap, BTreeSet};

use lockgate_plugin::host::Granted;
use lockgate_plugin::net::Connection;
use lockgate_plugin::{
    Error, Finding, Outcome, Part, Restore, RestoreRequest, Result, Step, attributes, files,
    printable,
};

use super::config::Load;
use super::node::Ring;
use super::{KEYSPACE, SSTABLES, VIEWS, load, schema, views};
use crate::config::Config;
use crate::cql::Session;
use crate::schema::names::qualified;

/// A coordinator or a worker of a restore.
#[derive(Debug)]
pub struct Restoring {
    config: Config,
    request: RestoreRequest,
    session: Session<Connection>,
    targets: BTreeMap<String, Target>,
}

/// Where the SSTables of a part go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The node that takes them.
    pub node: String,
    /// The path by which it reaches the granted folder.
    pub staging: String,
    /// Whether it sends the rows to those that have them now; it takes them for its own otherwise.
    pub is_streamed: bool,
}

impl Target {
    /// The granted folder.
    pub fn folder(&self) -> String {
        format!("{}-staging", self.node)
    }
}

impl Restore for Restoring {
    type Config = Config;

    fn preview(config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        let restoring = Self::join(config, request)?;
        let standing = restoring.check(Session::open(&Granted, &restoring.config)?)?;
        let parts = stages(&restoring.request.parts).into_iter().flatten();
        Ok(parts.map(|part| restoring.step(&part, &standing)).collect())
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        let mut restoring = Self::join(config, request)?;
        granted(&restoring.targets, true)?;
        let standing = restoring.check(Session::open(&Granted, &restoring.config)?)?;
        restoring.empty(&standing)?;
        let stages = stages(&restoring.request.parts);
        Ok((restoring, stages))
    }

    fn join(config: Config, request: RestoreRequest) -> Result<Self> {
        config.validate()?;
        config.physical.validate()?;
        refuse_renames(&request)?;
        let mut session = Session::open(&Granted, &config)?;
        for release in request.parts.iter().filter_map(|part| part.attribute("release")) {
            session.server().admit_archive(release, config.allow_untested_version)?;
        }
        let here = &session.server().partitioner;
        let theirs = request.parts.iter().filter_map(|part| part.attribute("partitioner"));
        if let Some(other) = theirs.into_iter().find(|other| other != here) {
            return Err(Error::unsupported(format!(
                "the SSTables were written with the partitioner {}, the cluster has {here}: only the logical way changes it",
                printable(other)
            )));
        }
        let ring = Ring::survey(&mut session, &config.physical)?;
        let targets = targets(&config, &request, &ring)?;
        Ok(Self { config, request, session, targets })
    }

    fn import(&mut self, part: Part) -> Result<()> {
        let keyspace = part.attribute("keyspace").unwrap_or_default();
        if part.kind == SSTABLES {
            let table = part.attribute("table").unwrap_or_default();
            let target = self.targets.get(&part.id);
            let target = target.ok_or_else(|| Error::other("a part that nobody asked for"))?;
            return load::load(target, part.attribute("node").unwrap_or_default(), keyspace, table);
        }
        let tables = tables_of(&self.request.parts, keyspace);
        let making = schema::Making {
            keyspace,
            tables: &tables,
            replication: self.config.replication_of(keyspace),
            overwrite: self.request.overwrite,
        };
        let definitions = schema::load()?;
        if part.kind == VIEWS {
            let made = making.make_views(&mut self.session, &definitions)?;
            return views::wait(&mut self.session, keyspace, &made);
        }
        making.make(&mut self.session, &definitions)
    }

    fn end(self, _outcome: Outcome) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }
}

impl Restoring {
    /// Fails when something is in the way. Gives the tables of the backup that are there now.
    fn check(&self, mut session: Session<Connection>) -> Result<BTreeSet<(String, String)>> {
        let mut standing = BTreeSet::new();
        let wanted = wanted(&self.request.parts);
        let statement = "SELECT keyspace_name, table_name FROM system_schema.tables";
        for row in session.rows(statement)? {
            let table = (row.text(0)?.to_owned(), row.text(1)?.to_owned());
            if wanted.contains(&table) {
                standing.insert(table);
            }
        }
        for (keyspace, table) in &wanted {
            let is_made = self.makes(keyspace);
            if !standing.contains(&(keyspace.clone(), table.clone())) {
                if is_made {
                    continue;
                }
                return Err(Error::conflict(format!(
                    "table {keyspace}.{table} does not exist: restore part {KEYSPACE}/{keyspace} too, which makes it"
                )));
            }
            let row = format!("SELECT * FROM {} LIMIT 1", qualified(keyspace, table));
            let is_harmless = !is_made && session.rows(&row)?.is_empty();
            if !self.request.overwrite && !is_harmless {
                return Err(schema::in_the_way(keyspace, table));
            }
        }
        Ok(standing)
    }

    /// Empties the tables that are not made anew.
    fn empty(&mut self, standing: &BTreeSet<(String, String)>) -> Result<()> {
        for (keyspace, table) in standing {
            if !self.makes(keyspace) {
                self.session.execute(&format!("TRUNCATE {}", qualified(keyspace, table)))?;
            }
        }
        Ok(())
    }

    /// Whether the definitions of a keyspace are restored.
    fn makes(&self, keyspace: &str) -> bool {
        let is_it =
            |part: &Part| part.kind == KEYSPACE && part.attribute("keyspace") == Some(keyspace);
        self.request.parts.iter().any(is_it)
    }

    fn step(&self, part: &Part, standing: &BTreeSet<(String, String)>) -> Step {
        let keyspace = part.attribute("keyspace").unwrap_or_default();
        let table = part.attribute("table").unwrap_or_default();
        let step = match self.targets.get(&part.id) {
            Some(target) => {
                let action = if target.is_streamed { "stream SSTables" } else { "import SSTables" };
                let how = format!("{keyspace}.{table} through node {}", target.node);
                Step::new(&part.id, action, how)
            }
            None if part.kind == VIEWS => {
                Step::new(&part.id, "create views", format!("keyspace {keyspace}"))
            }
            None => Step::new(&part.id, "create tables", format!("keyspace {keyspace}")),
        };
        let bytes = part.attribute("bytes").and_then(|bytes| bytes.parse().ok());
        Step {
            overwrites: standing.contains(&(keyspace.to_owned(), table.to_owned())),
            bytes_estimate: bytes.or(part.bytes_estimate),
            attributes: attributes([("keyspace", keyspace)]),
            ..step
        }
    }
}

/// Files of SSTables name neither keyspace nor table, but their definitions do.
fn refuse_renames(request: &RestoreRequest) -> Result<()> {
    match request.rename.first() {
        None => Ok(()),
        Some((from, to)) => Err(Error::unsupported(format!(
            "cannot restore {from} as {to}: the physical way keeps all names; a backup in the logical way can be renamed"
        ))),
    }
}

/// Definitions, then rows, then what is made of rows.
fn stages(parts: &[Part]) -> Vec<Vec<Part>> {
    let of = |kind: &str| parts.iter().filter(|part| part.kind == kind).cloned().collect();
    let stages: [Vec<Part>; 3] = [of(KEYSPACE), of(SSTABLES), of(VIEWS)];
    stages.into_iter().filter(|stage| !stage.is_empty()).collect()
}

fn wanted(parts: &[Part]) -> BTreeSet<(String, String)> {
    let table = |part: &Part| {
        let of = |key: &str| part.attribute(key).map(str::to_owned);
        Some((of("keyspace")?, of("table")?))
    };
    parts.iter().filter_map(table).collect()
}

fn tables_of(parts: &[Part], keyspace: &str) -> BTreeSet<String> {
    let tables = wanted(parts).into_iter().filter(|(one, _)| one == keyspace);
    tables.map(|(_, table)| table).collect()
}

/// Which node takes each part with SSTables.
fn targets(
    config: &Config,
    request: &RestoreRequest,
    ring: &Ring,
) -> Result<BTreeMap<String, Target>> {
    let parts: Vec<&Part> = request.parts.iter().filter(|part| part.kind == SSTABLES).collect();
    if parts.is_empty() {
        return Ok(BTreeMap::new());
    }
    let places = ring.nodes.iter().map(|node| (node.place(), node.name.clone()));
    let places: BTreeMap<String, String> = places.collect();
    let stranger = parts.iter().find_map(|part| stranger(part, config, ring, &places));
    let is_streamed = match (config.physical.load, &stranger) {
        (Load::Stream, _) | (Load::Auto, Some(_)) => true,
        (Load::Auto | Load::Import, None) => false,
        (Load::Import, Some(why)) => {
            return Err(Error::conflict(format!(
                "{why}: set physical.load = \"stream\", which works for every ring"
            )));
        }
    };
    let usable: Vec<Target> = ring
        .nodes
        .iter()
        .filter_map(|node| {
            let staging = config.physical.nodes.get(&node.name)?.staging.clone()?;
            Some(Target { node: node.name.clone(), staging, is_streamed })
        })
        .collect();
    let mut targets = BTreeMap::new();
    for (number, part) in parts.iter().enumerate() {
        let place = part.attribute("place").unwrap_or_default();
        let target = if is_streamed {
            usable.get(number % usable.len().max(1))
        } else {
            usable.iter().find(|target| places.get(place) == Some(&target.node))
        };
        let target = target.ok_or_else(|| {
            let name = places.get(place).map_or("NAME", String::as_str);
            Error::config(format!(
                "physical.nodes.{name}.staging: a restore needs a folder that lockgate and the node both reach, and its path \
                 on the node's machine"
            ))
        })?;
        targets.insert(part.id.clone(), target.clone());
    }
    granted(&targets, false)?;
    Ok(targets)
}

/// The folders must be there; a preview has them for reading only.
fn granted(targets: &BTreeMap<String, Target>, for_writing: bool) -> Result<()> {
    let granted = files::folders()?;
    for target in targets.values() {
        let name = target.folder();
        let fits =
            |folder: &files::Folder| folder.name == name && (folder.writable || !for_writing);
        if !granted.iter().any(fits) {
            return Err(Error::denied(format!(
                "folder {name} is not granted for writing: a restore puts the SSTables for node {} there",
                target.node
            )));
        }
    }
    Ok(())
}

/// Why a part cannot go to the node that has its place in the ring.
fn stranger(
    part: &Part,
    config: &Config,
    ring: &Ring,
    places: &BTreeMap<String, String>,
) -> Option<String> {
    let of = |key: &str| part.attribute(key).unwrap_or_default();
    if of("nodes") != ring.members.len().to_string() {
        return Some(format!(
            "the backup is of {} nodes and the cluster has {}",
            of("nodes"),
            ring.members.len()
        ));
    }
    if !places.contains_key(of("place")) {
        return Some(format!("no node of the cluster has the tokens of node {}", of("node")));
    }
    let keyspace = of("keyspace");
    let replicated = config.replication_of(keyspace)?;
    Some(format!("keyspace {keyspace} gets another replication ({replicated:?})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: &str, id: &str) -> Part {
        Part::new(id, kind).with_attribute("keyspace", "k").with_attribute("nodes", "2")
    }

    #[test]
    fn definitions_come_before_rows_and_views_after_them() {
        let rows = part(SSTABLES, "c").with_attribute("table", "t");
        let parts = [part(VIEWS, "a"), rows, part(KEYSPACE, "b")];
        let ids: Vec<Vec<String>> = stages(&parts)
            .into_iter()
            .map(|stage| stage.into_iter().map(|part| part.id).collect())
            .collect();
        assert_eq!(ids, [["b"], ["c"], ["a"]]);
        assert_eq!(tables_of(&parts, "k"), BTreeSet::from(["t".to_owned()]));
        assert!(tables_of(&parts, "l").is_empty());
    }

    #[test]
    fn parts_are_imported_into_their_own_place_only() {
        let rows = part(SSTABLES, "c").with_attribute("place", "p").with_attribute("node", "a");
        let member = |id: &str| (id.to_owned(), String::new());
        let mut ring = Ring { members: vec![member("i"), member("j")], ..Ring::default() };
        let places = BTreeMap::from([("p".to_owned(), "x".to_owned())]);
        let mut config = Config::default();
        assert_eq!(stranger(&rows, &config, &ring, &places), None);
        let elsewhere = stranger(&rows, &config, &ring, &BTreeMap::new()).unwrap();
        assert!(elsewhere.contains("tokens of node a"), "{elsewhere}");
        config.replication.insert("k".to_owned(), BTreeMap::new());
        assert!(stranger(&rows, &config, &ring, &places).unwrap().contains("replication"));
        ring.members.pop();
        assert!(stranger(&rows, &config, &ring, &places).unwrap().contains("has 1"));
    }

    #[test]
    fn renames_are_refused_with_what_can_do_them() {
        let rename = vec![("a".to_owned(), "b".to_owned())];
        let request = RestoreRequest { rename, ..RestoreRequest::default() };
        assert!(refuse_renames(&request).unwrap_err().message().contains("logical"));
    }
}
