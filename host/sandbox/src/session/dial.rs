//! Connections to endpoints that the operator named. The host resolves, checks each address against the grant and connects to
//! exactly the address it checked, so a name that changes its mind between the two gains nothing.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lockgate_trust::{Address, Encryption, EndpointGrant, Network, is_host};
use lockgate_types::Failure;
use rustix::net::sockopt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::shown::shown;
use crate::limits::{ADDRESSES_MAX, CONNECT_TIMEOUT, RESOLVE_TIMEOUT};

/// A connection that is idle for this long is probed, then probed again, and given up.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 4;
/// Text of a foreign host name or error in a message, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// An endpoint of the grants, its texts read.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// As the plugin names it.
    pub name: String,
    address: Address,
    members: Vec<(Network, Vec<u16>)>,
    /// What the operator granted.
    pub grant: EndpointGrant,
}

/// Where a connection leads, for messages and certificates.
#[derive(Clone, Debug)]
pub struct Target {
    /// The endpoint's name.
    pub endpoint: String,
    /// The host and port that were asked for.
    pub address: Address,
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "endpoint {} ({})", self.endpoint, self.address)
    }
}

impl Endpoint {
    /// Reads a grant.
    ///
    /// # Errors
    /// When its texts do not parse.
    pub fn new(name: &str, grant: &EndpointGrant) -> Result<Self, lockgate_trust::GrantError> {
        let members = grant
            .members
            .iter()
            .map(|member| member.network.parse().map(|network| (network, member.ports.clone())));
        Ok(Self {
            name: name.to_owned(),
            address: grant.address()?,
            members: members.collect::<Result<_, _>>()?,
            grant: grant.clone(),
        })
    }

    /// Whether and when the host does TLS.
    pub fn encryption(&self) -> Encryption {
        self.grant.encryption
    }

    /// Connects to the endpoint itself.
    ///
    /// # Errors
    /// What the plugin is told.
    pub async fn connect(&self) -> Result<(TcpStream, Target), Failure> {
        let target = Target { endpoint: self.name.clone(), address: self.address.clone() };
        let is_configured = |address: IpAddr| self.address.ip() == Some(address);
        let allowed =
            |address: SocketAddr| is_configured(address.ip()) || !is_forbidden(address.ip());
        let stream = dial(&target, allowed, "a link-local, metadata or multicast address").await?;
        Ok((stream, target))
    }

    /// Connects to another member of the endpoint's cluster.
    ///
    /// # Errors
    /// What the plugin is told.
    pub async fn connect_member(
        &self,
        host: &str,
        port: u16,
    ) -> Result<(TcpStream, Target), Failure> {
        let address = Address { host: host.to_owned(), port };
        if self.members.is_empty() {
            let text = format!("endpoint {} has no `members` in its grant", self.name);
            return Err(Failure::Denied(text));
        }
        if !is_host(host) {
            let text = format!("{:?} is not a host", shown(host, TEXT_BYTES_MAX));
            return Err(Failure::Denied(text));
        }
        // A name is resolved only for a port that is open at all, so that names cannot carry data out for nothing.
        if !self.members.iter().any(|(_, ports)| ports.contains(&port)) {
            let text = format!("endpoint {}: no member range allows port {port}", self.name);
            return Err(Failure::Denied(text));
        }
        let target = Target { endpoint: self.name.clone(), address };
        let allowed = |address: SocketAddr| !is_forbidden(address.ip()) && self.is_member(address);
        let stream = dial(&target, allowed, "outside the member ranges of the grant").await?;
        Ok((stream, target))
    }

    fn is_member(&self, address: SocketAddr) -> bool {
        self.members.iter().any(|(network, ports)| {
            network.contains(address.ip()) && ports.contains(&address.port())
        })
    }
}

/// Addresses that no grant by name leads to: link-local ones, where clouds keep their metadata services, the fixed addresses
/// of such services outside that range, and those that are no single host.
fn is_forbidden(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
                || address.is_multicast()
                // Metadata services of Alibaba Cloud and Azure, as their documentation gives them.
                || matches!(address.octets(), [100, 100, 100, 200] | [168, 63, 129, 16])
        }
        IpAddr::V6(address) => {
            let segments = address.segments();
            // IPv4 inside IPv6: NAT64 (RFC 6052) and 6to4 (RFC 3056).
            let embedded = match segments {
                [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
                    let bits = u32::from(high) << 16 | u32::from(low);
                    is_forbidden(IpAddr::V4(bits.into()))
                }
                _ => false,
            };
            embedded
                || address.is_unicast_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                // Metadata service of Amazon EC2, as its documentation gives it.
                || segments == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
        }
    }
}

async fn dial(
    target: &Target,
    allowed: impl Fn(SocketAddr) -> bool,
    refusal: &str,
) -> Result<TcpStream, Failure> {
    let mut cause = "the name has no address".to_owned();
    let mut is_denied = false;
    for address in resolve(target).await? {
        if !allowed(address) {
            is_denied = true;
            cause = format!("{} is {refusal}", address.ip());
            continue;
        }
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                set_up(&stream);
                return Ok(stream);
            }
            Ok(Err(error)) => cause = format!("{address}: {}", text_of(&error)),
            Err(_) => {
                cause = format!("{address}: no answer within {} s", CONNECT_TIMEOUT.as_secs())
            }
        }
        is_denied = false;
    }
    let text = format!("{target}: {cause}");
    Err(if is_denied { Failure::Denied(text) } else { Failure::Unreachable(text) })
}

async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, Failure> {
    let Address { host, port } = &target.address;
    if let Some(address) = target.address.ip() {
        return Ok(vec![SocketAddr::new(address, *port)]);
    }
    let found = timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((host.as_str(), *port))).await;
    match found {
        Ok(Ok(addresses)) => Ok(addresses.take(ADDRESSES_MAX).collect()),
        Ok(Err(error)) => {
            let cause = text_of(&error);
            Err(Failure::Unreachable(format!("{target}: the name does not resolve: {cause}")))
        }
        Err(_) => {
            let seconds = RESOLVE_TIMEOUT.as_secs();
            Err(Failure::Unreachable(format!(
                "{target}: the name did not resolve within {seconds} s"
            )))
        }
    }
}

/// Small requests go out at once, and a peer that vanished is noticed. Where the system refuses, the connection works too.
fn set_up(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = sockopt::set_socket_keepalive(stream, true);
    let _ = sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE);
    let _ = sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL);
    let _ = sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES);
}

/// An error of the network in plain words.
pub fn text_of(error: &io::Error) -> String {
    let text = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset by the server",
        io::ErrorKind::HostUnreachable => "no route to the host",
        io::ErrorKind::NetworkUnreachable => "the network is unreachable",
        io::ErrorKind::TimedOut => "no answer",
        io::ErrorKind::UnexpectedEof => "the server closed the connection",
        _ => return shown(&error.to_string(), TEXT_BYTES_MAX).into_owned(),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use lockgate_trust::MemberRange;

    use super::*;

    fn endpoint(address: &str, members: &[(&str, u16)]) -> Endpoint {
        let members = members
            .iter()
            .map(|(network, port)| MemberRange { network: (*network).into(), ports: vec![*port] });
        let grant = EndpointGrant {
            address: address.to_owned(),
            encryption: Encryption::Off,
            ca_file: None,
            server_name: None,
            members: members.collect(),
        };
        Endpoint::new("server", &grant).unwrap()
    }

    #[test]
    fn metadata_addresses_are_forbidden_in_every_spelling() {
        for text in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "fd00:ec2::254",
            "100.100.100.200",
            "168.63.129.16",
            "0.0.0.0",
            "::",
            "255.255.255.255",
            "224.0.0.1",
            "ff02::1",
            "::ffff:0.0.0.0",
        ] {
            assert!(is_forbidden(text.parse().unwrap()), "{text}");
        }
        for text in
            ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "1.1.1.1", "fd00::1", "2001:db8::1"]
        {
            assert!(!is_forbidden(text.parse().unwrap()), "{text}");
        }
    }

    #[tokio::test]
    async fn a_refused_connection_names_endpoint_address_and_cause() {
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let address = format!("127.0.0.1:{port}");
        let failure = endpoint(&address, &[]).connect().await.unwrap_err();
        let text = format!("endpoint server ({address}): {address}: connection refused");
        assert_eq!(failure, Failure::Unreachable(text));
    }

    #[tokio::test]
    async fn members_are_reached_only_inside_their_ranges() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let denied = |result: Result<(TcpStream, Target), Failure>| match result {
            Err(Failure::Denied(text)) => text,
            other => panic!("{other:?}"),
        };
        let none = endpoint("db:1", &[]);
        assert!(denied(none.connect_member("127.0.0.1", port).await).contains("no `members`"));
        let open = endpoint("db:1", &[("127.0.0.0/8", port)]);
        assert!(open.connect_member("127.0.0.1", port).await.is_ok());
        assert!(open.connect_member("localhost", port).await.is_ok());
        assert!(denied(open.connect_member("10.0.0.1", port).await).contains("outside"));
        assert!(denied(open.connect_member("127.0.0.1", 1).await).contains("port 1"));
        assert!(denied(open.connect_member("a b\n", port).await).contains("not a host"));
        let wide = endpoint("db:1", &[("0.0.0.0/0", 80)]);
        assert!(denied(wide.connect_member("169.254.169.254", 80).await).contains("outside"));
    }
}
