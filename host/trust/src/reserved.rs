//! Addresses that a name must not lead to: those of this machine, of its link, and of the metadata services of clouds, in every
//! form in which IPv6 can carry an IPv4 address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{Address, Network};

/// What is special about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// This machine itself.
    Loopback,
    /// The link only (RFC 3927, RFC 4291); clouds keep their metadata services there.
    LinkLocal,
    /// A metadata service of a cloud, from which machines get credentials.
    Metadata,
    /// No single host: unspecified, broadcast, multicast, or the old "this network" (RFC 1122, section 3.2.1.3).
    NoHost,
}

impl Reserved {
    /// In words, with article.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "the address of a cloud's metadata service",
            Self::NoHost => "the address of no single host",
        }
    }
}

/// What is special about `address`, or about an IPv4 address inside it; none for an ordinary one.
#[must_use]
pub fn reserved(address: IpAddr) -> Option<Reserved> {
    match address {
        IpAddr::V4(address) => reserved_v4(address),
        IpAddr::V6(address) => {
            reserved_v6(address).or_else(|| embedded(address).into_iter().find_map(reserved_v4))
        }
    }
}

fn reserved_v4(address: Ipv4Addr) -> Option<Reserved> {
    match address.octets() {
        // Amazon, Google, Microsoft, Oracle, DigitalOcean and others; Amazon's containers; Alibaba; Azure's host; as their
        // documentation gives them.
        [169, 254, 169, 254] | [169, 254, 170, 2] | [100, 100, 100, 200] | [168, 63, 129, 16] => {
            Some(Reserved::Metadata)
        }
        [169, 254, ..] => Some(Reserved::LinkLocal),
        [127, ..] => Some(Reserved::Loopback),
        [0, ..] | [224..=239, ..] | [255, 255, 255, 255] => Some(Reserved::NoHost),
        _ => None,
    }
}

fn reserved_v6(address: Ipv6Addr) -> Option<Reserved> {
    // Metadata services of Amazon EC2 and of its containers, as their documentation gives them.
    const METADATA: [[u16; 8]; 2] =
        [[0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23]];
    match address {
        _ if METADATA.contains(&address.segments()) => Some(Reserved::Metadata),
        _ if address.is_loopback() => Some(Reserved::Loopback),
        _ if address.is_unicast_link_local() => Some(Reserved::LinkLocal),
        _ if address.is_unspecified() || address.is_multicast() => Some(Reserved::NoHost),
        _ => None,
    }
}

/// The IPv4 addresses that a packet to `address` may end up at.
fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        // Mapped and compatible (RFC 4291, section 2.5.5), translated (RFC 2765).
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        // NAT64 by its well-known prefix (RFC 6052).
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => vec![v4(high, low)],
        // NAT64 of the site's own (RFC 8215). Its prefix may have 48, 56, 64 or 96 bits, and octet 8 is always left out
        // (RFC 6052, section 2.2). Read with the wrong length an address often begins with 0, which is no host to reach.
        [0x64, 0xff9b, 1, a, b, c, d, e] => [
            v4(a, b << 8 | c >> 8),
            v4(a << 8 | b & 0xff, c),
            v4(b << 8 | c >> 8, c << 8 | d >> 8),
            v4(d, e),
        ]
        .into_iter()
        .filter(|address| address.octets()[0] != 0)
        .collect(),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => vec![v4(high, low)],
        // Teredo (RFC 4380, section 4): the server, and the client with all bits inverted.
        [0x2001, 0, server_high, server_low, _, _, high, low] => {
            vec![v4(server_high, server_low), v4(!high, !low)]
        }
        // ISATAP (RFC 5214, section 6.1), in any network.
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => vec![v4(high, low)],
        _ => Vec::new(),
    }
}

impl Address {
    /// Whether the operator named `found` by writing this address: literally, or as `localhost` (RFC 6761, section 6.3).
    #[must_use]
    pub fn names(&self, found: IpAddr) -> bool {
        if let Some(own) = self.ip() {
            return own.to_canonical() == found.to_canonical();
        }
        let host = self.host.trim_end_matches('.').to_ascii_lowercase();
        let is_localhost = host == "localhost" || host.ends_with(".localhost");
        is_localhost && reserved(found) == Some(Reserved::Loopback)
    }
}

impl Network {
    /// Whether the operator named `found` by writing this range: it holds nothing but addresses that are special in the same
    /// way, or `found` alone.
    #[must_use]
    pub fn names(&self, found: IpAddr) -> bool {
        let (first, last) = self.ends();
        let kind = reserved(found);
        // A wide range may well begin and end with addresses of no single host; only blocks that are one piece count.
        let is_block = matches!(kind, Some(Reserved::Loopback | Reserved::LinkLocal))
            && reserved(first) == kind
            && reserved(last) == kind;
        self.contains(found) && (first == last || is_block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_seen_in_every_form() {
        use Reserved::{LinkLocal, Loopback, Metadata, NoHost};
        for (text, kind) in [
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("::1", Loopback),
            ("::ffff:127.0.0.1", Loopback),
            ("::127.0.0.1", Loopback),
            ("::ffff:0:127.0.0.1", Loopback),
            ("64:ff9b::127.0.0.1", Loopback),
            ("2002:7f00:1::", Loopback),
            ("2002:7f00:1:abcd::1", Loopback),
            ("169.254.0.1", LinkLocal),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("::ffff:169.254.1.1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("169.254.170.2", Metadata),
            ("100.100.100.200", Metadata),
            ("168.63.129.16", Metadata),
            ("fd00:ec2::254", Metadata),
            ("fd00:ec2::23", Metadata),
            ("::ffff:169.254.169.254", Metadata),
            ("::169.254.169.254", Metadata),
            ("::ffff:0:169.254.169.254", Metadata),
            ("64:ff9b::a9fe:a9fe", Metadata),
            ("64:ff9b:1::a9fe:a9fe", Metadata),
            ("64:ff9b:1:a9fe:a9:fe00::", Metadata),
            ("64:ff9b:1:0:a9:fea9:fe00:0", Metadata),
            ("64:ff9b:1:a9:fe:a9fe::", Metadata),
            ("2002:a9fe:a9fe::1", Metadata),
            ("2001:0:a9fe:a9fe::1", Metadata),
            ("2001:0:102:304:0:0:5601:5601", Metadata),
            ("2001:db8::5efe:a9fe:a9fe", Metadata),
            ("2001:db8::200:5efe:a9fe:a9fe", Metadata),
            ("0.0.0.0", NoHost),
            ("0.1.2.3", NoHost),
            ("255.255.255.255", NoHost),
            ("224.0.0.1", NoHost),
            ("239.1.1.1", NoHost),
            ("::", NoHost),
            ("ff02::1", NoHost),
            ("::ffff:0.0.0.0", NoHost),
            ("64:ff9b::", NoHost),
            ("2002:e000:1::", NoHost),
        ] {
            assert_eq!(reserved(text.parse().unwrap()), Some(kind), "{text}");
        }
    }

    #[test]
    fn ordinary_addresses_are_ordinary_in_every_form() {
        for text in [
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "100.64.0.1",
            "1.1.1.1",
            "fd00::1",
            "2001:db8::1",
            "2606:4700::1111",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::10.0.0.1",
            "64:ff9b:1:a00:0:100::",
            "2002:a00:1::1",
            "2001:0:102:304:0:0:f5ff:fffe",
            "2001:db8::5efe:a00:1",
        ] {
            assert_eq!(reserved(text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn a_special_address_counts_as_named_only_when_it_is_written_down() {
        let address = |text: &str, found: &str| {
            text.parse::<Address>().unwrap().names(found.parse().unwrap())
        };
        assert!(address("127.0.0.1:1", "127.0.0.1") && address("[::1]:1", "::1"));
        assert!(address("localhost:1", "127.0.0.1") && address("db.LOCALHOST.:1", "::1"));
        assert!(address("169.254.169.254:80", "::ffff:169.254.169.254"));
        assert!(!address("localhost:1", "169.254.169.254"));
        assert!(!address("db.example:1", "127.0.0.1") && !address("127.0.0.1:1", "127.0.0.2"));
        assert!(!address("notlocalhost:1", "127.0.0.1"));
        let network = |text: &str, found: &str| {
            text.parse::<Network>().unwrap().names(found.parse().unwrap())
        };
        assert!(network("127.0.0.0/8", "127.0.0.1") && network("fe80::/10", "fe80::1"));
        assert!(network("169.254.169.254/32", "169.254.169.254"));
        assert!(network("169.254.0.0/16", "169.254.1.1"));
        assert!(!network("169.254.0.0/16", "169.254.169.254"));
        assert!(!network("0.0.0.0/0", "127.0.0.1") && !network("126.0.0.0/7", "127.0.0.1"));
        assert!(!network("0.0.0.0/0", "0.0.0.0") && !network("::/0", "::"));
        assert!(!network("224.0.0.0/4", "224.0.0.1") && network("224.0.0.1/32", "224.0.0.1"));
        assert!(!network("10.0.0.0/8", "127.0.0.1") && !network("::/0", "::1"));
    }
}
