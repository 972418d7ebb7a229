//! A datastore whose driver is another program, in any language: it gets questions as lines of JSON on its standard input
//! and answers with lines of JSON on its standard output. The messages are described in the README of this crate.
//!
//! The program is foreign: a line has an end, an answer a deadline, and what it says is checked.

mod connection;
mod message;

use std::cell::RefCell;
use std::ffi::OsString;
use std::rc::Rc;

use anyhow::{Context as _, Result, ensure};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::datastore::{
    Attempt, Content, Contents, Datastore, Disguise, Renaming, Role, Selection, Server, Source,
    Writer,
};
use connection::Connection;
use message::{Description, Question, Replies, Started, Stopped, Writing};

/// Longest text that is taken over from a driver into a report, in bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// A driver program that was started.
pub struct Driver {
    connection: Rc<RefCell<Connection>>,
    description: Description,
    skips: Vec<(&'static str, &'static str)>,
}

impl Driver {
    /// Starts a program and asks what it drives.
    ///
    /// # Errors
    /// When it cannot be started, or does not answer as it must.
    pub fn start(program: &OsString, arguments: &[OsString]) -> Result<Self> {
        let mut connection = Connection::open(program, arguments)?;
        let described = connection.ask(&Question::new("describe"))?;
        let description: Description = read("describe", described)?;
        for text in [&description.plugin, &description.server_version] {
            let fits = !text.is_empty() && text.len() <= TEXT_BYTES_MAX;
            ensure!(fits && !text.contains(char::is_control), "the driver says {text:?} of itself");
        }
        let mut skips = Vec::new();
        for skip in &description.skips {
            let case = crate::cases::find(&skip.case).with_context(|| {
                format!("the driver skips a case {:?}, which is none", skip.case)
            })?;
            let reason = skip.reason.chars().filter(|character| !character.is_control());
            // The trait asks for texts that stay; there is one of them for each case of each driver.
            skips.push((case.name, &*String::leak(reason.take(TEXT_BYTES_MAX).collect())));
        }
        let connection = Rc::new(RefCell::new(connection));
        Ok(Self { connection, description, skips })
    }
}

impl Datastore for Driver {
    fn plugin(&self) -> &str {
        &self.description.plugin
    }

    fn server_version(&self) -> Result<String> {
        Ok(self.description.server_version.clone())
    }

    fn start(&self, role: Role) -> Result<Box<dyn Server>> {
        let mut question = Question::new("start");
        question.role = Some(match role {
            Role::Source => "source",
            Role::Target => "target",
        });
        let answer = self.connection.borrow_mut().ask(&question)?;
        let started: Started = read("start", answer)?;
        let mut server = Remote {
            connection: self.connection.clone(),
            number: started.server,
            source: Source::default(),
            selection: Selection::default(),
            renaming: Renaming::default(),
        };
        // The trait gives these without a chance to fail.
        server.source = server.ask("source")?;
        server.selection = server.ask("selection")?;
        server.renaming = server.ask("renaming")?;
        Ok(Box::new(server))
    }

    fn skips(&self) -> Vec<(&'static str, &'static str)> {
        self.skips.clone()
    }
}

/// A server of the driver's, by its number.
struct Remote {
    connection: Rc<RefCell<Connection>>,
    number: u64,
    source: Source,
    selection: Selection,
    renaming: Renaming,
}

impl Remote {
    fn question(&self, verb: &'static str) -> Question {
        let mut question = Question::new(verb);
        question.server = Some(self.number);
        question
    }

    fn ask<T: DeserializeOwned>(&self, verb: &'static str) -> Result<T> {
        let answer = self.connection.borrow_mut().ask(&self.question(verb))?;
        read(verb, answer)
    }

    /// A question whose answer says only that it is done.
    fn tell(&self, question: &Question) -> Result<()> {
        self.connection.borrow_mut().ask(question).map(drop)
    }
}

impl Server for Remote {
    fn source(&self) -> Source {
        self.source.clone()
    }

    fn clear(&mut self) -> Result<()> {
        self.tell(&self.question("clear"))
    }

    fn fill(&mut self, content: Content) -> Result<()> {
        let mut question = self.question("fill");
        question.content = Some(content.into());
        self.tell(&question)
    }

    fn contents(&mut self) -> Result<Contents> {
        self.ask("contents")
    }

    fn selection(&self) -> Selection {
        self.selection.clone()
    }

    fn renaming(&self) -> Renaming {
        self.renaming.clone()
    }

    fn write(&mut self) -> Result<Box<dyn Writer>> {
        let writing: Writing = self.ask("write")?;
        Ok(Box::new(RemoteWriter { connection: self.connection.clone(), number: writing.writer }))
    }

    fn check_invariant(&mut self) -> Result<()> {
        self.tell(&self.question("check-invariant"))
    }

    fn kill(&mut self) -> Result<()> {
        self.tell(&self.question("kill"))
    }

    fn restart(&mut self) -> Result<()> {
        self.tell(&self.question("restart"))
    }

    fn revoke(&mut self) -> Result<()> {
        self.tell(&self.question("revoke"))
    }

    fn disguise(&mut self) -> Result<Disguise> {
        let disguise: Replies = self.ask("disguise")?;
        disguise.try_into()
    }

    fn attempt(&mut self) -> Result<Attempt> {
        self.ask("attempt")
    }

    fn leftovers(&mut self) -> Result<Vec<String>> {
        self.ask("leftovers")
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // A driver that cannot stop it loses it at its own end.
        let _ = self.tell(&self.question("drop"));
    }
}

struct RemoteWriter {
    connection: Rc<RefCell<Connection>>,
    number: u64,
}

impl Writer for RemoteWriter {
    fn stop(self: Box<Self>) -> Result<u64> {
        let mut question = Question::new("stop");
        question.writer = Some(self.number);
        let stopped: Stopped = read("stop", self.connection.borrow_mut().ask(&question)?)?;
        Ok(stopped.changes)
    }
}

fn read<T: DeserializeOwned>(verb: &str, answer: Value) -> Result<T> {
    serde_json::from_value(answer).with_context(|| format!("the driver's answer to {verb}"))
}
