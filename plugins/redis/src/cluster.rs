//! Which masters hold which keys: one for all, or those of a cluster. Source:
//! <https://redis.io/docs/latest/commands/cluster-slots/>.

use std::collections::BTreeMap;

use lockgate_plugin::host::Host;
use lockgate_plugin::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::checksum::{SLOTS, slot};
use crate::client::{Address, Client};
use crate::error::protocol;
use crate::limits::MASTERS_MAX;
use crate::resp::Reply;

/// A master and its slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Master {
    /// None for the server that the operator named.
    pub address: Address,
    /// First and last slot of each range, in order.
    pub slots: Vec<(u16, u16)>,
}

/// All masters, in the order of their first slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// At least one.
    pub masters: Vec<Master>,
    /// Whether keys are spread over slots.
    pub is_cluster: bool,
}

impl Topology {
    /// Asks the server.
    ///
    /// # Errors
    /// When it does not tell, or slots of a cluster have no master.
    pub fn read<H: Host>(client: &mut Client<H::Stream>) -> Result<Self> {
        let server = client.server()?;
        if !server.is_cluster() {
            let all = Master { address: None, slots: vec![(0, SLOTS - 1)] };
            return Ok(Self { masters: vec![all], is_cluster: false });
        }
        let own = client.call(&[b"CLUSTER", b"MYID"])?.text()?;
        let ranges = client.call(&[b"CLUSTER", b"SLOTS"])?.array()?;
        let mut masters: BTreeMap<String, Master> = BTreeMap::new();
        for range in ranges {
            let (first, last, id, address) = read_range(range)?;
            let address = if id == own { None } else { Some(address) };
            let master = masters.entry(id).or_insert(Master { address, slots: Vec::new() });
            master.slots.push((first, last));
        }
        let mut masters: Vec<Master> = masters.into_values().collect();
        masters.iter_mut().for_each(|master| master.slots.sort_unstable());
        masters.sort_by(|left, right| left.slots.cmp(&right.slots));
        if masters.len() > MASTERS_MAX {
            return Err(Error::unsupported(format!(
                "the cluster has more than {MASTERS_MAX} masters"
            )));
        }
        let topology = Self { masters, is_cluster: true };
        topology.check()?;
        Ok(topology)
    }

    /// Every slot has one master.
    fn check(&self) -> Result<()> {
        let mut ranges: Vec<(u16, u16)> =
            self.masters.iter().flat_map(|master| master.slots.clone()).collect();
        ranges.sort_unstable();
        let mut next: u32 = 0;
        for (first, last) in ranges {
            if u32::from(first) != next || last < first {
                return Err(Error::conflict(format!(
                    "slot {next} of the cluster has no master, or two: repair the cluster first"
                )));
            }
            next = u32::from(last) + 1;
        }
        if next == u32::from(SLOTS) {
            Ok(())
        } else {
            Err(Error::conflict(format!(
                "slot {next} of the cluster has no master: repair the cluster first"
            )))
        }
    }

    /// For each slot the number of its master.
    #[must_use]
    pub fn routes(&self) -> Routes {
        let mut masters = Vec::new();
        if self.is_cluster {
            masters = vec![0; SLOTS.into()];
            for (number, master) in self.masters.iter().enumerate() {
                for (first, last) in &master.slots {
                    if let Some(slots) = masters.get_mut(usize::from(*first)..=usize::from(*last)) {
                        slots.fill(number);
                    }
                }
            }
        }
        Routes(masters)
    }

    /// A connection to each master.
    ///
    /// # Errors
    /// When one cannot be reached.
    pub fn connect<H: Host>(&self, host: &H) -> Result<Vec<Client<H::Stream>>> {
        self.masters.iter().map(|master| Client::open(host, &master.address)).collect()
    }
}

/// For each slot the number of its master; empty when there is one for all.
#[derive(Clone, Debug)]
pub struct Routes(Vec<usize>);

impl Routes {
    /// The number of the master of a key.
    #[must_use]
    pub fn of(&self, key: &[u8]) -> usize {
        self.0.get(usize::from(slot(key))).copied().unwrap_or(0)
    }
}

/// First slot, last slot, then the master and its replicas: address, port, id, ...
fn read_range(range: Reply) -> Result<(u16, u16, String, (String, u16))> {
    let mut fields = range.array()?.into_iter();
    let mut next = || fields.next().ok_or_else(|| protocol("a range of slots is not complete"));
    let mut slot = || -> Result<u16> {
        let slot = u16::try_from(next()?.integer()?).ok().filter(|slot| *slot < SLOTS);
        slot.ok_or_else(|| protocol("a slot has an impossible number"))
    };
    let (first, last) = (slot()?, slot()?);
    let mut node = next()?.array()?.into_iter();
    let mut next = || node.next().ok_or_else(|| protocol("a master is not complete"));
    let address = match next()? {
        Reply::Nil => String::new(),
        other => other.text()?,
    };
    let port = u16::try_from(next()?.integer()?)
        .map_err(|_| protocol("a master has an impossible port"))?;
    Ok((first, last, next()?.text()?, (address, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(port: u16, slots: &[(u16, u16)]) -> Master {
        Master { address: Some(("10.0.0.1".into(), port)), slots: slots.to_vec() }
    }

    #[test]
    fn every_slot_has_one_master() {
        let good = Topology {
            masters: vec![master(1, &[(0, 99), (200, 16_383)]), master(2, &[(100, 199)])],
            is_cluster: true,
        };
        assert!(good.check().is_ok());
        assert_eq!(good.routes().of(b"foo"), 0);
        for slots in
            [&[(0, 99)][..], &[(0, 16_383), (5, 6)], &[(1, 16_383)], &[(5, 4), (0, 16_383)]]
        {
            let bad = Topology { masters: vec![master(1, slots)], is_cluster: true };
            assert!(bad.check().is_err(), "{slots:?}");
        }
    }

    #[test]
    fn hostile_ranges_are_refused() {
        let text = |text: &str| Reply::Bulk(text.into());
        let node = Reply::Array(vec![text("h"), Reply::Integer(7000), text("id")]);
        let range = |first, last, node: &Reply| {
            Reply::Array(vec![Reply::Integer(first), Reply::Integer(last), node.clone()])
        };
        assert_eq!(
            read_range(range(0, 5, &node)).unwrap(),
            (0, 5, "id".into(), ("h".into(), 7000))
        );
        assert!(read_range(range(0, 16_384, &node)).is_err());
        assert!(read_range(range(-1, 3, &node)).is_err());
        assert!(read_range(range(0, 1, &Reply::Array(vec![]))).is_err());
        assert!(read_range(Reply::Nil).is_err());
    }
}
