//! Fingerprints of live data, equal to those of a backup after a faithful restore.

use std::collections::BTreeMap;

use lockgate_plugin::Result;
use lockgate_plugin::host::Host;

use crate::client::Client;
use crate::cluster::Topology;
use crate::config::{Config, Method, Scope};
use crate::database::{Origin, Others, pass_over, take_all};
use crate::keys::{KeyWriter, Tally};
use crate::scan::Walk;
use crate::sync;

/// Of each of `databases`, with the keys that count there. All are read at once where the server gives snapshots.
///
/// # Errors
/// When the server refuses.
pub fn fingerprints<H: Host>(
    host: &H,
    config: &Config,
    topology: &Topology,
    databases: &BTreeMap<u64, Scope>,
) -> Result<BTreeMap<u64, String>> {
    let is_replicated = match config.method {
        Method::Replication => true,
        Method::Scan => false,
        Method::Auto => sync::is_allowed(&mut Client::open(host, &None)?)?,
    };
    let mut readings = Vec::new();
    if is_replicated {
        for master in &topology.masters {
            let asked = sync::ask(host, &master.address, config.transfer)?;
            readings.push(asked.wait()?.read()?);
        }
    }
    let mut found = BTreeMap::new();
    for (number, scope) in databases {
        let mut origins = Vec::new();
        if is_replicated {
            for reading in &mut readings {
                pass_over(host, reading, Some(*number), &Others::default())?;
                origins.push((Origin::Snapshot(reading), KeyWriter::<H>::counter()));
            }
        } else {
            for client in topology.connect(host)? {
                let walk = Walk::begin(client, *number, scope)?;
                origins.push((Origin::Server(walk), KeyWriter::<H>::counter()));
            }
        }
        let (tally, _): (Tally, bool) = take_all(host, "", *number, scope, origins)?;
        found.insert(*number, tally.fingerprint());
    }
    Ok(found)
}
