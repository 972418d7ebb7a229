//! The repository as others see it: restic and rustic_core judge what is written here, and write what is read here.

mod beside;
mod cat;
mod check;
mod crash;
mod diff;
mod find;
mod forget;
mod golden;
mod history;
mod interop;
mod keys;
mod parsers;
mod prune;
mod referee;
mod repair;
mod rustic;
mod stats;
mod tag;
mod tamper;
mod turns;
mod unreliable;
