//! Many questions under way at once, answers and events in the server's order.

use std::collections::VecDeque;

use lockgate_plugin::printable;

use crate::error::{Code, Error};
use crate::jute::Reader;
use crate::limits::{CANCEL_CHECK_REPLIES, WINDOW_REQUESTS};
use crate::message::{Event, of_path, op};
use crate::scope::{Scope, child};
use crate::session::{Incoming, Reply, Session, Stream};

/// What is asked about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Its data.
    Data,
    /// Its ACL.
    Acl,
    /// The names of its children.
    Children,
    /// What is known about it.
    Stat,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// What.
    pub about: About,
    /// Of which node.
    pub path: String,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// An answer.
    Answer(Ask, Reply),
    /// An event.
    Event(Event),
}

/// Names of children that were not looked at yet, as the server sent them: a node may have a million.
#[derive(Debug)]
struct Listing {
    parent: String,
    names: Vec<u8>,
    at: usize,
    left: usize,
}

/// Questions to one session.
#[derive(Debug)]
pub struct Pipeline<'s, S: Stream> {
    session: &'s mut Session<S>,
    go_on: fn() -> lockgate_plugin::Result<()>,
    replies: u64,
    waiting: Vec<Ask>,
    listings: Vec<Listing>,
    under_way: VecDeque<(i32, Ask)>,
}

impl<'s, S: Stream> Pipeline<'s, S> {
    /// Over a session in which nothing is under way. `go_on` fails when the operator has stopped the run.
    pub fn new(session: &'s mut Session<S>, go_on: fn() -> lockgate_plugin::Result<()>) -> Self {
        Self {
            session,
            go_on,
            replies: 0,
            waiting: Vec::new(),
            listings: Vec::new(),
            under_way: VecDeque::new(),
        }
    }

    /// Asks as soon as there is room.
    pub fn ask(&mut self, about: About, path: impl Into<String>) {
        self.waiting.push(Ask { about, path: path.into() });
    }

    /// Whether a question could be sent at once, so that the caller may make more.
    pub fn has_room(&self) -> bool {
        self.waiting.len() + self.under_way.len() < WINDOW_REQUESTS
    }

    /// Takes the names of the children of `parent`, each of which is asked about later.
    ///
    /// # Errors
    /// When the answer is broken.
    pub fn list(&mut self, parent: String, answer: Reply) -> Result<(), Error> {
        let names = answer.into_body();
        let mut reader = Reader::new(&names);
        let left = reader.count(4)?;
        let at = names.len() - reader.rest().len();
        self.listings.push(Listing { parent, names, at, left });
        Ok(())
    }

    /// The next answer or event; none when all questions are answered. Children that were listed and that `scope` takes are
    /// asked for `about`.
    ///
    /// # Errors
    /// When the connection is gone, the server does not keep the order, or the run was stopped.
    pub fn next(&mut self, scope: &Scope, about: About) -> Result<Option<Next>, Error> {
        while self.under_way.len() < WINDOW_REQUESTS {
            let Some(ask) = self
                .waiting
                .pop()
                .map_or_else(|| self.next_child(scope, about), |ask| Ok(Some(ask)))?
            else {
                break;
            };
            let operation = match ask.about {
                About::Data => op::GET_DATA,
                About::Acl => op::GET_ACL,
                About::Children => op::GET_CHILDREN,
                About::Stat => op::EXISTS,
            };
            let mut request = of_path(&ask.path);
            if ask.about == About::Acl {
                // Nothing says whether to watch an ACL.
                request.0.pop();
            }
            let xid = self.session.send(operation, &request)?;
            self.under_way.push_back((xid, ask));
        }
        if self.under_way.is_empty() {
            return Ok(None);
        }
        let reply = match self.session.receive()? {
            Incoming::Event(event) => return Ok(Some(Next::Event(event))),
            Incoming::Reply(reply) => reply,
        };
        self.replies += 1;
        if self.replies.is_multiple_of(CANCEL_CHECK_REPLIES) {
            (self.go_on)()?;
        }
        match self.under_way.pop_front() {
            Some((xid, ask)) if xid == reply.xid => Ok(Some(Next::Answer(ask, reply))),
            _ => Err(Error::Protocol("an answer to another request")),
        }
    }

    fn next_child(&mut self, scope: &Scope, about: About) -> Result<Option<Ask>, Error> {
        while let Some(listing) = self.listings.last_mut() {
            while listing.left > 0 {
                let mut reader = Reader::new(listing.names.get(listing.at..).unwrap_or_default());
                let name = reader.text()?;
                listing.at = listing.names.len() - reader.rest().len();
                listing.left -= 1;
                if name.is_empty() || name.contains('/') {
                    return Err(Error::Protocol("a node's child has an impossible name"));
                }
                let path = child(&listing.parent, &name);
                if scope.takes(&path) {
                    return Ok(Some(Ask { about, path }));
                }
            }
            self.listings.pop();
        }
        Ok(None)
    }

    /// Asks one thing while nothing else is under way, and gives the events that came before the answer to `on_event`.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn one(
        &mut self,
        operation: i32,
        body: &crate::jute::Writer,
        mut on_event: impl FnMut(&Event),
    ) -> Result<Reply, Error> {
        (self.go_on)()?;
        let xid = self.session.send(operation, body)?;
        loop {
            match self.session.receive()? {
                Incoming::Event(event) => on_event(&event),
                Incoming::Reply(reply) if reply.xid == xid => return Ok(reply),
                Incoming::Reply(_) => return Err(Error::Protocol("an answer to another request")),
            }
        }
    }
}

/// The server's refusal to an [`Ask`], in words; none when the node is merely not there.
///
/// # Errors
/// Any other refusal.
pub fn found<'r>(ask: &Ask, reply: &'r Reply) -> Result<Option<Reader<'r>>, Error> {
    if reply.code == Code::NO_NODE {
        return Ok(None);
    }
    let what = match ask.about {
        About::Data => "the data of",
        About::Acl => "the ACL of",
        About::Children => "the children of",
        About::Stat => "about",
    };
    reply.body(|| format!("read {what} {}", printable(&ask.path))).map(Some)
}
