//! How what a server refuses is told to the host.

use lockgate_plugin::Error;

/// An error reply of the server, by its first word. Words: `src/server.c` of Redis 7, `shared.*err`.
#[must_use]
pub fn told(reply: &str) -> Error {
    let word = reply.split(' ').next().unwrap_or_default();
    match word {
        "NOAUTH" | "WRONGPASS" => Error::auth(format!("the server refuses the account: {reply}")),
        "NOPERM" => Error::auth(format!(
            "{reply}; give the account what \"Permissions on the server\" in docs/plugins/redis.md lists"
        )),
        "LOADING" | "MASTERDOWN" | "NOMASTERLINK" | "TRYAGAIN" | "CLUSTERDOWN" => {
            Error::unreachable(format!("the server is not ready: {reply}"))
        }
        "MOVED" | "ASK" => Error::conflict(format!(
            "the cluster moved slots meanwhile ({reply}): run it again when it is stable"
        )),
        "OOM" => Error::conflict(format!(
            "the server's memory is full: {reply}; raise maxmemory at the target"
        )),
        "READONLY" => Error::conflict(format!("{reply}; restore into the master instead")),
        "MISCONF" => Error::conflict(reply),
        "BUSYKEY" => {
            Error::conflict(format!("{reply}; something writes to the target during the restore"))
        }
        "ERR" if reply.contains("DB index is out of range") => Error::conflict(format!(
            "{reply}; raise `databases` at the target, or rename the part to a database that it has"
        )),
        "ERR" if reply.contains("payload version or checksum") => Error::unsupported(format!(
            "{reply}; the target is older than the server that was backed up"
        )),
        "ERR" if reply.contains("Bad data format") => Error::corrupt(reply),
        "ERR" if reply.contains("without any password configured") => Error::auth(reply),
        _ => Error::other(format!("the server refuses: {reply}")),
    }
}

/// The server's bytes do not follow the protocol.
#[must_use]
pub fn protocol(what: impl std::fmt::Display) -> Error {
    Error::corrupt(format!("the server does not follow the protocol: {what}"))
}

/// A serialised value does not parse.
#[must_use]
pub fn malformed(what: impl std::fmt::Display) -> Error {
    Error::corrupt(format!("the snapshot does not parse: {what}"))
}
