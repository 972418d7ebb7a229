//! What a command does to several things, one after the other.

use lockgate_engine::{Error, ErrorKind, Result};

use crate::context::Context;
use crate::exit::{self, Exit};
use crate::output;

/// Does `one` with each of `all`. When one fails, the others are done all the same, unless the operator wants to stop.
///
/// # Errors
/// The only one's error; of several, `not_all` with the kind of the last error, each having been printed.
pub fn each<T>(
    context: &Context,
    all: &[T],
    not_all: &str,
    mut one: impl FnMut(&T) -> Result<Exit>,
) -> Result<Exit> {
    let mut ended = exit::OK;
    let mut failure = None;
    for this in all {
        match one(this) {
            Ok(exit::OK) => {}
            Ok(exit::INTERRUPTED) => return Ok(exit::INTERRUPTED),
            Ok(exit) => ended = exit,
            Err(error) if all.len() > 1 && error.kind() != ErrorKind::Interrupted => {
                output::print_error(&error, context.json);
                failure = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match failure {
        Some(error) => Err(Error::new(error.kind(), not_all)),
        None => Ok(ended),
    }
}
