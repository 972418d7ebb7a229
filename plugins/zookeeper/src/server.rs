//! Which server this is, and what it says of itself.
//! <https://zookeeper.apache.org/doc/r3.8.0/zookeeperAdmin.html#sc_4lw>

use std::io::Read;

use lockgate_plugin::{Error, Result, printable};

use crate::limits::WORD_BYTES_MAX;
use crate::session::Stream;

/// What was run in the tests.
pub const TESTED: &str =
    "tested: ZooKeeper 3.8.0 and 3.9.5; accepted by their documentation: ZooKeeper 3.7 to 3.9";

/// The answer to `srvr`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Major, minor and patch; none when the server does not answer this word.
    pub version: Option<(u32, u32, u32)>,
    /// `standalone`, `leader`, `follower`, `observer`.
    pub mode: Option<String>,
    /// The last transaction.
    pub zxid: Option<String>,
    /// Number of nodes.
    pub nodes: Option<u64>,
    /// Requests that wait for their turn.
    pub outstanding: Option<u64>,
    /// Whether it says that it has no majority to serve with.
    pub is_idle: bool,
}

impl Server {
    /// Asks over a connection of its own, which the server closes.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn ask<S: Stream>(mut stream: S) -> Result<Self> {
        stream.write_all(b"srvr")?;
        stream.flush()?;
        let mut text = Vec::new();
        stream.take(WORD_BYTES_MAX).read_to_end(&mut text)?;
        Ok(Self::parse(&String::from_utf8_lossy(&text)))
    }

    /// Reads the answer. One without a version is that of a server that must not tell, or that does not serve.
    pub fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            line.map(|rest| printable(rest.trim_start_matches(':').trim()))
        };
        Self {
            version: value("Zookeeper version").and_then(|text| version(&text)),
            mode: value("Mode"),
            zxid: value("Zxid"),
            nodes: value("Node count").and_then(|text| text.parse().ok()),
            outstanding: value("Outstanding").and_then(|text| text.parse().ok()),
            is_idle: text.contains("not currently serving"),
        }
    }

    /// Refuses a server that the plugin does not know.
    ///
    /// # Errors
    /// When the version is outside of what is known and `allow_untested` is not set.
    pub fn admit(&self, allow_untested: bool) -> Result<()> {
        match self.version {
            _ if self.is_idle => Err(Error::unreachable(
                "the server is not serving: its ensemble has no majority, or it has just been started",
            )),
            _ if allow_untested => Ok(()),
            Some((3, 7..=9, _)) => Ok(()),
            Some(_) => Err(Error::unsupported(format!(
                "{self} is not known to this plugin ({TESTED}); set allow-untested-version = true to try"
            ))),
            None => Err(Error::unsupported(
                "the server does not tell its version: `srvr` is missing in its setting `4lw.commands.whitelist`; \
                 set allow-untested-version = true to go on without",
            )),
        }
    }

    /// Whether the plugin was run against servers of this release.
    pub fn is_tested(&self) -> bool {
        matches!(self.version, Some((3, 8 | 9, _)))
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.version {
            Some((major, minor, patch)) => write!(formatter, "ZooKeeper {major}.{minor}.{patch}"),
            None => formatter.write_str("ZooKeeper of an unknown version"),
        }
    }
}

/// `3.8.0-5a02a05eddb59aee6ac762f7ea82e92a68eb9c0f, built on ...`
fn version(text: &str) -> Option<(u32, u32, u32)> {
    let end = text.find(|next: char| !next.is_ascii_digit() && next != '.').unwrap_or(text.len());
    let mut numbers = text.get(..end)?.split('.').map(|number| number.parse::<u32>().ok());
    let mut next = || numbers.next().flatten();
    Some((next()?, next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_read() {
        let server = Server::parse(
            "Zookeeper version: 3.8.0-${mvngit.commit.id}, built on 2023-11-07 21:10 UTC\nLatency min/avg/max: 0/0.0/0\n\
             Outstanding: 3\nZxid: 0x5\nMode: standalone\nNode count: 7\n",
        );
        assert_eq!(server.version, Some((3, 8, 0)));
        assert_eq!(server.mode.as_deref(), Some("standalone"));
        assert_eq!((server.nodes, server.outstanding), (Some(7), Some(3)));
        assert_eq!(server.zxid.as_deref(), Some("0x5"));
        assert!(server.admit(false).is_ok());
    }

    #[test]
    fn unknown_and_silent_servers_are_refused_unless_allowed() {
        for text in [
            "Zookeeper version: 2.8.0-1, built on x\n",
            "Zookeeper version: 3.4.14-x\n",
            "Zookeeper version: x\n",
            "srvr is not executed because it is not in the whitelist.\n",
            "",
        ] {
            let server = Server::parse(text);
            assert!(server.admit(false).is_err(), "{text}");
            assert!(server.admit(true).is_ok(), "{text}");
        }
        let idle = Server::parse("This ZooKeeper instance is not currently serving requests\n");
        assert!(matches!(
            idle.admit(true).unwrap_err().failure(),
            lockgate_plugin::Failure::Unreachable(_)
        ));
    }
}
