//! A tree as it was at one transaction, read while others write.
//!
//! Reading a tree node by node takes time, and it changes meanwhile. What makes one moment of it:
//!
//! 1. A recursive watch is set before anything is read. The server sends its events and its answers in the order of its
//!    transactions, so that a node without an event after its answer still is as it was read.
//! 2. After the walk, nodes with such an event are read once more. Those that change all the time are read in one request
//!    ([`op::MULTI_READ`]), which the server answers between two transactions: that is the moment. A node that changed before
//!    the moment may be read after it, if the number of its last change shows that it has not changed again.
//! 3. What could not be had at that moment joins those that are read in one request, and there is another try.
//!
//! The server sends no event for an ACL. Its version tells: all nodes are looked at once more after the moment, and an ACL that
//! changed in between is read again, for another moment.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_plugin::{Error as Told, listed, printable};

use crate::error::{Error, ServerError};
use crate::jute::{Reader, Writer};
use crate::limits::{
    ACL_PASSES_MAX, HOT_DATA_BYTES_MAX, HOT_NODES_MAX, HOT_PATH_BYTES_MAX, ROUNDS_MAX,
};
use crate::message::{Acl, Event, Happened, Kind, Outcome, Stat, multi_read, op};
use crate::pipeline::{About, Ask, Next, Pipeline, found};
use crate::scope::{Scope, parent};
use crate::session::{Reply, Session, Stream};
use crate::tree::{Node, Tree};

/// A tree at one moment.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    /// What there was.
    pub tree: Tree,
    /// The last transaction before the tree was begun to be read.
    pub began: i64,
    /// The tree is as it was after this transaction.
    pub zxid: i64,
    /// Tries that it took.
    pub rounds: u32,
    /// Nodes whose ACL changed in each pass: it is one of those that they had while the tree was read.
    pub moving_acls: Vec<String>,
}

/// An event about a node since it was read.
#[derive(Clone, Copy, Debug)]
struct Dirt {
    last: Happened,
    events: u32,
}

#[derive(Debug)]
struct Capture<'s, 'a, S: Stream> {
    pipeline: Pipeline<'s, S>,
    scope: &'a Scope,
    tree: Tree,
    dirty: BTreeMap<String, Dirt>,
    /// Parents of all nodes that there was an event about.
    touched: BTreeSet<String>,
}

/// Reads what `scope` says at one moment. `go_on` fails when the operator has stopped the run.
///
/// # Errors
/// When the server refuses something, and when the tree changes faster than it can be read.
pub fn capture<S: Stream>(
    session: &mut Session<S>,
    scope: &Scope,
    go_on: fn() -> lockgate_plugin::Result<()>,
) -> Result<Moment, Error> {
    session.sync()?;
    let mut capture = Capture {
        pipeline: Pipeline::new(session, go_on),
        scope,
        tree: Tree::default(),
        dirty: BTreeMap::new(),
        touched: BTreeSet::new(),
    };
    let began = capture.watch()?;
    capture.walk()?;
    let mut rounds = 0;
    let mut moving = Vec::new();
    let mut zxid = began;
    for _ in 0..ACL_PASSES_MAX {
        zxid = capture.settle(&mut rounds)?;
        moving = capture.verify(zxid)?;
        if moving.is_empty() {
            break;
        }
    }
    capture.tree.keep_needed_sequences();
    Ok(Moment { tree: capture.tree, began, zxid, rounds, moving_acls: moving })
}

impl<S: Stream> Capture<'_, '_, S> {
    /// Has the server tell of every change from now on. Returns the last transaction before.
    fn watch(&mut self) -> Result<i64, Error> {
        const RECURSIVE: i32 = 1;
        let mut began = 0;
        for start in &self.scope.starts {
            let mut request = Writer::default();
            request.text(start).int(RECURSIVE);
            let reply = self.pipeline.one(op::ADD_WATCH, &request, |_| {})?;
            reply.body(|| format!("watch {start}"))?;
            began = reply.zxid;
        }
        Ok(began)
    }

    fn walk(&mut self) -> Result<(), Error> {
        for start in &self.scope.starts {
            self.pipeline.ask(About::Data, start.as_str());
        }
        while let Some(next) = self.pipeline.next(self.scope, About::Data)? {
            match next {
                Next::Event(event) => note(&mut self.dirty, &mut self.touched, self.scope, &event),
                Next::Answer(ask, reply) => match ask.about {
                    About::Data => {
                        let has_children = self
                            .take_data(&ask, &reply, i64::MAX)?
                            .is_some_and(|stat| stat.children > 0);
                        if has_children && !self.scope.is_flat {
                            self.pipeline.ask(About::Children, ask.path);
                        }
                    }
                    About::Children => {
                        if found(&ask, &reply)?.is_some() {
                            self.pipeline.list(ask.path, reply)?;
                        }
                    }
                    About::Acl => drop(self.take_acl(&ask, &reply)?),
                    About::Stat => return Err(Error::Protocol("an answer to another request")),
                },
            }
        }
        Ok(())
    }

    /// Finds a moment and makes the tree as it was then. Events in `dirty` are then those after it.
    fn settle(&mut self, rounds: &mut u32) -> Result<i64, Error> {
        let often = self.dirty.iter().filter(|(_, dirt)| dirt.events > 1);
        let mut hot: BTreeSet<String> = often.map(|(path, _)| path.clone()).collect();
        let mut missed = BTreeSet::new();
        while *rounds < ROUNDS_MAX {
            *rounds += 1;
            self.limit(&mut hot, &missed);
            let moment = self.read_at_once(&hot)?;
            missed = self.read_unchanged(moment)?;
            if missed.is_empty() {
                return Ok(moment);
            }
            for path in &missed {
                self.dirty
                    .entry(path.clone())
                    .or_insert(Dirt { last: Happened::Changed, events: 1 });
            }
            hot.extend(missed.iter().cloned());
        }
        let names = listed(missed.iter().map(String::as_str));
        Err(Told::conflict(format!(
            "the tree changes faster than it can be read: after {ROUNDS_MAX} tries there was none in which these nodes held \
             still: {names}; leave them out with `exclude`, or run the backup when less is written"
        ))
        .into())
    }

    /// Keeps what is read in one request within its limits: first what was missed last.
    fn limit(&self, hot: &mut BTreeSet<String>, missed: &BTreeSet<String>) {
        let data = |path: &String| {
            let node = self.tree.nodes.get(path.as_str());
            node.and_then(|node| node.data.as_ref()).map_or(0, |data| data.len())
        };
        let fits = |paths: &BTreeSet<String>| {
            paths.len() <= HOT_NODES_MAX
                && paths.iter().map(|path| path.len() + 16).sum::<usize>() <= HOT_PATH_BYTES_MAX
                && paths.iter().map(data).sum::<usize>() <= HOT_DATA_BYTES_MAX
        };
        if !fits(hot) {
            hot.clone_from(missed);
        }
        while !fits(hot) {
            hot.pop_last();
        }
    }

    /// Reads nodes between two transactions. Returns the number of the first of them.
    fn read_at_once(&mut self, hot: &BTreeSet<String>) -> Result<i64, Error> {
        // The first start is read in any case: without a question there is no moment.
        let first = self.scope.starts.first().map_or("/", String::as_str);
        let paths: Vec<&str> =
            std::iter::once(first).chain(hot.iter().map(String::as_str)).collect();
        let request = multi_read(paths.iter().copied());
        let Self { pipeline, dirty, touched, scope, .. } = self;
        let reply =
            pipeline.one(op::MULTI_READ, &request, |event| note(dirty, touched, scope, event))?;
        let moment = reply.zxid;
        let mut body = reply.body(|| "read nodes at once".to_owned())?;
        for path in paths {
            let outcome =
                Outcome::read(&mut body)?.ok_or(Error::Protocol("an answer is missing"))?;
            match outcome {
                Outcome::Failed(crate::error::Code::NO_NODE) => self.forget(path),
                Outcome::Failed(code) => {
                    let doing = format!("read the data of {}", printable(path));
                    return Err(Error::Server(ServerError::new(code, doing)));
                }
                Outcome::Data(data, stat) => self.put(path, data, &stat)?,
                Outcome::Done => return Err(Error::Protocol("an answer to another request")),
            }
        }
        Ok(moment)
    }

    /// Reads the nodes that changed before `moment` and were not read since, and ACLs that are not known yet. Returns those
    /// whose state at the moment cannot be had any more.
    fn read_unchanged(&mut self, moment: i64) -> Result<BTreeSet<String>, Error> {
        let mut missed = BTreeSet::new();
        for (path, dirt) in std::mem::take(&mut self.dirty) {
            match dirt.last {
                Happened::Deleted => self.forget(&path),
                _ => self.pipeline.ask(About::Data, path),
            }
        }
        while let Some(next) = self.pipeline.next(self.scope, About::Data)? {
            match next {
                Next::Event(event) => note(&mut self.dirty, &mut self.touched, self.scope, &event),
                Next::Answer(ask, reply) => {
                    let is_of_moment = match ask.about {
                        About::Data => self.take_data(&ask, &reply, moment)?.is_some(),
                        About::Acl => self.take_acl(&ask, &reply)?,
                        About::Children | About::Stat => false,
                    };
                    if !is_of_moment {
                        missed.insert(ask.path);
                    }
                }
            }
        }
        Ok(missed)
    }

    /// Takes an answer about data; none when the node is not there, or changed after `moment`.
    fn take_data(&mut self, ask: &Ask, reply: &Reply, moment: i64) -> Result<Option<Stat>, Error> {
        let Some(mut body) = found(ask, reply)? else {
            self.forget(&ask.path);
            return Ok(None);
        };
        let (data, stat) = (body.buffer()?, Stat::read(&mut body)?);
        if stat.mzxid > moment || stat.czxid > moment {
            return Ok(None);
        }
        self.put(&ask.path, data, &stat)?;
        Ok(Some(stat))
    }

    /// The node is as it was just read: what was told before is included.
    fn put(&mut self, path: &str, data: Option<&[u8]>, stat: &Stat) -> Result<(), Error> {
        self.dirty.remove(path);
        let Some(kind) = Kind::of_owner(stat.owner)? else {
            self.tree.nodes.remove(path);
            self.tree.ephemerals.insert(path.into());
            return Ok(());
        };
        self.tree.ephemerals.remove(path);
        let mut node = Node::new(kind, data, stat);
        let before = self.tree.nodes.get(path);
        node.acl = before
            .filter(|before| before.czxid == stat.czxid && before.aversion == stat.aversion)
            .and_then(|before| before.acl);
        if node.acl.is_none() {
            self.pipeline.ask(About::Acl, path);
        }
        self.tree.nodes.insert(path.into(), node);
        Ok(())
    }

    /// Takes an answer about an ACL. False when it is not the one that the node had with its data.
    fn take_acl(&mut self, ask: &Ask, reply: &Reply) -> Result<bool, Error> {
        let Some(mut body) = found(ask, reply)? else { return Ok(false) };
        let (acl, stat) = (Acl::read(&mut body)?, Stat::read(&mut body)?);
        if acl.iter().any(|line| line.scheme == "digest" && line.id.ends_with(":x")) {
            return Err(Told::auth(format!(
                "the server hides the passwords in the ACL of {}: log in as `super`, or as a user who may administer it",
                printable(&ask.path)
            ))
            .into());
        }
        let number = self.tree.number(acl);
        match self.tree.nodes.get_mut(ask.path.as_str()) {
            Some(node) if node.czxid == stat.czxid => {
                let is_as_with_data = node.aversion == stat.aversion;
                node.acl = Some(number);
                node.aversion = stat.aversion;
                Ok(is_as_with_data)
            }
            _ => Ok(false),
        }
    }

    fn forget(&mut self, path: &str) {
        self.dirty.remove(path);
        self.tree.nodes.remove(path);
        self.tree.ephemerals.remove(path);
    }

    /// Looks at every node once more. Returns those whose ACL has changed since it was read, which are read again.
    fn verify(&mut self, moment: i64) -> Result<Vec<String>, Error> {
        let mut moving = Vec::new();
        let mut last: Option<Box<str>> = None;
        loop {
            let after =
                last.as_deref().map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
            let mut nodes = self.tree.nodes.range::<str, _>((after, std::ops::Bound::Unbounded));
            while self.pipeline.has_room() {
                let Some((path, _)) = nodes.next() else { break };
                self.pipeline.ask(About::Stat, &**path);
                last = Some(path.clone());
            }
            match self.pipeline.next(self.scope, About::Stat)? {
                None => break,
                Some(Next::Event(event)) => {
                    note(&mut self.dirty, &mut self.touched, self.scope, &event)
                }
                Some(Next::Answer(ask, reply)) if ask.about == About::Stat => {
                    let body = found(&ask, &reply)?;
                    if self.has_other_acl(&ask.path, body, moment)? {
                        moving.push(ask.path);
                    }
                }
                Some(Next::Answer(..)) => {
                    return Err(Error::Protocol("an answer to another request"));
                }
            }
        }
        for path in &moving {
            self.pipeline.ask(About::Acl, path.as_str());
        }
        while let Some(next) = self.pipeline.next(self.scope, About::Acl)? {
            match next {
                Next::Event(event) => note(&mut self.dirty, &mut self.touched, self.scope, &event),
                Next::Answer(ask, reply) => drop(self.take_acl(&ask, &reply)?),
            }
        }
        Ok(moving)
    }

    /// Compares what is known about a node now with what was read, and fails when there is a change that the server did not
    /// tell of: it hides events about nodes that the account may not read.
    fn has_other_acl(
        &mut self,
        path: &str,
        body: Option<Reader<'_>>,
        moment: i64,
    ) -> Result<bool, Error> {
        let Some(node) = self.tree.nodes.get_mut(path) else { return Ok(false) };
        let is_told = self.dirty.contains_key(path);
        let silent = || {
            Error::from(Told::auth(format!(
                "{} was changed and the server did not tell: the account may not read all of it; log in as `super`",
                printable(path)
            )))
        };
        let Some(mut body) = body else { return if is_told { Ok(false) } else { Err(silent()) } };
        let stat = Stat::read(&mut body)?;
        let is_same = (stat.czxid, stat.mzxid) == (node.czxid, node.mzxid);
        if (!is_same || stat.mzxid > moment) && !is_told {
            return Err(silent());
        }
        if stat.pzxid != node.pzxid
            && !self.scope.is_flat
            && !is_told
            && !self.touched.contains(path)
        {
            return Err(silent());
        }
        if stat.czxid != node.czxid {
            return Ok(false);
        }
        node.sequence = stat.sequence();
        Ok(stat.aversion != node.aversion)
    }
}

fn note(
    dirty: &mut BTreeMap<String, Dirt>,
    touched: &mut BTreeSet<String>,
    scope: &Scope,
    event: &Event,
) {
    if event.happened == Happened::Other {
        return;
    }
    if event.happened != Happened::Changed
        && let Some(parent) = parent(&event.path)
        && !touched.contains(parent)
    {
        touched.insert(parent.to_owned());
    }
    if scope.covers(&event.path) {
        let dirt =
            dirty.entry(event.path.clone()).or_insert(Dirt { last: event.happened, events: 0 });
        dirt.last = event.happened;
        dirt.events = dirt.events.saturating_add(1);
    }
}
