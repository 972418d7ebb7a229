//! Text from plugins and servers, made fit for a terminal, a log and a single line.

pub use lockgate_types::{into_shown, shown};
