//! Looks for servers that nobody named, and tires the host with one that was.
//!
//! The test grants: `server`, which answers; `silent`, which takes connections and says nothing; `endless`, which never stops;
//! `cluster`, whose members are one port of 127.0.0.2; `wide`, whose members are that port everywhere; `plain`,
//! without encryption.

use lockgate_plugin::Result;
use lockgate_plugin::bindings::lockgate::datastore::net as host;

use crate::{Behaviours, denied, held, refused};

/// Metadata services of clouds and what is no single host, each in several spellings.
const METADATA: [&str; 18] = [
    "169.254.169.254",
    "[169.254.169.254]",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "0xa9fea9fe",
    "2852039166",
    "0251.0376.0251.0376",
    "169.254.43518",
    "fd00:ec2::254",
    "fe80::1",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",
    "::",
    "255.255.255.255",
    "224.0.0.1",
];

/// This machine, in several spellings.
const OWN: [&str; 7] =
    ["127.0.0.1", "localhost", "::1", "::ffff:127.0.0.1", "2130706433", "0x7f000001", "127.1"];

pub const ALL: Behaviours = &[
    ("endpoint-ungranted", |_| {
        for name in ["other", "", "127.0.0.1:22", "server ", "SERVER", "server\0"] {
            denied("an endpoint", host::connect(name));
            denied("a member", host::connect_member(name, "127.0.0.2", 22));
        }
        held()
    }),
    ("member-out-of-range", |_| {
        let port = open_port()?;
        for address in ["127.0.0.1", "127.0.0.3", "10.0.0.1", "::ffff:127.0.0.3"] {
            denied(address, host::connect_member("cluster", address, port));
        }
        denied("no port", host::connect_member("cluster", "127.0.0.2", 0));
        denied("members of what is no cluster", host::connect_member("server", "127.0.0.1", 1));
        held()
    }),
    ("port-scan", |_| {
        for port in 1..=2000 {
            denied(port, host::connect_member("cluster", "127.0.0.2", port));
        }
        held()
    }),
    // `wide` grants every address there is, and means none of these.
    ("metadata-service", |_| {
        let port = open_port()?;
        for address in METADATA {
            for endpoint in ["cluster", "wide"] {
                refused(address, host::connect_member(endpoint, address, port));
            }
            denied(address, host::connect_member("wide", address, 80));
        }
        held()
    }),
    ("own-machine", |_| {
        let port = open_port()?;
        for address in OWN {
            refused(address, host::connect_member("cluster", address, port));
        }
        held()
    }),
    ("odd-hosts", |_| {
        let long = "a".repeat(1 << 20);
        let port = open_port()?;
        for address in [
            &long,
            "",
            " ",
            "a b",
            "a\n127.0.0.2",
            "user@127.0.0.2",
            "127.0.0.2:1",
            "127.0.0.2/",
            "-h",
            "\u{1b}[31m",
        ] {
            refused("a host", host::connect_member("cluster", address, port));
        }
        held()
    }),
    ("connection-churn", |_| {
        loop {
            host::connect("server")?;
        }
    }),
    ("silent-server", |_| {
        host::connect("silent")?.read(1)?;
        Ok(())
    }),
    ("silent-server-writes", |_| {
        let connection = host::connect("silent")?;
        loop {
            connection.write(&[0; 1 << 20])?;
        }
    }),
    ("endless-server", |_| {
        let connection = host::connect("endless")?;
        loop {
            assert!(!connection.read(u32::MAX)?.is_empty(), "BREACH: the endless server ended");
        }
    }),
    ("tls-where-there-is-none", |_| {
        let connection = host::connect("plain")?;
        denied("TLS that the grant excludes", connection.start_tls());
        assert!(!connection.is_encrypted(), "BREACH");
        let connection = host::connect("silent")?;
        connection.close_write()?;
        refused("writing after the end", connection.write(b"more"));
        held()
    }),
    ("tls-with-a-silent-server", |_| Ok(host::connect("silent")?.start_tls()?)),
    ("net-denied", |_| {
        assert!(host::endpoints()?.is_empty(), "BREACH");
        denied("an endpoint", host::connect("server"));
        held()
    }),
];

/// The port that the range of `cluster` opens: the one whose refusal does not speak of ports.
fn open_port() -> Result<u16> {
    let config: Port = lockgate_plugin::job::config()?;
    Ok(config.port)
}

#[derive(serde::Deserialize)]
struct Port {
    port: u16,
}
