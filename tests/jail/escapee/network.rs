//! The network, and other machines through sockets that are there already.

use libc::{AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM};

use crate::Attempt;
use crate::calls::{Tried, attempt, call};
use crate::stage::{Stage, address, connect};

pub const ATTEMPTS: &[Attempt] = &[
    ("make a TCP socket", |_| attempt!(SYS_socket, AF_INET, SOCK_STREAM, 0)),
    ("make a TCP socket over IPv6", |_| attempt!(SYS_socket, AF_INET6, SOCK_STREAM, 0)),
    ("make a UDP socket", |_| attempt!(SYS_socket, AF_INET, SOCK_DGRAM, 0)),
    ("make a raw socket", |_| attempt!(SYS_socket, AF_INET, SOCK_RAW, libc::IPPROTO_ICMP)),
    ("make a local socket", |_| attempt!(SYS_socket, AF_UNIX, SOCK_STREAM, 0)),
    ("make a netlink socket", |_| attempt!(SYS_socket, AF_NETLINK, SOCK_RAW, 0)),
    ("make a packet socket", |_| attempt!(SYS_socket, AF_PACKET, SOCK_RAW, 0)),
    ("make a local datagram socket", |_| attempt!(SYS_socket, AF_UNIX, SOCK_DGRAM, 0)),
    ("connect to a server", |stage| {
        let socket = call!(SYS_socket, AF_INET, SOCK_STREAM, 0)?;
        done(connect(socket as i32, stage.port))
    }),
    ("connect with a socket that is there", |stage| done(connect(stage.fresh, stage.port))),
    ("connect while sending", |stage| {
        let (socket, address) = (stage.fresh, address(stage.port));
        let length = size_of_val(&address);
        let flags = libc::MSG_FASTOPEN;
        attempt!(SYS_sendto, socket, c"x".as_ptr(), 1, flags, &raw const address, length)
    }),
    ("lead a connection elsewhere", |stage| {
        let none = libc::sockaddr { sa_family: 0, sa_data: [0; 14] };
        let length = size_of_val(&none);
        call!(SYS_connect, stage.connected, &raw const none, length)?;
        done(connect(stage.connected, stage.port))
    }),
    ("wait for connections", |stage| {
        let address = address(0);
        let length = size_of_val(&address);
        call!(SYS_bind, stage.fresh, &raw const address, length)?;
        attempt!(SYS_listen, stage.fresh, 1)
    }),
    ("bind an abstract name", |stage| {
        let name = libc::sockaddr { sa_family: AF_UNIX as u16, sa_data: [0; 14] };
        attempt!(SYS_bind, stage.local, &raw const name, 2)
    }),
    ("send a datagram", |stage| {
        let socket = call!(SYS_socket, AF_INET, SOCK_DGRAM, 0)?;
        let address = address(stage.port);
        let length = size_of_val(&address);
        attempt!(SYS_sendto, socket, c"x".as_ptr(), 1, 0, &raw const address, length)
    }),
    ("learn the address of the other side", |stage| {
        let mut name = [0_u8; 128];
        let mut length = 128_u32;
        attempt!(SYS_getpeername, stage.connected, name.as_mut_ptr(), &raw mut length)
    }),
    ("put a filter on a connection", filter),
];

fn done(result: i32) -> Tried {
    crate::calls::done(result.into())
}

/// Lets everything pass; that it is taken counts.
fn filter(stage: &Stage) -> Tried {
    let mut pass = libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: u32::MAX };
    let program = libc::sock_fprog { len: 1, filter: &raw mut pass };
    let (level, option) = (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER);
    let length = size_of_val(&program);
    attempt!(SYS_setsockopt, stage.connected, level, option, &raw const program, length)
}
