//! The HTTP service: a REST API over [`lockgate_operations`], and a page for people.
//!
//! One file for each group of calls; [`routes`] puts them together and says who may use each. What goes for all calls is in
//! `access` (who asks), `limits` (how much), `problem` (how trouble is told) and `observe` (what is measured).

#![forbid(unsafe_code)]

mod access;
mod audit;
mod backups;
mod content;
mod entries;
mod extract;
mod jobs;
mod limits;
mod me;
mod metrics;
mod observe;
mod page;
mod plugins;
mod problem;
mod routes;
mod schedules;
mod server;
mod service;
mod shelf;
mod sources;
mod sse;
mod tls;
mod token;

pub use routes::document;
pub use server::Server;
pub use token::NewToken;
