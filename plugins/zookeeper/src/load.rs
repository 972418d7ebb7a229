//! Makes nodes, many in one transaction and some transactions under way.

use std::collections::VecDeque;

use lockgate_plugin::{Error as Told, printable};

use crate::error::{Code, Error, ServerError};
use crate::jute::Writer;
use crate::limits::{BATCH_BYTES, BATCH_CHANGES, BATCHES_UNDER_WAY};
use crate::message::{Acl, Change, Kind, Outcome, PERMISSIONS_ALL, end_of_list, of_path, op};
use crate::session::{Incoming, Reply, Session, Stream};

/// Writes into one server.
#[derive(Debug)]
pub struct Loader<S: Stream> {
    session: Session<S>,
    /// What a node gets while it is filled, when its own ACL could lock this session out.
    working_acl: Option<Vec<Acl>>,
    batch: Writer,
    /// Paths of the changes in `batch`.
    paths: Vec<String>,
    under_way: VecDeque<(i32, Sent)>,
    /// ACLs to be set when all nodes are there.
    closing: Vec<(String, Vec<Acl>)>,
}

#[derive(Debug)]
enum Sent {
    Batch(Vec<String>),
    Acl(String),
}

impl<S: Stream> Loader<S> {
    /// Over a session in which nothing is under way.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn new(mut session: Session<S>) -> Result<Self, Error> {
        let working_acl = match (session.is_super()?, session.has_account()) {
            (true, _) => None,
            (false, true) => Some(Acl::own()),
            (false, false) => Some(Acl::open()),
        };
        Ok(Self {
            session,
            working_acl,
            batch: Writer::default(),
            paths: Vec::new(),
            under_way: VecDeque::new(),
            closing: Vec::new(),
        })
    }

    /// The session, when everything was written.
    ///
    /// # Errors
    /// What the server refuses of it.
    pub fn session(&mut self) -> Result<&mut Session<S>, Error> {
        self.flush()?;
        Ok(&mut self.session)
    }

    /// Sends what there is and puts another session in the place of this one, if the server has given it up because nothing was
    /// sent for long. To be called after anything that may have taken long.
    ///
    /// # Errors
    /// What the server refused before, and when there is no other session to be had.
    pub fn revive(
        &mut self,
        open: impl FnOnce() -> Result<Session<S>, Error>,
    ) -> Result<(), Error> {
        // These answers came in time, whatever became of the session since.
        self.drain(0)?;
        if self.session.ask(op::EXISTS, &of_path("/")).is_err() {
            self.session = open()?;
        }
        self.send_batch()
    }

    /// Makes a node. Its parent must be there or be made before.
    ///
    /// # Errors
    /// When the server refuses this or something before it.
    pub fn create(
        &mut self,
        path: &str,
        kind: Kind,
        data: Option<&[u8]>,
        acl: &[Acl],
    ) -> Result<(), Error> {
        let anyone = |line: &Acl| {
            line.perms == PERMISSIONS_ALL
                && (line.scheme.as_str(), line.id.as_str()) == ("world", "anyone")
        };
        let working = self.working_acl.clone().filter(|_| !acl.iter().any(anyone));
        // A request with a large node in it has room for its data, but perhaps not for a long ACL too.
        let is_large = data.is_some_and(|data| data.len() > BATCH_BYTES);
        let first = working.as_deref().unwrap_or(acl);
        if is_large {
            self.change(path, &Change::Create(kind, path, Some(&[]), first))?;
            self.change(path, &Change::SetData(path, data))?;
        } else {
            self.change(path, &Change::Create(kind, path, data, first))?;
        }
        if working.is_some() {
            self.closing.push((path.to_owned(), acl.to_vec()));
        }
        Ok(())
    }

    /// Sets data.
    ///
    /// # Errors
    /// When the server refuses this or something before it.
    pub fn set_data(&mut self, path: &str, data: Option<&[u8]>) -> Result<(), Error> {
        self.change(path, &Change::SetData(path, data))
    }

    /// Sets an ACL, at the very end.
    pub fn set_acl(&mut self, path: &str, acl: &[Acl]) {
        self.closing.push((path.to_owned(), acl.to_vec()));
    }

    /// Deletes a node.
    ///
    /// # Errors
    /// When the server refuses this or something before it.
    pub fn delete(&mut self, path: &str) -> Result<(), Error> {
        self.change(path, &Change::Delete(path))
    }

    fn change(&mut self, path: &str, change: &Change<'_>) -> Result<(), Error> {
        let mut one = Writer::default();
        change.write(&mut one);
        if self.batch.0.len() + one.0.len() > BATCH_BYTES || self.paths.len() >= BATCH_CHANGES {
            self.send_batch()?;
        }
        self.batch.0.append(&mut one.0);
        self.paths.push(path.to_owned());
        Ok(())
    }

    fn send_batch(&mut self) -> Result<(), Error> {
        if self.paths.is_empty() {
            return Ok(());
        }
        end_of_list(&mut self.batch);
        let bytes = self.batch.0.len();
        let paths = std::mem::take(&mut self.paths);
        let sent = self.session.send(op::MULTI, &self.batch);
        self.batch.0.clear();
        let xid = sent.map_err(|error| too_large(error, bytes, &paths))?;
        self.under_way.push_back((xid, Sent::Batch(paths)));
        self.drain(BATCHES_UNDER_WAY - 1).map_err(|error| match &error {
            Error::Lost(_) => error.during(&format!(
                "a transaction of {bytes} bytes (the server's `jute.maxbuffer` may be smaller)"
            )),
            _ => error,
        })
    }

    /// Waits for answers until so many transactions are under way.
    fn drain(&mut self, left: usize) -> Result<(), Error> {
        while self.under_way.len() > left {
            let Incoming::Reply(reply) = self.session.receive()? else { continue };
            match self.under_way.pop_front() {
                Some((xid, sent)) if xid == reply.xid => check(&reply, &sent)?,
                _ => return Err(Error::Protocol("an answer to another request")),
            }
        }
        Ok(())
    }

    /// Sends everything but the last ACLs and waits until it is done.
    ///
    /// # Errors
    /// What the server refuses of it.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.send_batch()?;
        self.drain(0)
    }

    /// Advances the counter of the sequential children of `path` by making and deleting a child. Returns by how much it could
    /// not be advanced because it is more than `steps_max`.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn advance(&mut self, path: &str, to: u32, steps_max: u32) -> Result<u32, Error> {
        let stat = self.session()?.stat(path)?;
        let now = stat.and_then(|stat| stat.sequence()).unwrap_or(to);
        let steps = to.saturating_sub(now);
        if steps > steps_max {
            return Ok(steps);
        }
        // Both in one transaction, so that nobody sees it and nothing stays.
        let child = crate::scope::child(path, "lockgate-advances-the-counter");
        for _ in 0..steps {
            if self.paths.len() + 2 > BATCH_CHANGES {
                self.send_batch()?;
            }
            self.change(&child, &Change::Create(Kind::Persistent, &child, None, &Acl::open()))?;
            self.change(&child, &Change::Delete(&child))?;
        }
        self.flush()?;
        Ok(0)
    }

    /// Sets the last ACLs, children before their parents, and ends the session.
    ///
    /// # Errors
    /// What the server refuses.
    pub fn finish(mut self) -> Result<(), Error> {
        self.flush()?;
        // A child's ACL can be set whatever its parent's is, but what is set last is what a failure leaves open.
        self.closing.sort_by(|left, right| right.0.cmp(&left.0));
        for (path, acl) in std::mem::take(&mut self.closing) {
            let mut request = Writer::default();
            request.text(&path);
            Acl::write(&acl, &mut request);
            request.int(-1);
            let xid = self.session.send(op::SET_ACL, &request)?;
            self.under_way.push_back((xid, Sent::Acl(path)));
            self.drain(crate::limits::WINDOW_REQUESTS)?;
        }
        self.drain(0)?;
        self.session.close();
        Ok(())
    }
}

fn too_large(error: Error, bytes: usize, paths: &[String]) -> Error {
    let first = paths.first().map_or("", String::as_str);
    error.during(&format!("sending {bytes} bytes that begin with {}", printable(first)))
}

fn check(reply: &Reply, sent: &Sent) -> Result<(), Error> {
    let paths = match sent {
        Sent::Acl(path) => {
            let body = reply.body(|| format!("set the ACL of {}", printable(path)));
            return body.map(drop).map_err(hint);
        }
        Sent::Batch(paths) => paths,
    };
    let first = || paths.first().map_or("", String::as_str);
    let mut body =
        reply.body(|| format!("write nodes from {} on", printable(first()))).map_err(hint)?;
    for path in paths {
        match crate::message::Outcome::read(&mut body)? {
            Some(Outcome::Failed(Code::OK | Code::NOT_TRIED)) | Some(Outcome::Done) => {}
            Some(Outcome::Failed(code)) => {
                let doing = format!("write {}", printable(path));
                return Err(hint(Error::Server(ServerError::new(code, doing))));
            }
            Some(Outcome::Data(..)) | None => return Err(Error::Protocol("an answer is missing")),
        }
    }
    Ok(())
}

/// What to do about what servers refuse in a restore.
fn hint(error: Error) -> Error {
    let hint = match error.server().map(|it| it.code) {
        Some(Code::UNIMPLEMENTED) => {
            "nodes with a time to live need `extendedTypesEnabled=true` on the server"
        }
        Some(Code::INVALID_ACL) => {
            "the ACL names a scheme that this server does not know: set up the same authentication as at the source"
        }
        Some(Code::NODE_EXISTS | Code::NO_NODE | Code::NOT_EMPTY) => {
            "something else writes there during the restore"
        }
        _ => return error,
    };
    Error::Told(Told::from(error).context(hint))
}
