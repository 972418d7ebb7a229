//! Stand-ins of servers that cannot be had here, for the tests of their plugins: `lockgate-stand-in NAME PORT FOLDER`.
//!
//! Each is one module, written from the public description of the server's protocol, and driven by the maker's own client as
//! well, so that it is not only the plugin that agrees with it. What passes here is "verified against the recorded
//! protocol", never "verified". It listens on 127.0.0.1, and keeps what it was told in FOLDER, so that it can be killed and
//! started again as a server can.

mod arangodb;
mod journal;
mod marathon;
mod onos;
mod service;

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::service::Service;

/// Starts a service with the state that it left in a folder.
type Start = fn(&Path) -> Result<Box<dyn Service>>;

/// The stand-ins by their names.
const KNOWN: &[(&str, Start)] =
    &[("arangodb", arangodb::start), ("marathon", marathon::start), ("onos", onos::start)];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, port, folder] = arguments.as_slice() else {
        bail!("usage: lockgate-stand-in NAME PORT FOLDER");
    };
    let port = port.parse().with_context(|| format!("{port:?} is no port"))?;
    let Some((_, start)) = KNOWN.iter().find(|(known, _)| known == name) else {
        bail!("there is no stand-in of {name:?}");
    };
    let service = start(Path::new(folder)).with_context(|| format!("start {name}"))?;
    service::serve(service.as_ref(), port)
}
