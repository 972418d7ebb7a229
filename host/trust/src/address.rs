use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::{GrantError, Subject};

/// Longest host name, in bytes (RFC 1035, section 2.3.4).
const HOST_LENGTH_MAX: usize = 253;

/// Where a server listens: `host:port`, with an IPv6 host in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name, or an address without brackets.
    pub host: String,
    /// TCP port, not 0.
    pub port: u16,
}

impl Address {
    /// The host when it is an address and not a name.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl FromStr for Address {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let fault = |reason| GrantError::new(Subject::Address, text, reason);
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once("]:"),
            None => text.rsplit_once(':'),
        }
        .ok_or_else(|| fault("is not `host:port`"))?;
        if host.contains(':') != text.starts_with('[') {
            return Err(fault("is not `host:port`; an IPv6 host stands in brackets"));
        }
        if host.contains(':') && host.parse::<Ipv6Addr>().is_err() {
            return Err(fault("has no IPv6 address in its brackets"));
        }
        if !is_host(host) {
            return Err(fault("has no valid host name"));
        }
        match port.parse() {
            Ok(0) | Err(_) => Err(fault("has no port from 1 to 65535")),
            Ok(port) => Ok(Self { host: host.to_owned(), port }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(formatter, "[{}]:{}", self.host, self.port);
        }
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

/// Whether `text` may be given to a resolver: an address, or a name of letters, digits, `-`, `_` and `.`.
#[must_use]
pub fn is_host(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_name = !text.is_empty() && text.len() <= HOST_LENGTH_MAX && text.bytes().all(allowed);
    is_name || text.parse::<Ipv6Addr>().is_ok()
}

/// A range of addresses in CIDR notation (RFC 4632, RFC 4291 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` lies in the range. IPv4 addresses that are written as IPv6 count as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                Ipv4Addr::to_bits(network) & mask == Ipv4Addr::to_bits(address) & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                Ipv6Addr::to_bits(network) & mask == Ipv6Addr::to_bits(address) & mask
            }
            _ => false,
        }
    }
}

impl Network {
    /// The first and the last address of the range.
    pub(crate) fn ends(&self) -> (IpAddr, IpAddr) {
        match self.address {
            IpAddr::V4(network) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                let first = network.to_bits() & mask;
                (Ipv4Addr::from_bits(first).into(), Ipv4Addr::from_bits(first | !mask).into())
            }
            IpAddr::V6(network) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                let first = network.to_bits() & mask;
                (Ipv6Addr::from_bits(first).into(), Ipv6Addr::from_bits(first | !mask).into())
            }
        }
    }
}

impl FromStr for Network {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let fault = |reason| GrantError::new(Subject::Network, text, reason);
        let (address, prefix) =
            text.split_once('/').ok_or_else(|| fault("is not `address/bits`"))?;
        let address: IpAddr = address.parse().map_err(|_| fault("has no valid address"))?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        match prefix.parse() {
            Ok(prefix) if prefix <= bits_max => Ok(Self { address, prefix }),
            _ => Err(fault("has no valid number of bits")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_printed() {
        for text in ["db:3306", "127.0.0.1:1", "[::1]:65535", "a_b.example-1.org:9"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in [
            "", "db", "db:", "db:0", "db:65536", "::1:80", "[db]:1", "[::1]", ":1", "a b:1",
            "a/b:1",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn networks_contain_what_their_bits_say() {
        let contains = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(contains("10.2.0.0/24", "10.2.0.255"));
        assert!(contains("10.2.0.0/24", "::ffff:10.2.0.1"));
        assert!(!contains("10.2.0.0/24", "10.2.1.0"));
        assert!(contains("0.0.0.0/0", "1.2.3.4") && !contains("0.0.0.0/0", "fd00::1"));
        assert!(contains("10.0.0.1/32", "10.0.0.1") && !contains("10.0.0.1/32", "10.0.0.2"));
        assert!(contains("fd00::/8", "fd12::1") && !contains("fd00::/8", "fe80::1"));
        assert!(contains("::/0", "fd00::1"));
        for text in ["10.0.0.0", "10.0.0.0/33", "::/129", "x/8", "10.0.0.0/-1"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
