//! Servers that speak HTTP, and those that do not.

use crate::case::{Case, end, held};

const START: &[&str] = &["http.start"];

pub const ALL: &[Case] = &[
    Case::both(
        "http-ungranted",
        START,
        held(&[
            "http: the plugin asked for \"other\"",
            "http: the plugin asked for \"127.0.0.1:22\"",
        ]),
    ),
    Case::both("http-smuggling", START, held(&["the header host is the host's to write"])),
    Case::both("http-flood", START, held(&["requests are under way"])),
    Case::both(
        "http-noise",
        &["http.exchange.write", "http.exchange.finish", "http.exchange.read"],
        held(&["endpoint noise ("]),
    ),
    Case::both(
        "http-silent-server",
        &["http.exchange.finish"],
        end(13, &["plain", "the server was silent for 0.4 s"]),
    ),
    Case::both(
        "http-silent-server-writes",
        &["http.exchange.write"],
        end(13, &["plain", "the server was silent for 0.4 s"]),
    ),
    Case::both("http-denied", START, held(&["http: the plugin asked for \"plain\""])).ungranted(),
];
