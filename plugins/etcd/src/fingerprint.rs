//! The fingerprint of keys: over all of them in their order, under their archived names.

use lockgate_plugin::Fingerprint;

use crate::client::Client;
use crate::error::Error;
use crate::leases::Cache;
use crate::scan::{KeyValue, Revision, Scan, What};
use crate::target::Segment;

/// A fingerprint that grows.
#[derive(Debug, Default)]
pub struct Keys {
    hash: Fingerprint,
    count: u64,
}

impl Keys {
    /// Adds a key, with the seconds that its lease was granted.
    pub fn add(&mut self, record: &KeyValue, ttl: Option<i64>) {
        self.hash.add(&record.key);
        self.hash.add(&record.value);
        if let Some(ttl) = ttl {
            self.hash.add(record.lease.to_le_bytes());
            self.hash.add(ttl.to_le_bytes());
        } else {
            self.hash.add("");
        }
        self.count += 1;
    }

    /// Of everything that was added.
    pub fn finish(mut self) -> String {
        self.hash.add_number(self.count);
        self.hash.finish()
    }
}

/// Of the live keys that the segments of a part lead to.
///
/// # Errors
/// When the server cannot be asked.
pub fn live(
    client: &mut Client,
    leases: &mut Cache,
    segments: &[Segment],
) -> Result<String, Error> {
    let mut keys = Keys::default();
    for segment in segments {
        let mut scan = Scan::new(&segment.target, What::All, Revision::Pinned);
        while let Some(mut record) = scan.next(client)? {
            let ttl = match record.lease {
                0 => None,
                lease => match leases.granted(client, lease)? {
                    None => continue,
                    ttl => ttl,
                },
            };
            record.key = segment.archived(&record.key);
            keys.add(&record, ttl);
        }
    }
    Ok(keys.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_change_changes_it() {
        let record = |key: &str, value: &str, lease| KeyValue {
            key: key.into(),
            value: value.into(),
            lease,
        };
        let of = |records: &[(KeyValue, Option<i64>)]| {
            let mut keys = Keys::default();
            records.iter().for_each(|(record, ttl)| keys.add(record, *ttl));
            keys.finish()
        };
        let all = [
            of(&[]),
            of(&[(record("a", "", 0), None)]),
            of(&[(record("a", "1", 0), None)]),
            of(&[(record("a", "", 5), Some(60))]),
            of(&[(record("a", "", 5), Some(61))]),
            of(&[(record("a", "", 6), Some(60))]),
            of(&[(record("a", "", 0), None), (record("b", "", 0), None)]),
        ];
        let distinct: std::collections::BTreeSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }
}
