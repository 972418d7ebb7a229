//! begin, join, export, end.

use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Entry, Error as Told, Finding, Fingerprint, Outcome, Part,
    Result, Severity, Summary, archive, job, listed,
};
use serde::{Deserialize, Serialize};

use crate::capture::{Moment, capture};
use crate::config::{Config, Scale};
use crate::error::Error;
use crate::names::{self, PartKind};
use crate::reach;
use crate::record;
use crate::scope::{LIMITS, QUOTAS, Scope, is_inside, name};
use crate::server::Server;
use crate::survey::{Survey, survey};

/// The entry that holds the nodes of a part.
pub const NODES: &str = "nodes.jsonl";
/// Attribute of a part's summary: the last transaction that it has.
pub const ZXID: &str = "zxid";
/// A coordinator or a worker of a backup.
#[derive(Debug)]
pub struct Saving {
    config: Config,
    /// Of a worker, when all parts are of one moment.
    moment: Option<Moment>,
    findings: Vec<Finding>,
}

/// What the coordinator saw.
#[derive(Debug, Serialize, Deserialize)]
struct Mark {
    /// Nodes below the root that have a part.
    trees: Vec<String>,
    /// Not all parts are wanted, so that other nodes are no loss.
    is_choice: bool,
}

impl Backup for Saving {
    type Config = Config;

    fn begin(config: Config, request: BackupRequest) -> Result<(Self, BackupPlan)> {
        config.validate()?;
        let server = reach::server(&config)?;
        let surveyed = reach::persist(&config, || {
            let mut session = reach::session(&config)?;
            let mut scope = scope(&config);
            let quotas = session.stat(QUOTAS)?.is_some();
            scope.starts.retain(|start| start != QUOTAS || quotas);
            let surveyed = survey(&mut session, &scope, job::go_on)?;
            session.close();
            Ok(surveyed)
        })?;
        let trees = surveyed.trees.keys().cloned().collect();
        let mark = Mark { trees, is_choice: !request.parts.is_empty() };
        let parts = parts(&config, &server, &surveyed, &request)?;
        let consistency = match config.moment {
            Scale::Tree => "all parts are of one transaction",
            Scale::Part => "each part is of one transaction of its own",
        };
        let mut plan = BackupPlan::new(parts)
            .with_mark(serde_json::to_vec(&mark)?)
            .with_attribute("server", server.to_string())
            .with_attribute("consistency", consistency)
            .with_attribute("ephemeral-nodes-left-out", surveyed.ephemerals.to_string());
        if let Some(zxid) = &server.zxid {
            plan = plan.with_attribute("zxid-at-begin", zxid);
        }
        if let Some(mode) = &server.mode {
            plan = plan.with_attribute("mode", mode);
        }
        plan = match config.moment {
            // Several could not be made to see the same transaction.
            Scale::Tree => plan.with_workers_max(1),
            Scale::Part => plan.with_moment_of_export(),
        };
        let findings = findings(&config, &surveyed);
        Ok((Self { config, moment: None, findings }, plan))
    }

    fn join(config: Config, mark: Vec<u8>) -> Result<Self> {
        config.validate()?;
        let mut saving = Self { config, moment: None, findings: Vec::new() };
        if saving.config.moment == Scale::Tree {
            let mark: Mark = serde_json::from_slice(&mark)?;
            let moment = read(&saving.config, scope(&saving.config))?;
            review(&mark, &moment)?;
            saving.moment = Some(moment);
        }
        Ok(saving)
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        let own;
        let moment = match &self.moment {
            Some(moment) => moment,
            None => {
                own = read(&self.config, part_scope(&part)?)?;
                &own
            }
        };
        Ok(write(&part, moment).map_err(|error| error.during(&part.id))?)
    }

    fn end(self, outcome: Outcome) -> Result<Vec<Finding>> {
        Ok(if outcome == Outcome::Completed { self.findings } else { Vec::new() })
    }
}

/// Everything that is taken.
fn scope(config: &Config) -> Scope {
    let mut starts = vec!["/".to_owned()];
    starts.extend(config.quotas.then(|| QUOTAS.to_owned()));
    Scope {
        starts,
        include: config.include.clone(),
        exclude: config.exclude.clone(),
        is_flat: false,
    }
}

/// What belongs to an archived part, whatever the configuration says now.
///
/// # Errors
/// When the part does not tell.
pub fn part_scope(part: &Part) -> Result<Scope> {
    let node = names::node_of(part)?;
    let paths = |key| -> Result<Vec<String>> {
        Ok(part.attribute(key).map(serde_json::from_str).transpose()?.unwrap_or_default())
    };
    Ok(match PartKind::of(part)? {
        PartKind::Root => Scope::only("/"),
        PartKind::Tree | PartKind::Quota => Scope {
            include: paths(names::INCLUDE)?,
            exclude: paths(names::EXCLUDE)?,
            ..Scope::below(node)
        },
    })
}

fn parts(
    config: &Config,
    server: &Server,
    surveyed: &Survey,
    request: &BackupRequest,
) -> Result<Vec<Part>> {
    let root = Part::new(names::ROOT_ID, PartKind::Root.name()).with_attribute(names::NODE, "/");
    let trees = surveyed.trees.iter().map(|(name, size)| {
        let node = format!("/{name}");
        let mut part = Part::new(names::tree_id(name), PartKind::Tree.name())
            .with_attribute(names::NODE, &node);
        part.bytes_estimate = Some(size.bytes);
        part.items_estimate = Some(size.nodes);
        (part, node)
    });
    let quota = (surveyed.quotas > 0).then(|| {
        let mut part = Part::new(names::QUOTA_ID, PartKind::Quota.name());
        part.items_estimate = Some(surveyed.quotas);
        (part.with_attribute(names::NODE, QUOTAS), QUOTAS.to_owned())
    });
    let all = std::iter::once((root, "/".to_owned())).chain(trees).chain(quota);
    let mut parts = Vec::new();
    for (mut part, node) in all.filter(|(part, _)| request.asks_for(&part.id)) {
        for (key, paths) in [(names::INCLUDE, &config.include), (names::EXCLUDE, &config.exclude)] {
            let of_part = |path: &&String| {
                part.kind == PartKind::Quota.name()
                    || is_inside(path, &node)
                    || is_inside(&node, path)
            };
            let paths: Vec<&String> = paths.iter().filter(of_part).collect();
            if !paths.is_empty() {
                part = part.with_attribute(key, serde_json::to_string(&paths)?);
            }
        }
        parts.push(part.with_attribute(names::SERVER, server.to_string()));
    }
    let unknown = request.parts.iter().find(|id| parts.iter().all(|part| part.id != **id));
    match unknown {
        Some(id) => Err(Told::config(format!("there is no part {id:?} on the server"))),
        None => Ok(parts),
    }
}

fn findings(config: &Config, surveyed: &Survey) -> Vec<Finding> {
    let mut findings = Vec::new();
    if surveyed.ephemerals > 0 {
        let shown = listed(surveyed.examples.iter().map(String::as_str));
        let text = format!(
            "{} ephemeral nodes were left out, as they go with their clients' sessions: {shown}{}",
            surveyed.ephemerals,
            if surveyed.examples.len() as u64 == surveyed.ephemerals { "" } else { ", ..." }
        );
        let finding = Finding::new(Severity::Notice, "ephemeral-left-out", text);
        findings.push(finding.with_attribute("nodes", surveyed.ephemerals.to_string()));
    }
    if config.moment == Scale::Part {
        let text = "each part is of a transaction of its own: what changes two parts at once may be in one of them only";
        findings.push(Finding::new(Severity::Notice, "moment-part", text));
    }
    findings
}

/// Reads a moment in a session of its own, so that none waits while the storage takes its time.
fn read(config: &Config, scope: Scope) -> Result<Moment> {
    Ok(reach::persist(config, || read_once(config, scope.clone()))?)
}

fn read_once(config: &Config, mut scope: Scope) -> Result<Moment, Error> {
    let mut session = reach::session(config)?;
    if session.stat(QUOTAS)?.is_none() {
        scope.starts.retain(|start| start != QUOTAS);
    }
    let moment = capture(&mut session, &scope, job::go_on)?;
    session.close();
    log::info!(
        "read {} nodes as of transaction {:#x}, begun at {:#x}, tries: {}",
        moment.tree.nodes.len(),
        moment.zxid,
        moment.began,
        moment.rounds
    );
    if !moment.moving_acls.is_empty() {
        let names = listed(moment.moving_acls.iter().map(String::as_str));
        log::warn!(
            "ACLs were being changed all the time; saved as of some moment while the tree was read: {names}"
        );
    }
    Ok(moment)
}

/// Refuses a tree with nodes below the root that have no part. Those that went away leave an empty part.
fn review(mark: &Mark, moment: &Moment) -> Result<()> {
    if mark.is_choice {
        return Ok(());
    }
    let planned: std::collections::BTreeSet<&str> = mark.trees.iter().map(String::as_str).collect();
    let new = moment.tree.nodes.keys().filter(|path| {
        let name = path.get(1..).unwrap_or_default();
        !name.is_empty() && !name.contains('/') && !planned.contains(name)
    });
    let new: Vec<&str> = new.map(|path| &**path).collect();
    if new.is_empty() {
        return Ok(());
    }
    Err(Told::conflict(format!(
        "new below the root since the backup began: {}; run the backup again",
        listed(new)
    )))
}

/// Writes the nodes of a part.
fn write(part: &Part, moment: &Moment) -> Result<Summary, Error> {
    let node = names::node_of(part)?;
    let kind = PartKind::of(part)?;
    let tree = &moment.tree;
    let mut output = archive::create(&Entry::new(NODES).with_media_type("application/jsonl"))?;
    let mut fingerprint = Fingerprint::new();
    let (mut items, mut bytes) = (0, 0);
    for (path, found) in tree.below(node).filter(|(path, _)| kind != PartKind::Root || *path == "/")
    {
        let acl = tree.acl(found);
        bytes += record::write(&mut output, path, found, acl)?;
        if counts(kind, path) {
            let relative = path.strip_prefix(node).unwrap_or(path);
            record::add(&mut fingerprint, relative, found.kind, found.data.as_deref(), acl);
        }
        items += 1;
        if items % 1_024 == 0 {
            job::go_on()?;
            job::progress(&part.id, bytes, items);
        }
    }
    output.finish()?;
    let left_out = match kind {
        PartKind::Tree => tree.ephemerals_below(node).count(),
        PartKind::Root | PartKind::Quota => 0,
    };
    Ok(Summary::of_items(items)
        .with_fingerprint(fingerprint.finish())
        .with_attribute(ZXID, format!("{:#x}", moment.zxid))
        .with_attribute("zxid-at-first-read", format!("{:#x}", moment.began))
        .with_attribute("tries", moment.rounds.to_string())
        .with_attribute("ephemeral-nodes-left-out", left_out.to_string())
        .with_attribute("acls-moving", moment.moving_acls.len().to_string()))
}

/// Whether a node counts in the fingerprint: of the quotas, only they themselves do, because the nodes that lead to them are
/// others under another name.
pub fn counts(kind: PartKind, path: &str) -> bool {
    kind != PartKind::Quota || name(path) == LIMITS
}
