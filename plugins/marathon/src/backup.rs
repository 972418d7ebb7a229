//! begin, join, export, end.
//!
//! Marathon answers a question for the root group with one version of the whole tree. The worker asks when it joins; that answer
//! is the moment, and all parts are written from it.

use std::collections::BTreeMap;
use std::io::Write as _;

use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Entry, Error, Finding, Outcome, Part, Result, Severity,
    Summary, archive, job,
};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::definition::{self, Definition, Sort};
use crate::deployments;
use crate::limits::NAMED_MAX;
use crate::lines;
use crate::names::{self, NEEDS, PartKind, ROOT};
use crate::server::Info;
use crate::tree;

/// Entry of the part that describes the server.
const INFO: &str = "info.json";
/// Entry of the part of the root.
const DEPENDENCIES: &str = "dependencies.json";
/// Attribute of a part's summary: the version of the tree that it is of.
pub const VERSION: &str = "tree-version";

/// A coordinator or a worker of a backup.
#[derive(Debug)]
pub struct Saving {
    info: Info,
    /// Of a worker.
    moment: Option<Moment>,
    /// The version of the tree when the backup began.
    version: String,
}

/// One answer of the server.
#[derive(Debug)]
struct Moment {
    version: String,
    dependencies: Vec<String>,
    children: BTreeMap<(Sort, String), Vec<Definition>>,
}

/// What the coordinator saw.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    version: String,
    /// What is directly below the root and taken.
    children: Vec<(Sort, String)>,
    /// Not all parts are wanted, so that others are no loss.
    is_choice: bool,
}

impl Backup for Saving {
    type Config = Config;

    fn begin(config: Config, request: BackupRequest) -> Result<(Self, BackupPlan)> {
        config.validate()?;
        let info = Info::ask(&config)?;
        let running = deployments::running()?;
        if !running.is_empty() {
            log::warn!(
                "saved is what deployments lead to that run now: {}",
                deployments::shown(&running)
            );
        }
        let outline = tree::outline()?;
        let mut parts = Vec::new();
        let mut mark = Mark {
            version: outline.version(),
            children: Vec::new(),
            is_choice: !request.parts.is_empty(),
        };
        for child in outline.children()? {
            if !config.takes(names::top(&child.id)) {
                continue;
            }
            let mut part = part_kind(child.kind).part(&child.id);
            part.items_estimate = Some(child.items);
            if !child.needs.is_empty() {
                part = part.with_attribute(NEEDS, serde_json::to_string(&child.needs)?);
            }
            parts.push(part);
            mark.children.push((child.kind, child.id));
        }
        parts.push(PartKind::Root.part(ROOT));
        parts.push(PartKind::Info.part(ROOT));
        let plan = BackupPlan::new(chosen(parts, &request.parts)?)
            .with_mark(serde_json::to_vec(&mark)?)
            .with_attribute("server", info.server())
            .with_attribute("framework-id", info.framework())
            .with_attribute("tree-version-at-begin", &mark.version)
            .with_attribute("deployments-running", running.len().to_string())
            .with_attribute("consistency", "all definitions are of one version of the tree")
            // Two workers would ask twice, and could see two versions.
            .with_workers_max(1);
        Ok((Self { info, moment: None, version: mark.version }, plan))
    }

    fn join(config: Config, mark: Vec<u8>) -> Result<Self> {
        let mark: Mark = serde_json::from_slice(&mark)?;
        let info = Info::ask(&config)?;
        let root = tree::whole()?;
        let (version, dependencies) = (root.version(), root.dependencies().to_vec());
        let mut children = root.into_children()?;
        children.retain(|(_, id), _| config.takes(names::top(id)));
        let moment = Moment { version, dependencies, children };
        moment.review(&mark)?;
        Ok(Self { info, moment: Some(moment), version: mark.version })
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        let moment = self.moment.as_mut().ok_or_else(|| Error::other("only a worker exports"))?;
        job::go_on()?;
        let node = names::node_of(&part)?;
        let summary = match PartKind::of(&part)? {
            PartKind::Info => {
                write_json(INFO, &self.info.description())?;
                Summary::of_items(1)
            }
            PartKind::Root => {
                moment.dependencies.sort();
                write_json(DEPENDENCIES, &moment.dependencies)?;
                Summary::of_items(moment.dependencies.len() as u64)
                    .with_fingerprint(root_fingerprint(&moment.dependencies))
            }
            kind => {
                let key = (sort(kind), node.to_owned());
                let definitions = moment.children.remove(&key);
                let definitions =
                    definitions.ok_or_else(|| Error::conflict(format!("{node} went away")))?;
                lines::write(&definitions)?;
                Summary::of_items(definitions.len() as u64)
                    .with_fingerprint(definition::fingerprint(&definitions)?)
            }
        };
        Ok(summary.with_attribute(VERSION, &moment.version))
    }

    fn end(self, outcome: Outcome) -> Result<Vec<Finding>> {
        if outcome != Outcome::Completed {
            return Ok(Vec::new());
        }
        let now = tree::version()?;
        if now == self.version {
            return Ok(Vec::new());
        }
        let text = format!(
            "the tree changed while the backup ran, from version {} to {now}: what is saved is of one of them, which the parts name",
            self.version
        );
        Ok(vec![Finding::new(Severity::Notice, "tree-changed", text)])
    }
}

impl Moment {
    /// Whether it has what was planned.
    fn review(&self, mark: &Mark) -> Result<()> {
        let gone = mark.children.iter().filter(|child| !self.children.contains_key(child));
        let new =
            self.children.keys().filter(|child| !mark.is_choice && !mark.children.contains(child));
        let differing: Vec<&str> =
            gone.chain(new).map(|(_, id)| id.as_str()).take(NAMED_MAX).collect();
        if differing.is_empty() {
            return Ok(());
        }
        Err(Error::conflict(format!(
            "came or went directly below the root while the backup began: {}; run it again",
            differing.join(", ")
        )))
    }
}

fn write_json(name: &str, value: &impl Serialize) -> Result<()> {
    let mut writer = archive::create(&Entry::new(name).with_media_type("application/json"))?;
    writer.write_all(&serde_json::to_vec_pretty(value)?)?;
    writer.finish()
}

/// What the root depends on, as it was archived.
///
/// # Errors
/// When it is no list of ids.
pub fn read_dependencies() -> Result<Vec<String>> {
    Ok(serde_json::from_reader(archive::open(DEPENDENCIES.as_bytes())?)?)
}

/// A hash over what the root depends on, in order.
pub fn root_fingerprint(dependencies: &[String]) -> String {
    let mut fingerprint = lockgate_plugin::Fingerprint::new();
    dependencies.iter().for_each(|id| fingerprint.add(id));
    fingerprint.finish()
}

fn part_kind(kind: Sort) -> PartKind {
    match kind {
        Sort::Group => PartKind::Group,
        Sort::App => PartKind::App,
        Sort::Pod => PartKind::Pod,
    }
}

fn sort(kind: PartKind) -> Sort {
    match kind {
        PartKind::App => Sort::App,
        PartKind::Pod => Sort::Pod,
        PartKind::Group | PartKind::Root | PartKind::Info => Sort::Group,
    }
}

/// The parts that were asked for.
fn chosen(parts: Vec<Part>, asked: &[String]) -> Result<Vec<Part>> {
    if let Some(unknown) = asked.iter().find(|id| parts.iter().all(|part| part.id != **id)) {
        return Err(Error::config(format!("there is no part {unknown:?} on the server")));
    }
    Ok(parts.into_iter().filter(|part| asked.is_empty() || asked.contains(&part.id)).collect())
}
