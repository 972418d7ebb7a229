//! Whether a node serves: a login and a question by hand, after the native protocol in version 4
//! (<https://github.com/apache/cassandra/blob/trunk/doc/native_protocol_v4.spec>).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

const TIME_MAX: Duration = Duration::from_secs(5);
/// What a node answers here is short.
const ANSWER_LEN_MAX: usize = 64 * 1024;

const STARTUP: u8 = 0x01;
const READY: u8 = 0x02;
const AUTHENTICATE: u8 = 0x03;
const QUERY: u8 = 0x07;
const RESULT: u8 = 0x08;
const AUTH_RESPONSE: u8 = 0x0F;
const AUTH_SUCCESS: u8 = 0x10;

/// Whether a client can log in, or need not, and is told of so many other nodes.
pub(super) fn is_ready(address: SocketAddr, account: (&str, &str), others: usize) -> bool {
    look(address, account).is_ok_and(|known| known >= others as u64)
}

/// How many other nodes the node knows.
fn look(address: SocketAddr, (name, password): (&str, &str)) -> Result<u64> {
    let mut stream = TcpStream::connect_timeout(&address, TIME_MAX)?;
    stream.set_read_timeout(Some(TIME_MAX))?;
    match ask(&mut stream, STARTUP, b"\x00\x01\x00\x0BCQL_VERSION\x00\x053.0.0")? {
        (READY, _) => {}
        (AUTHENTICATE, _) => {
            let token = format!("\0{name}\0{password}").into_bytes();
            let len = u32::try_from(token.len())?.to_be_bytes();
            let answer = ask(&mut stream, AUTH_RESPONSE, &[&len, token.as_slice()].concat())?;
            if answer.0 != AUTH_SUCCESS {
                bail!("the login is refused");
            }
        }
        (kind, _) => bail!("an answer of kind {kind}"),
    }
    let question = b"SELECT count(tokens) FROM system.peers_v2";
    let len = u32::try_from(question.len())?.to_be_bytes();
    // Consistency ONE, no more parameters.
    let query = [&len, question.as_slice(), &[0, 1, 0]].concat();
    let (RESULT, rows) = ask(&mut stream, QUERY, &query)? else { bail!("the question is refused") };
    // The one value of the one row is the last.
    let count = rows.last_chunk().context("an answer without a number")?;
    Ok(u64::from_be_bytes(*count))
}

/// Kind and body of the answer.
fn ask(stream: &mut TcpStream, kind: u8, body: &[u8]) -> Result<(u8, Vec<u8>)> {
    let len = u32::try_from(body.len())?.to_be_bytes();
    stream.write_all(&[&[4, 0, 0, 0, kind], len.as_slice(), body].concat())?;
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let [_, _, _, _, kind, a, b, c, d] = head;
    let len = u32::from_be_bytes([a, b, c, d]) as usize;
    if len > ANSWER_LEN_MAX {
        bail!("an answer of {len} bytes");
    }
    let mut body = vec![0; len];
    stream.read_exact(&mut body)?;
    Ok((kind, body))
}
