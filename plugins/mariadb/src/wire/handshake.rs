//! From a fresh connection to an authenticated session: <https://mariadb.com/kb/en/connection/>.

use lockgate_plugin::host::{Account, Stream};
use lockgate_plugin::net::Encryption;
use lockgate_plugin::{Error as Told, printable};

use crate::error::Error;
use crate::limits::AUTHENTICATION_ROUNDS_MAX;
use crate::wire::command::error_packet;
use crate::wire::packet::Packets;
use crate::wire::value::{Cursor, put_length};

// Capabilities: <https://mariadb.com/kb/en/connection/#capabilities>.
const LONG_PASSWORD: u64 = 1;
const LOCAL_FILES: u64 = 1 << 7;
const PROTOCOL_41: u64 = 1 << 9;
const TLS: u64 = 1 << 11;
const TRANSACTIONS: u64 = 1 << 13;
const SECURE_CONNECTION: u64 = 1 << 15;
const PLUGIN_AUTH: u64 = 1 << 19;
const PLUGIN_AUTH_LENGTH: u64 = 1 << 21;

/// Schemes whose challenge can stand in the greeting.
const SCHEMES: [&str; 2] = ["mysql_native_password", "caching_sha2_password"];

/// `utf8mb4_general_ci`: the character set of everything until the session sets its own.
const COLLATION: u8 = 45;
/// Bytes of a challenge of the native and the SHA-256 scheme.
const CHALLENGE_BYTES: usize = 20;

/// What the server said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// As the server sent it, made safe to print.
    pub version: String,
    capabilities: u64,
    challenge: Vec<u8>,
    scheme: String,
}

impl Greeting {
    /// Reads the server's first message.
    ///
    /// # Errors
    /// When it is an error packet, another protocol, or malformed.
    pub fn parse(message: &[u8]) -> Result<Self, Error> {
        let mut cursor = Cursor::new(message);
        match cursor.byte()? {
            10 => {}
            0xff => return Err(error_packet(message)),
            other => {
                let text = format!("the server speaks protocol version {other}, not 10");
                return Err(Told::unsupported(text).into());
            }
        }
        let version = printable(cursor.until_nul());
        cursor.integer(4)?;
        let mut challenge = cursor.bytes(8)?.to_vec();
        cursor.byte()?;
        let low = cursor.integer(2)?;
        cursor.integer(1 + 2)?;
        let capabilities = low | cursor.integer(2)? << 16;
        let challenge_length = usize::from(cursor.byte()?);
        cursor.bytes(10)?;
        if capabilities & SECURE_CONNECTION == 0 || capabilities & PROTOCOL_41 == 0 {
            let text = format!("server {version} is too old: it lacks protocol 4.1");
            return Err(Told::unsupported(text).into());
        }
        // The rest of the challenge and its NUL are at least 13 bytes together.
        let second = cursor.bytes(challenge_length.saturating_sub(8).max(13))?;
        challenge.extend(second);
        challenge.truncate(CHALLENGE_BYTES);
        let scheme = match capabilities & PLUGIN_AUTH {
            0 => "mysql_native_password".to_owned(),
            _ => printable(cursor.until_nul()),
        };
        Ok(Self { version, capabilities, challenge, scheme })
    }
}

/// Greets, does TLS when asked to, and authenticates.
///
/// # Errors
/// When the server refuses, lacks TLS, asks for a scheme that the credential does not answer, or breaks the protocol.
pub fn connect<S: Stream>(
    packets: &mut Packets<S>,
    encryption: Encryption,
    account: &dyn Account,
) -> Result<Greeting, Error> {
    let greeting = Greeting::parse(packets.receive()?)?;
    let mut wanted = LONG_PASSWORD
        | LOCAL_FILES
        | PROTOCOL_41
        | TRANSACTIONS
        | SECURE_CONNECTION
        | PLUGIN_AUTH
        | PLUGIN_AUTH_LENGTH;
    wanted &= greeting.capabilities | LONG_PASSWORD;
    if encryption == Encryption::Start {
        if greeting.capabilities & TLS == 0 {
            let text = "the server offers no TLS; give it a certificate, or set the endpoint's encryption to off";
            return Err(Told::unsupported(text).into());
        }
        wanted |= TLS;
        packets.send(&opening(wanted))?;
        packets.start_tls()?;
    }
    // A server whose own default is a scheme that nobody here knows may ask for the account's in the next message.
    let [default, ..] = SCHEMES;
    let scheme = SCHEMES.into_iter().find(|known| *known == greeting.scheme).unwrap_or(default);
    let answer = answer(account, scheme, &greeting.challenge, packets)?;
    let mut response = opening(wanted);
    response.extend_from_slice(account.principal().replace('\0', "").as_bytes());
    response.push(0);
    if wanted & PLUGIN_AUTH_LENGTH != 0 {
        put_length(&mut response, answer.len() as u64);
    } else {
        response.push(u8::try_from(answer.len()).unwrap_or_default());
    }
    response.extend_from_slice(&answer);
    if wanted & PLUGIN_AUTH != 0 {
        response.extend_from_slice(scheme.as_bytes());
        response.push(0);
    }
    packets.send(&response)?;
    authenticate(packets, account, scheme)?;
    Ok(greeting)
}

/// What a request for TLS consists of and a full response starts with.
fn opening(capabilities: u64) -> Vec<u8> {
    let mut message = Vec::with_capacity(128);
    message.extend(capabilities.to_le_bytes().iter().take(4));
    message.extend(u32::to_le_bytes(1 << 24));
    message.push(COLLATION);
    // 19 reserved bytes and 4 of MariaDB's own capabilities, of which none is wanted.
    message.extend([0; 23]);
    message
}

fn authenticate<S: Stream>(
    packets: &mut Packets<S>,
    account: &dyn Account,
    scheme: &str,
) -> Result<(), Error> {
    let mut scheme = scheme.to_owned();
    for _ in 0..AUTHENTICATION_ROUNDS_MAX {
        let message = packets.receive()?.to_vec();
        let mut cursor = Cursor::new(&message);
        match cursor.byte()? {
            0x00 => return Ok(()),
            0xff => return Err(error_packet(&message)),
            0xfe => {
                if cursor.rest().is_empty() {
                    let text = "the account still has a password of before MySQL 4.1";
                    return Err(Told::unsupported(text).into());
                }
                scheme = printable(cursor.until_nul());
                let answer = answer(account, &scheme, cursor.rest(), packets)?;
                packets.send(&answer)?;
            }
            0x01 => continue_sha2(packets, account, &scheme, cursor.rest())?,
            _ => return Err(Error::Protocol("an unknown message during authentication")),
        }
    }
    Err(Error::Protocol("authentication takes too many rounds"))
}

fn answer<S: Stream>(
    account: &dyn Account,
    scheme: &str,
    challenge: &[u8],
    packets: &Packets<S>,
) -> Result<Vec<u8>, Error> {
    let bytes = match scheme {
        "mysql_native_password" | "caching_sha2_password" => CHALLENGE_BYTES,
        "client_ed25519" => 32,
        other => {
            let text = format!(
                "the server wants authentication by {other}; give the account mysql_native_password, \
                 ed25519 or caching_sha2_password"
            );
            return Err(Told::auth(text).into());
        }
    };
    // A NUL may follow.
    let challenge = challenge.get(..bytes);
    let challenge = challenge.ok_or(Error::Protocol("the server's challenge is too short"))?;
    Ok(respond(account, scheme, challenge, packets.is_encrypted())?)
}

/// `is_encrypted` says whether the answer goes over TLS.
fn respond(
    account: &dyn Account,
    scheme: &str,
    challenge: &[u8],
    is_encrypted: bool,
) -> lockgate_plugin::Result<Vec<u8>> {
    account.respond(scheme, challenge, &[("encrypted".to_owned(), vec![u8::from(is_encrypted)])])
}

/// The second half of `caching_sha2_password`:
/// <https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html>.
fn continue_sha2<S: Stream>(
    packets: &mut Packets<S>,
    account: &dyn Account,
    scheme: &str,
    data: &[u8],
) -> Result<(), Error> {
    match (scheme, data) {
        // The server knew the answer; its OK follows.
        ("caching_sha2_password", [3]) => Ok(()),
        ("caching_sha2_password", [4]) if packets.is_encrypted() => {
            let password = respond(account, "caching_sha2_password_full", &[], true)?;
            packets.send(&password)
        }
        ("caching_sha2_password", [4]) => Err(Told::auth(
            "the server has not seen this account since it started and wants the password itself, \
             which is sent over TLS only: set the endpoint's encryption to start",
        )
        .into()),
        _ => Err(Error::Protocol("an unknown message during authentication")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn greeting() -> Vec<u8> {
        let mut message = vec![10];
        message.extend(b"5.5.5-10.11.19-MariaDB\0");
        message.extend(7_u32.to_le_bytes());
        message.extend(b"12345678\0");
        message.extend([0xfe, 0xff, 45, 2, 0, 0xff, 0x81, 21]);
        message.extend([0; 10]);
        message.extend(b"abcdefghijkl\0");
        message.extend(b"mysql_native_password\0");
        message
    }

    #[test]
    fn a_greeting_is_read() {
        let read = Greeting::parse(&greeting()).unwrap();
        assert_eq!(read.version, "5.5.5-10.11.19-MariaDB");
        assert_eq!(read.challenge, b"12345678abcdefghijkl");
        assert_eq!(read.scheme, "mysql_native_password");
    }

    #[test]
    fn a_greeting_that_is_cut_off_is_refused_and_does_not_panic() {
        let whole = greeting();
        for length in 0..whole.len() - b"mysql_native_password\0".len() {
            assert!(Greeting::parse(&whole[..length]).is_err(), "{length}");
        }
    }
}
