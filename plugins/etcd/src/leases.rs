//! Leases: numbers with a time to live. The server does not remember how they were at a revision.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};

use lockgate_plugin::{Entry, Error as Told, archive};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;
use crate::error::Error;
use crate::limits::LEASES_MAX;
use crate::message::{Done, LeaseState, Leases};

/// Entry of a part with the leases that its keys have, or with all.
pub const ENTRY: &str = "leases.jsonl";
/// The entry in memory, in bytes: a line has at most 60.
const ENTRY_BYTES_MAX: u64 = 60 * LEASES_MAX as u64;

/// Seconds that leases were granted, by their numbers.
pub type Granted = BTreeMap<i64, i64>;

/// One line of the entry.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: i64,
    ttl: i64,
}

/// Asks for the time to live of leases, once for each.
#[derive(Debug, Default)]
pub struct Cache {
    known: BTreeMap<i64, Option<i64>>,
}

impl Cache {
    /// The seconds that the lease was granted; none when it has ended.
    ///
    /// # Errors
    /// When the server cannot be asked.
    pub fn granted(&mut self, client: &mut Client, lease: i64) -> Result<Option<i64>, Error> {
        if let Some(known) = self.known.get(&lease) {
            return Ok(*known);
        }
        if self.known.len() >= LEASES_MAX {
            return Err(Told::unsupported(format!("more than {LEASES_MAX} leases")).into());
        }
        let granted = granted(client, lease)?;
        self.known.insert(lease, granted);
        Ok(granted)
    }
}

fn granted(client: &mut Client, lease: i64) -> Result<Option<i64>, Error> {
    let question = json!({ "ID": lease.to_string() });
    let state: LeaseState = match client.ask("/v3/lease/timetolive", &question) {
        Err(error) if error.is_lease_gone() => return Ok(None),
        answer => answer?,
    };
    Ok(if state.left.0 < 0 { None } else { Some(state.granted.signed()?) })
}

/// All leases of the cluster.
///
/// # Errors
/// When the server cannot be asked, or has too many.
pub fn all(client: &mut Client) -> Result<Granted, Error> {
    let Leases { leases } = client.ask("/v3/lease/leases", &json!({}))?;
    let mut all = Granted::new();
    for lease in leases {
        let id = lease.id.signed()?;
        if let Some(ttl) = granted(client, id)? {
            all.insert(id, ttl);
        }
    }
    Ok(all)
}

/// Makes a lease of this number, unless it is there with the same time to live.
///
/// # Errors
/// When it is there with another one, or the server refuses.
pub fn grant(client: &mut Client, lease: i64, ttl: i64) -> Result<(), Error> {
    let question = json!({ "ID": lease.to_string(), "TTL": ttl.to_string() });
    match client.ask::<Done>("/v3/lease/grant", &question) {
        Ok(_) => Ok(()),
        Err(error) if error.is_there_already() => match granted(client, lease)? {
            Some(there) if there != ttl => Err(Told::conflict(format!(
                "lease {lease:x} is there with {there} s to live and was archived with {ttl} s: revoke it first \
                 (etcdctl lease revoke {lease:x})"
            ))
            .into()),
            Some(_) => Ok(()),
            // It ended in between.
            None => Ok(client.ask::<Done>("/v3/lease/grant", &question).map(drop)?),
        },
        Err(error) => Err(error),
    }
}

/// Writes the entry.
///
/// # Errors
/// When the host does not take it.
pub fn write(leases: &Granted) -> Result<(), Error> {
    let mut writer = archive::create(&Entry::new(ENTRY).with_media_type("application/jsonl"))?;
    for (&id, &ttl) in leases {
        serde_json::to_writer(&mut writer, &Line { id, ttl })?;
        writer.write_all(b"\n")?;
    }
    Ok(writer.finish()?)
}

/// Reads the entry of the part that is imported; empty when the part has none.
///
/// # Errors
/// When it is damaged.
pub fn read() -> Result<Granted, Error> {
    for entry in archive::entries("") {
        if entry?.path == ENTRY.as_bytes() {
            return parse(archive::open(ENTRY.as_bytes())?);
        }
    }
    Ok(Granted::new())
}

fn parse(source: impl BufRead) -> Result<Granted, Error> {
    let mut leases = Granted::new();
    for line in source.take(ENTRY_BYTES_MAX).lines() {
        let Line { id, ttl } = serde_json::from_str(&line?)?;
        leases.insert(id, ttl);
    }
    Ok(leases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_others_refused() {
        let text = "{\"id\":-9223372036854775808,\"ttl\":60}\n{\"id\":5,\"ttl\":1}\n";
        assert_eq!(parse(text.as_bytes()).unwrap(), Granted::from([(i64::MIN, 60), (5, 1)]));
        assert!(parse("{\"id\":5}".as_bytes()).is_err());
        assert!(parse("{".as_bytes()).is_err());
    }
}
