//! From a fresh connection to a session: <https://www.postgresql.org/docs/15/protocol-flow.html#id-1.10.6.7.3> and, for
//! SCRAM, <https://www.postgresql.org/docs/15/sasl-authentication.html>.

use lockgate_plugin::host::{Account, Stream};
use lockgate_plugin::net::Encryption;
use lockgate_plugin::{Error as Told, printable};

use crate::error::Error;
use crate::limits::AUTHENTICATION_ROUNDS_MAX;
use crate::wire::message::Messages;

const PROTOCOL_3_0: u32 = 196_608;
const SCRAM: &str = "SCRAM-SHA-256";

/// How far SCRAM is. The server has to prove that it knows the password too, so it may not cut that short.
#[derive(Debug, Default)]
struct Scram {
    client_first: Option<Vec<u8>>,
    server_first: Vec<u8>,
    is_proven: bool,
}

/// Does TLS when asked to, authenticates, and returns the server's version as it calls it.
///
/// # Errors
/// When the server refuses, lacks TLS, asks for a scheme that the credential does not answer, or breaks the protocol.
pub fn connect<S: Stream>(
    messages: &mut Messages<S>,
    encryption: Encryption,
    account: &dyn Account,
    database: &str,
) -> Result<String, Error> {
    if encryption == Encryption::Start {
        messages.start_tls()?;
    }
    let user = account.principal();
    let mut parameters = PROTOCOL_3_0.to_be_bytes().to_vec();
    let settings = [
        ("user", user.as_str()),
        ("database", database),
        ("client_encoding", "UTF8"),
        ("application_name", "lockgate"),
    ];
    for (name, value) in settings {
        if value.contains('\0') {
            return Err(Told::config(format!("the {name} has a NUL in it")).into());
        }
        for text in [name, value] {
            parameters.extend_from_slice(text.as_bytes());
            parameters.push(0);
        }
    }
    parameters.push(0);
    messages.send(0, &[&parameters])?;
    messages.flush()?;
    authenticate(messages, account)?;
    let mut version = String::new();
    loop {
        match messages.receive()? {
            b'S' => {
                let mut fields = messages.body().split(|byte| *byte == 0);
                if fields.next() == Some(b"server_version") {
                    version = printable(fields.next().unwrap_or_default());
                }
            }
            b'K' => {}
            b'Z' => return Ok(version),
            b'v' => return Err(Told::unsupported("the server does not speak protocol 3.0").into()),
            _ => return Err(Error::Protocol("an unknown message before the session is ready")),
        }
    }
}

fn authenticate<S: Stream>(messages: &mut Messages<S>, account: &dyn Account) -> Result<(), Error> {
    let mut scram = Scram::default();
    for _ in 0..AUTHENTICATION_ROUNDS_MAX {
        if messages.receive()? != b'R' {
            return Err(Error::Protocol("another message than one of authentication"));
        }
        let body = messages.body();
        let (kind, data) =
            body.split_first_chunk::<4>().ok_or(Error::Protocol("a request without a kind"))?;
        let data = data.to_vec();
        match u32::from_be_bytes(*kind) {
            0 if scram.client_first.is_some() && !scram.is_proven => {
                return Err(
                    Told::auth("the server did not prove that it knows the password").into()
                );
            }
            0 => return Ok(()),
            5 => {
                let answer = account.respond("postgresql_md5", &data, &[])?;
                messages.send(b'p', &[&answer, &[0]])?;
            }
            10 => begin_scram(messages, account, &data, &mut scram)?,
            11 => {
                let first = scram.client_first.clone();
                let first = first.ok_or(Error::Protocol("SCRAM goes on before it began"))?;
                let parameters = [("client-first".to_owned(), first)];
                let answer = account.respond(SCRAM, &data, &parameters)?;
                scram.server_first = data;
                messages.send(b'p', &[&answer])?;
            }
            12 => {
                let first = scram.client_first.clone();
                let first = first.ok_or(Error::Protocol("SCRAM ends before it began"))?;
                let parameters = [
                    ("client-first".to_owned(), first),
                    ("server-first".to_owned(), scram.server_first.clone()),
                ];
                account.respond(SCRAM, &data, &parameters)?;
                scram.is_proven = true;
                continue;
            }
            other => return Err(unknown_scheme(other).into()),
        }
        messages.flush()?;
    }
    Err(Error::Protocol("authentication takes too many rounds"))
}

fn begin_scram<S: Stream>(
    messages: &mut Messages<S>,
    account: &dyn Account,
    offered: &[u8],
    scram: &mut Scram,
) -> Result<(), Error> {
    if !offered.split(|byte| *byte == 0).any(|name| name == SCRAM.as_bytes()) {
        let text = "the server offers no SCRAM-SHA-256 without channel binding";
        return Err(Told::unsupported(text).into());
    }
    let first = account.respond(SCRAM, &[], &[])?;
    let length = u32::try_from(first.len()).unwrap_or_default().to_be_bytes();
    messages.send(b'p', &[SCRAM.as_bytes(), &[0], &length, &first])?;
    scram.client_first = Some(first);
    Ok(())
}

fn unknown_scheme(number: u32) -> Told {
    let name = match number {
        3 => "the password itself, in clear text",
        2 => "Kerberos",
        7..=9 => "GSSAPI or SSPI",
        _ => "a way that is not known",
    };
    Told::unsupported(format!(
        "the server wants authentication by {name}; give the account scram-sha-256 or md5 in pg_hba.conf"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::message::tests::{message, said};

    struct Answers;

    impl Account for Answers {
        fn principal(&self) -> String {
            "me".to_owned()
        }
        fn respond(
            &self,
            _scheme: &str,
            challenge: &[u8],
            _parameters: &[(String, Vec<u8>)],
        ) -> lockgate_plugin::Result<Vec<u8>> {
            Ok(challenge.to_vec())
        }
    }

    fn request(kind: u32, data: &[u8]) -> Vec<u8> {
        message(b'R', &[&kind.to_be_bytes()[..], data].concat())
    }

    fn connected(parts: &[Vec<u8>]) -> Result<String, Error> {
        connect(&mut said(parts.concat()), Encryption::Off, &Answers, "d")
    }

    #[test]
    fn a_session_begins_and_tells_its_version() {
        let ready = [message(b'S', b"server_version\x0015.2\0"), message(b'Z', b"I")].concat();
        let md5 = [request(5, b"salt"), request(0, b""), ready.clone()];
        assert_eq!(connected(&md5).unwrap(), "15.2");
        let sasl = request(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0");
        let scram = [sasl.clone(), request(11, b"r"), request(12, b"v"), request(0, b""), ready];
        assert_eq!(connected(&scram).unwrap(), "15.2");
    }

    #[test]
    fn a_server_that_skips_its_proof_or_asks_in_another_way_is_refused() {
        let sasl = request(10, b"SCRAM-SHA-256\0\0");
        let skipped = connected(&[sasl, request(11, b"r"), request(0, b"")]).unwrap_err();
        assert!(skipped.to_string().contains("did not prove"), "{skipped}");
        assert!(connected(&[request(3, b"")]).is_err() && connected(&[request(12, b"")]).is_err());
        assert!(connected(&[request(10, b"OTHER\0\0")]).is_err());
        assert!(connected(&[message(b'R', b"")]).is_err());
        let endless: Vec<Vec<u8>> = (0..100).map(|_| request(5, b"salt")).collect();
        assert!(connected(&endless).is_err());
    }
}
