//! Attacks the terminal and the log.

use lockgate_plugin::bindings::lockgate::datastore::job;
use lockgate_plugin::{Attribute, Error};

use crate::Behaviours;

/// Sets the title of a terminal, colours, moves, starts a line of its own, and turns the text around.
pub const CONTROL: &str = "\u{1b}]0;owned\u{7}\u{1b}[31m\u{9b}2J\r\nlockgate: done\u{202e}\0";

pub const ALL: Behaviours = &[
    ("terminal-error", |_| Err(Error::other(CONTROL))),
    ("terminal-panic", |_| panic!("{CONTROL}")),
    ("terminal-log", |_| {
        let fields = [Attribute::new(CONTROL, CONTROL)];
        for level in [job::Level::Error, job::Level::Warn, job::Level::Info] {
            job::log(level, CONTROL, &fields);
        }
        job::progress(CONTROL, 1, 1);
        Err(Error::other("said it"))
    }),
    // More than the log takes of one call; what is refused afterwards must be in the log all the same.
    ("log-flood", |way| {
        let message = "x".repeat(1000);
        for _ in 0..100_000 {
            job::log(job::Level::Error, &message, &[]);
        }
        crate::files::ungranted(way)
    }),
    ("progress-flood", |_| {
        loop {
            job::progress("victim", u64::MAX, u64::MAX);
        }
    }),
    ("false-panic", |_| {
        job::log(job::Level::Error, "not a panic at all", &[Attribute::new("panic", "true")]);
        Err(Error::other("went on"))
    }),
];
