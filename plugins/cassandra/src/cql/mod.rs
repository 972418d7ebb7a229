//! The native protocol, version 5, over any byte stream.
//!
//! Version 5 and not 4, although 4 would reach servers before 4.0: only 5 lets a client say at which second the rest of a value's
//! life is counted (`now_in_seconds`), without which the moments at which values expire cannot be told and set exactly.
//! Source: <https://github.com/apache/cassandra/blob/cassandra-5.0/doc/native_protocol_v5.spec>.

mod checksum;
mod connection;
mod frames;
mod read;
mod rows;
mod session;
mod write;

pub use connection::{Answer, Connection, Parameters, Prepared};
pub use read::Reader;
pub use rows::{Row, Rows};
pub(crate) use session::wait;
pub use session::{Session, pause};
pub use write::{Body, Value};
