//! Sessions with real workers and real components.

mod caching;
mod capabilities;
mod component;
mod connections;
mod entries;
mod limits;
mod stage;
