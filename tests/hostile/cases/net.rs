//! Servers.

use crate::case::{Case, end, held};

const MEMBER: &[&str] = &["net.connect-member"];

pub const ALL: &[Case] = &[
    Case::both(
        "endpoint-ungranted",
        &["net.connect", "net.connect-member"],
        held(&[
            "the network: the plugin asked for \"other\"",
            "the network: the plugin asked for \"127.0.0.1:22\"",
        ]),
    ),
    Case::both(
        "member-out-of-range",
        MEMBER,
        held(&["127.0.0.3", "endpoint server has no `members`"]),
    ),
    Case::both("port-scan", MEMBER, held(&["allows port 1", "more requests were refused"])),
    Case::both(
        "metadata-service",
        MEMBER,
        held(&["169.254.169.254", "64:ff9b::a9fe:a9fe", "fd00:ec2::254"]),
    ),
    Case::both("own-machine", MEMBER, held(&["127.0.0.1", "localhost"])),
    Case::both("odd-hosts", MEMBER, held(&["user@127.0.0.2", "is not a host"])),
    Case::for_ever("connection-churn", &["net.connect"]),
    Case::both(
        "silent-server",
        &["net.connection.read"],
        end(13, &["silent", "the server was silent for 0.4 s"]),
    ),
    Case::both(
        "silent-server-writes",
        &["net.connection.write"],
        end(13, &["silent", "the server was silent for 0.4 s"]),
    ),
    Case::for_ever("endless-server", &["net.connection.read"]),
    Case::both(
        "tls-where-there-is-none",
        &["net.connection.start-tls", "net.connection.is-encrypted", "net.connection.close-write"],
        held(&["`encryption = \"off\"`"]),
    ),
    Case {
        call_ms: 700,
        ..Case::both(
            "tls-with-a-silent-server",
            &["net.connection.start-tls"],
            end(21, &["did not return within"]),
        )
    },
    Case::both(
        "net-denied",
        &["net.endpoints", "net.connect"],
        held(&["the network: the plugin asked for \"server\""]),
    )
    .ungranted(),
];
