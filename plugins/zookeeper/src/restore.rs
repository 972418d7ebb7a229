//! preview, begin, join, import, end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use lockgate_plugin::net::Connection;
use lockgate_plugin::{
    Error as Told, Finding, Fingerprint, Outcome, Part, Restore, RestoreRequest, Result, Step,
    archive, job, listed,
};

use crate::backup::{NODES, ZXID, counts, part_scope};
use crate::capture::capture;
use crate::config::Config;
use crate::error::Error;
use crate::health;
use crate::limits::{BATCH_BYTES, BATCH_CHANGES, RECOVERY_STEPS_MAX};
use crate::load::Loader;
use crate::message::{Acl, Kind};
use crate::names::{self, PartKind, Targets};
use crate::reach;
use crate::record::{self, Record};
use crate::recovery;
use crate::scope::{LIMITS, QUOTAS, SYSTEM, Scope, USAGE, child, name, parent};
use crate::session::Session;
use crate::tree::{Node, Tree};

/// The order of a restore. The root comes last: its ACL may forbid what comes before.
const STAGES: [PartKind; 3] = [PartKind::Tree, PartKind::Quota, PartKind::Root];

/// A coordinator or a worker of a restore.
#[derive(Debug)]
pub struct Restoring {
    config: Config,
    targets: Targets,
    overwrite: bool,
    /// The last transaction of the lost ensemble that the backup has; of a disaster recovery only.
    recovers: Option<i64>,
}

impl Restore for Restoring {
    type Config = Config;

    fn preview(config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        let restoring = Self::open(config, &request)?;
        let mut session = reach::session(&restoring.config)?;
        let steps = restoring.steps(&mut session, &request)?;
        session.close();
        Ok(steps)
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        let restoring = Self::open(config, &request)?;
        let mut session = reach::session(&restoring.config)?;
        let steps = restoring.steps(&mut session, &request)?;
        if restoring.recovers.is_some() {
            recovery::check(&restoring.config, &mut session, restoring.overwrite)?;
        }
        let in_the_way: Vec<&str> =
            steps.iter().filter(|step| step.overwrites).map(|step| step.target.as_str()).collect();
        if !restoring.overwrite && !in_the_way.is_empty() {
            let text = format!(
                "nodes that are there already: {}; overwrite them, or rename",
                listed(in_the_way)
            );
            return Err(Told::conflict(text));
        }
        restoring.make_ancestors(session, &request)?;
        let stages = STAGES.map(|kind| {
            let of_kind = |part: &&Part| part.kind == kind.name();
            request.parts.iter().filter(of_kind).cloned().collect::<Vec<Part>>()
        });
        Ok((restoring, stages.into_iter().filter(|stage| !stage.is_empty()).collect()))
    }

    fn join(config: Config, request: RestoreRequest) -> Result<Self> {
        Self::open(config, &request)
    }

    fn import(&mut self, part: Part) -> Result<()> {
        Ok(self.import_part(&part).map_err(|error| error.during(&part.id))?)
    }

    fn fingerprint(&mut self, part: Part) -> Result<String> {
        Ok(self.live_fingerprint(&part).map_err(|error| error.during(&part.id))?)
    }

    fn end(self, outcome: Outcome) -> Result<Vec<Finding>> {
        match outcome {
            Outcome::Completed => {
                let mut findings = health::members(&self.config);
                if let Some(archived) = self.recovers {
                    findings.push(recovery::transactions(&self.config, archived)?);
                }
                Ok(findings)
            }
            Outcome::Failed(_) | Outcome::Cancelled => Ok(Vec::new()),
        }
    }
}

impl Restoring {
    fn open(config: Config, request: &RestoreRequest) -> Result<Self> {
        config.validate()?;
        for part in &request.parts {
            names::node_of(part)?;
        }
        let targets = Targets::new(&request.rename, &request.parts)?;
        let zxids = request.parts.iter().filter_map(|part| recovery::number(part.attribute(ZXID)?));
        let recovers = request.disaster_recovery.then(|| zxids.max().unwrap_or_default());
        Ok(Self { config, targets, overwrite: request.overwrite, recovers })
    }

    /// What would be done, part by part.
    fn steps(
        &self,
        session: &mut Session<Connection>,
        request: &RestoreRequest,
    ) -> Result<Vec<Step>> {
        reach::server(&self.config)?;
        session.sync()?;
        let mut steps = Vec::new();
        for part in &request.parts {
            let kind = PartKind::of(part)?;
            let target = self.targets.of(names::node_of(part)?);
            let is_there = match (kind, session.stat(&target)?) {
                (_, None) => false,
                (PartKind::Tree, Some(_)) => true,
                (PartKind::Root, Some(stat)) => {
                    stat.data_length > 0 || session.acl(&target)? != Acl::open()
                }
                (PartKind::Quota, Some(stat)) => stat.children > 0,
            };
            let action = match (kind, is_there) {
                (PartKind::Tree, false) => "make nodes from",
                (PartKind::Tree, true) => "make equal, and delete what is not in the backup, from",
                (PartKind::Root, _) => "set data and ACL of",
                (PartKind::Quota, false) => "set quotas below",
                (PartKind::Quota, true) => {
                    "set quotas, and delete those that are not in the backup, below"
                }
            };
            let mut step = Step::new(&part.id, action, target);
            step.overwrites = is_there;
            step.bytes_estimate = part.bytes_estimate;
            steps.push((STAGES.iter().position(|stage| *stage == kind), step));
        }
        steps.sort_by_key(|(stage, _)| *stage);
        Ok(steps.into_iter().map(|(_, step)| step).collect())
    }

    /// Makes the nodes above the targets, which are nobody's part.
    fn make_ancestors(
        &self,
        mut session: Session<Connection>,
        request: &RestoreRequest,
    ) -> Result<()> {
        let mut missing = BTreeSet::new();
        for part in &request.parts {
            let target = self.targets.of(names::node_of(part)?);
            let is_tree = PartKind::of(part)? == PartKind::Tree;
            let mut above = if is_tree { parent(&target) } else { Some(target.as_str()) };
            while let Some(path) = above.filter(|path| *path != "/" && *path != QUOTAS) {
                if session.stat(path)?.is_none() {
                    missing.insert(path.to_owned());
                }
                above = parent(path);
            }
        }
        let mut loader = Loader::new(session)?;
        for path in missing {
            loader.create(&path, Kind::Persistent, Some(&[]), &Acl::open())?;
        }
        Ok(loader.finish()?)
    }

    fn import_part(&self, part: &Part) -> Result<(), Error> {
        let kind = PartKind::of(part)?;
        let target = self.targets.of(names::node_of(part)?);
        let mut session = reach::session(&self.config)?;
        let live = match session.stat(&target)? {
            None => Tree::default(),
            Some(_) if kind == PartKind::Tree && !self.overwrite => {
                return Err(Told::conflict(format!("{target} is there already")).into());
            }
            Some(_) => {
                let scope = self.live_scope(part, &target)?;
                capture(&mut session, &scope, job::go_on)?.tree
            }
        };
        // Watches end with their session.
        session.close();
        let mut import = Import {
            part,
            steps_max: self.recovers.map_or(self.config.sequence_steps_max, |_| RECOVERY_STEPS_MAX),
            recovers: self.recovers.is_some(),
            loader: Loader::new(reach::session(&self.config)?)?,
            live,
            made: BTreeSet::new(),
            sequences: Vec::new(),
            items: 0,
        };
        let mut input = archive::open(NODES.as_bytes())?;
        let scope = part_scope(part)?;
        loop {
            let records = chunk(&mut input)?;
            if records.is_empty() {
                break;
            }
            // The storage may have taken longer than the server waits.
            import.loader.revive(|| reach::session(&self.config))?;
            for record in records {
                if !scope.covers(&record.path) {
                    let text = format!("the part holds {}, which is not its own", record.path);
                    return Err(Told::corrupt(text).into());
                }
                import.put(&self.targets.of(&record.path), &record)?;
            }
        }
        import.finish(kind, &target)
    }

    /// The live nodes that a part stands for.
    fn live_scope(&self, part: &Part, target: &str) -> Result<Scope> {
        let mut scope = part_scope(part)?;
        scope.starts = vec![target.to_owned()];
        for paths in [&mut scope.include, &mut scope.exclude] {
            for path in paths {
                *path = self.targets.of(path);
            }
        }
        Ok(scope)
    }

    fn live_fingerprint(&self, part: &Part) -> Result<String, Error> {
        let kind = PartKind::of(part)?;
        let from = names::node_of(part)?;
        let target = self.targets.of(from);
        let mut session = reach::session(&self.config)?;
        let tree = match session.stat(&target)? {
            None => Tree::default(),
            Some(_) => capture(&mut session, &self.live_scope(part, &target)?, job::go_on)?.tree,
        };
        session.close();
        // In the order of the archived names, which is another one for quotas of nodes that were renamed.
        let counted = tree.below(&target).filter(|(path, _)| counts(kind, path));
        let nodes: BTreeMap<String, &Node> =
            counted.map(|(path, node)| (self.targets.back(path), node)).collect();
        let mut fingerprint = Fingerprint::new();
        for (path, node) in nodes {
            let relative = path.strip_prefix(from).unwrap_or(&path);
            let acl = tree.acl(node);
            record::add(&mut fingerprint, relative, node.kind, node.data.as_deref(), acl);
        }
        Ok(fingerprint.finish())
    }
}

/// The next nodes of an archive, so many that the server can be talked to for a while without the storage.
fn chunk(input: &mut impl BufRead) -> Result<Vec<Record>, Error> {
    let (mut records, mut bytes) = (Vec::new(), 0);
    while bytes < BATCH_BYTES && records.len() < BATCH_CHANGES {
        let Some(record) = record::read(input)? else { break };
        bytes += record.path.len() + record.data.as_ref().map_or(0, Vec::len);
        records.push(record);
    }
    Ok(records)
}

/// One part that is being imported.
struct Import<'a> {
    part: &'a Part,
    /// For the counter of one node.
    steps_max: u32,
    /// Whether counters that cannot be set are an error: a new ensemble would give numbers a second time.
    recovers: bool,
    loader: Loader<Connection>,
    /// What is there and was not met in the archive yet.
    live: Tree,
    /// Nodes that lead to quotas and were made.
    made: BTreeSet<String>,
    sequences: Vec<(String, u32)>,
    items: u64,
}

impl Import<'_> {
    fn put(&mut self, path: &str, record: &Record) -> Result<(), Error> {
        self.items += 1;
        if self.items.is_multiple_of(1_024) {
            job::go_on()?;
            job::progress(&self.part.id, 0, self.items);
        }
        if let Some(sequence) = record.sequence {
            self.sequences.push((path.to_owned(), sequence));
        }
        if self.live.nodes.get(path).is_some_and(|node| node.kind != record.kind && path != QUOTAS)
        {
            self.delete_below(path)?;
        }
        if let Some(node) = self.live.nodes.remove(path) {
            if node.data.as_deref() != record.data.as_deref() {
                self.loader.set_data(path, record.data.as_deref())?;
            }
            if self.live.acl(&node) != record.acl {
                self.loader.set_acl(path, &record.acl);
            }
            return Ok(());
        }
        if self.live.ephemerals.remove(path) {
            self.loader.delete(path)?;
        }
        if path.starts_with(QUOTAS) {
            self.lead_to(path)?;
        }
        self.loader.create(path, record.kind, record.data.as_deref(), &record.acl)?;
        if path.starts_with(QUOTAS) && name(path) == LIMITS {
            // The server counts into it, and only if it is there.
            let usage = child(parent(path).unwrap_or(QUOTAS), USAGE);
            self.loader.create(
                &usage,
                Kind::Persistent,
                Some(b"count=-1,bytes=-1"),
                &record.acl,
            )?;
        }
        self.made.insert(path.to_owned());
        Ok(())
    }

    /// Makes the nodes between [`QUOTAS`] and a quota that is restored under another name.
    fn lead_to(&mut self, path: &str) -> Result<(), Error> {
        let mut missing = Vec::new();
        let mut above = parent(path);
        while let Some(path) =
            above.filter(|path| *path != QUOTAS && *path != SYSTEM && *path != "/")
        {
            if self.made.contains(path) || self.loader.session()?.stat(path)?.is_some() {
                break;
            }
            missing.push(path.to_owned());
            above = parent(path);
        }
        for path in missing.into_iter().rev() {
            self.loader.create(&path, Kind::Persistent, Some(&[]), &Acl::open())?;
            self.made.insert(path);
        }
        Ok(())
    }

    /// Deletes live nodes, children first, with the ephemeral ones among them.
    fn delete_below(&mut self, path: &str) -> Result<(), Error> {
        let nodes = self.live.below(path).map(|(path, _)| path.to_owned());
        let mut doomed: BTreeSet<String> = nodes.collect();
        doomed.extend(self.live.ephemerals_below(path).map(str::to_owned));
        for path in doomed.iter().rev() {
            if path.starts_with(QUOTAS) && name(path) == LIMITS {
                let usage = child(parent(path).unwrap_or(QUOTAS), USAGE);
                if self.loader.session()?.stat(&usage)?.is_some() {
                    self.loader.delete(&usage)?;
                }
            }
            self.loader.delete(path)?;
            self.live.nodes.remove(path.as_str());
            self.live.ephemerals.remove(path.as_str());
        }
        Ok(())
    }

    fn finish(mut self, kind: PartKind, target: &str) -> Result<(), Error> {
        if kind != PartKind::Root {
            while let Some(path) = self.live.nodes.keys().find(|path| &***path != target).cloned() {
                self.delete_below(&path)?;
            }
            let is_empty = self.items == 0 && kind == PartKind::Tree;
            if is_empty && self.live.nodes.contains_key(target) {
                self.delete_below(target)?;
            }
        }
        let mut behind = Vec::new();
        for (path, sequence) in std::mem::take(&mut self.sequences) {
            if self.loader.advance(&path, sequence, self.steps_max)? > 0 {
                behind.push(path);
            }
        }
        if !behind.is_empty() {
            let names = listed(behind.iter().map(String::as_str));
            if self.recovers {
                let text = format!(
                    "the counter of sequential children is more than {RECOVERY_STEPS_MAX} behind, and a new ensemble would give their \
                     numbers a second time: {names}; restore without disaster recovery"
                );
                return Err(Told::conflict(text).into());
            }
            log::warn!(
                "the counter of sequential children begins before the numbers of some that are there (sequence-steps-max): {names}"
            );
        }
        self.loader.finish()
    }
}
