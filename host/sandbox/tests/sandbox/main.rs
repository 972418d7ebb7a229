//! Sessions with real workers and real components.

mod caching;
mod capabilities;
mod component;
mod connections;
mod contracts;
mod entries;
#[path = "../../src/worker/tests/guest.rs"]
#[allow(dead_code, reason = "the worker's own tests use the rest")]
mod guest;
mod http;
mod jail;
mod limits;
mod stage;
