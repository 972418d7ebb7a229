//! The repository as others see it: restic and rustic_core judge what is written here, and write what is read here.

mod check;
mod crash;
mod forget;
mod interop;
mod prune;
mod referee;
mod rustic;
