//! The main job end to end: the built binary, its plugins, real servers, and restic as a referee.

mod audit;
mod certificates;
mod conformance;
mod folders;
mod health;
mod http;
mod interop;
mod mariadb;
mod plugins;
mod sets;
mod troubles;
mod trust;
