//! The client side of PostgreSQL's protocol, version 3.0, over any byte stream. Written from the public description:
//! <https://www.postgresql.org/docs/15/protocol.html>.
//!
//! Nothing that the server says is trusted: every length is checked against what is there, every size is bounded.

pub mod message;
pub mod row;
pub mod startup;
