//! Connections to endpoints that the operator named. The host resolves, checks each address against the grant and connects to
//! exactly the address it checked, so a name that changes its mind between the two gains nothing.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lockgate_trust::{Address, Encryption, EndpointGrant, Network, is_host, reserved};
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

    /// Where the endpoint is.
    pub fn address(&self) -> &Address {
        &self.address
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
        let check = |found: SocketAddr| refusal(found.ip(), self.address.names(found.ip()));
        let stream = dial(&target, check).await?;
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
        let stream = dial(&target, |found| self.member_refusal(found)).await?;
        Ok((stream, target))
    }

    /// Why a member's address is not dialled.
    fn member_refusal(&self, found: SocketAddr) -> Option<String> {
        let ranges = self.members.iter().filter(|(network, ports)| {
            network.contains(found.ip()) && ports.contains(&found.port())
        });
        let mut is_member = false;
        for (network, _) in ranges {
            is_member = true;
            // One range that allows it is enough.
            refusal(found.ip(), network.names(found.ip()))?;
        }
        if is_member {
            return refusal(found.ip(), false);
        }
        Some(format!("{} is outside the member ranges of the grant", found.ip()))
    }
}

/// Why an address that a name led to is not dialled: it is special, and the operator did not write it down.
fn refusal(address: IpAddr, is_named: bool) -> Option<String> {
    let reserved = reserved(address).filter(|_| !is_named)?;
    let words = reserved.words();
    Some(format!("{address} is {words}, which is reached only when the grant names it itself"))
}

async fn dial(
    target: &Target,
    refusal: impl Fn(SocketAddr) -> Option<String>,
) -> Result<TcpStream, Failure> {
    let mut cause = "the name has no address".to_owned();
    let mut is_denied = false;
    for address in resolve(target).await? {
        if let Some(why) = refusal(address) {
            is_denied = true;
            cause = why;
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
            members: members.collect(),
            ..EndpointGrant::default()
        };
        Endpoint::new("server", &grant).unwrap()
    }

    #[tokio::test]
    async fn special_addresses_are_dialled_only_when_they_are_named() {
        let endpoint = endpoint("localhost:1", &[("0.0.0.0/0", 80), ("127.0.0.2/32", 80)]);
        let denied = |found: &str| endpoint.member_refusal(format!("{found}:80").parse().unwrap());
        for text in ["169.254.169.254", "127.0.0.1", "0.0.0.0", "224.0.0.1", "168.63.129.16"] {
            let why = denied(text).unwrap();
            assert!(why.contains("only when the grant names it itself"), "{why}");
        }
        assert_eq!(denied("127.0.0.2"), None);
        assert_eq!(denied("10.0.0.1"), None);
        let why = refusal("::ffff:127.0.0.1".parse().unwrap(), false).unwrap();
        assert!(why.starts_with("::ffff:127.0.0.1 is a loopback address"), "{why}");
        assert_eq!(refusal("10.0.0.1".parse().unwrap(), false), None);
        // This machine's own name, or any other, must not lead to this machine.
        let named = super::Endpoint { address: "db:1".parse().unwrap(), ..endpoint.clone() };
        assert!(named.address.ip().is_none() && !named.address.names([127, 0, 0, 1].into()));
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
        assert!(denied(wide.connect_member("169.254.169.254", 80).await).contains("metadata"));
    }
}
