//! The main job end to end: the built binary, its plugins, real servers, and restic as a referee.

mod audit;
mod certificates;
mod conformance;
mod copies;
mod folders;
mod generated;
mod health;
mod http;
mod interop;
mod mariadb;
mod object_lock;
mod objects;
mod plugins;
mod repository;
mod sets;
mod troubles;
mod trust;
