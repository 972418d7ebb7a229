//! The client side of the MariaDB and MySQL protocol, over any byte stream. Written from the public descriptions:
//! <https://mariadb.com/kb/en/clientserver-protocol/> and
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>.
//!
//! Nothing that the server says is trusted: every length is checked against what is there, every size is bounded.

pub mod command;
pub mod frames;
pub mod handshake;
pub mod packet;
pub mod text;
pub mod value;
