//! SCRAM with SHA-1 and SHA-256: RFC 5802 and RFC 7677, without channel binding. The host keeps no state between the steps:
//! what it said first comes back with the next question.
//!
//! | step | challenge | parameters | answer |
//! |---|---|---|---|
//! | first | nothing | | `client-first-message` |
//! | final | `server-first-message` | `client-first` | `client-final-message` |
//! | check | `server-final-message` | `client-first`, `server-first` | nothing, or a failure: the server does not know the password |

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockgate_types::Failure;
use ring::digest::{Algorithm as Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{hmac, pbkdf2};
use zeroize::Zeroizing;

use super::{Account, Challenge, hash, xor};
use crate::limits::{SCRAM_ITERATIONS_MAX, SCRAM_ITERATIONS_MIN};

/// No channel binding, and no other name to act for.
const GS2_HEADER: &str = "n,,";
/// `GS2_HEADER` in base64.
const CHANNEL_BINDING: &str = "biws";
/// Random bytes of the client's nonce.
const NONCE_BYTES: usize = 18;

/// The functions behind one of the names.
#[derive(Clone, Copy)]
pub struct Family {
    digest: &'static Digest,
    hmac: hmac::Algorithm,
    pbkdf2: pbkdf2::Algorithm,
}

/// The functions of a scheme.
pub fn family(scheme: &str) -> Option<Family> {
    match scheme {
        "SCRAM-SHA-1" => Some(Family {
            digest: &SHA1_FOR_LEGACY_USE_ONLY,
            hmac: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            pbkdf2: pbkdf2::PBKDF2_HMAC_SHA1,
        }),
        "SCRAM-SHA-256" => Some(Family {
            digest: &SHA256,
            hmac: hmac::HMAC_SHA256,
            pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256,
        }),
        _ => None,
    }
}

/// Answers one step.
///
/// # Errors
/// What the plugin is told: [`Failure::Auth`] when the server does not prove that it knows the password.
pub fn respond(
    family: Family,
    account: &Account<'_>,
    challenge: &Challenge<'_>,
) -> Result<Vec<u8>, Failure> {
    let server = std::str::from_utf8(challenge.bytes).map_err(|_| fault("is not UTF-8"))?;
    match (parameter(challenge, "client-first")?, parameter(challenge, "server-first")?) {
        (None, None) if server.is_empty() => {
            client_first(account.principal).map(String::into_bytes)
        }
        (Some(client_first), None) => {
            let exchange = Exchange::new(family, account.secret, client_first, server)?;
            Ok(exchange.client_final().into_bytes())
        }
        (Some(client_first), Some(server_first)) => {
            let exchange = Exchange::new(family, account.secret, client_first, server_first)?;
            exchange.check(server).map(|()| Vec::new())
        }
        _ => Err(Failure::Other("SCRAM: the steps are out of order".to_owned())),
    }
}

fn parameter<'a>(challenge: &Challenge<'a>, name: &str) -> Result<Option<&'a str>, Failure> {
    let found = challenge.parameters.iter().find(|(key, _)| key == name);
    let text = found.map(|(_, value)| std::str::from_utf8(value)).transpose();
    text.map_err(|_| Failure::Other(format!("SCRAM: the parameter {name} is not UTF-8")))
}

fn client_first(principal: &str) -> Result<String, Failure> {
    let mut nonce = [0; NONCE_BYTES];
    SystemRandom::new()
        .fill(&mut nonce)
        .map_err(|_| Failure::Other("the operating system gave no random bytes".to_owned()))?;
    let name = principal.replace('=', "=3D").replace(',', "=2C");
    Ok(format!("{GS2_HEADER}n={name},r={}", STANDARD.encode(nonce)))
}

/// What both sides have said, and the password behind it.
struct Exchange {
    family: Family,
    salted: Zeroizing<Vec<u8>>,
    /// `client-final-message-without-proof`.
    without_proof: String,
    auth_message: String,
}

impl Exchange {
    fn new(
        family: Family,
        secret: &[u8],
        client_first: &str,
        server_first: &str,
    ) -> Result<Self, Failure> {
        let bare = client_first.strip_prefix(GS2_HEADER).unwrap_or_default();
        let client_nonce = bare.rsplit_once(",r=").map(|(_, nonce)| nonce).unwrap_or_default();
        if client_nonce.len() < NONCE_BYTES {
            return Err(Failure::Other("SCRAM: the host did not begin so".to_owned()));
        }
        let mut parts = server_first.split(',');
        let mut next = |name: &str| parts.next().and_then(|part| part.strip_prefix(name));
        let nonce = next("r=").ok_or_else(|| fault("has no nonce"))?;
        let salt = next("s=").and_then(|salt| STANDARD.decode(salt).ok());
        let salt = salt.filter(|salt| !salt.is_empty()).ok_or_else(|| fault("has no salt"))?;
        let iterations = next("i=").and_then(|count| count.parse::<u32>().ok());
        let iterations = iterations.ok_or_else(|| fault("has no number of iterations"))?;
        if nonce.len() <= client_nonce.len() || !nonce.starts_with(client_nonce) {
            return Err(fault("is not an answer to what the host said"));
        }
        if !(SCRAM_ITERATIONS_MIN..=SCRAM_ITERATIONS_MAX).contains(&iterations) {
            let range = format!("{SCRAM_ITERATIONS_MIN} to {SCRAM_ITERATIONS_MAX}");
            return Err(fault(&format!("asks for {iterations} iterations, not for {range}")));
        }
        let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
        let password = prepared(secret);
        let mut salted = Zeroizing::new(vec![0; family.digest.output_len()]);
        pbkdf2::derive(family.pbkdf2, iterations, &salt, &password, &mut salted);
        let without_proof = format!("c={CHANNEL_BINDING},r={nonce}");
        let auth_message = format!("{bare},{server_first},{without_proof}");
        Ok(Self { family, salted, without_proof, auth_message })
    }

    fn client_final(&self) -> String {
        let client_key = self.hmac(&self.salted, b"Client Key");
        let stored_key = hash(self.family.digest, &[&client_key]);
        let signature = self.hmac(&stored_key, self.auth_message.as_bytes());
        format!("{},p={}", self.without_proof, STANDARD.encode(xor(&client_key, &signature)))
    }

    fn check(&self, server_final: &str) -> Result<(), Failure> {
        let refused = || Failure::Auth("SCRAM: the server does not know the password".to_owned());
        if server_final.starts_with("e=") {
            return Err(Failure::Auth("SCRAM: the server refused the password".to_owned()));
        }
        let signature = server_final.split(',').next().and_then(|part| part.strip_prefix("v="));
        let signature =
            signature.and_then(|text| STANDARD.decode(text).ok()).ok_or_else(refused)?;
        let server_key = self.hmac(&self.salted, b"Server Key");
        let key = hmac::Key::new(self.family.hmac, &server_key);
        hmac::verify(&key, self.auth_message.as_bytes(), &signature).map_err(|_| refused())
    }

    fn hmac(&self, key: &[u8], message: &[u8]) -> Zeroizing<Vec<u8>> {
        let key = hmac::Key::new(self.family.hmac, key);
        Zeroizing::new(hmac::sign(&key, message).as_ref().to_vec())
    }
}

/// SASLprep (RFC 4013); what it does not allow is taken as it is, as PostgreSQL does.
fn prepared(secret: &[u8]) -> Zeroizing<Vec<u8>> {
    let text = std::str::from_utf8(secret).ok();
    let prepared = text.and_then(|text| stringprep::saslprep(text).ok());
    Zeroizing::new(prepared.map_or_else(|| secret.to_vec(), |text| text.as_bytes().to_vec()))
}

fn fault(what: &str) -> Failure {
    Failure::Corrupt(format!("SCRAM: what the server said {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Case {
        scheme: &'static str,
        client_first: &'static str,
        server_first: &'static str,
        client_final: &'static str,
        server_final: &'static str,
    }

    /// User `user`, password `pencil`: RFC 5802, section 5, and RFC 7677, section 3.
    const CASES: [Case; 2] = [
        Case {
            scheme: "SCRAM-SHA-1",
            client_first: "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            server_first: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            client_final: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
            server_final: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
        },
        Case {
            scheme: "SCRAM-SHA-256",
            client_first: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            server_first: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            client_final: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            server_final: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        },
    ];

    fn ask(scheme: &str, bytes: &str, parameters: &[(&str, &str)]) -> Result<String, Failure> {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), value.as_bytes().to_vec());
        let parameters: Vec<_> = parameters.iter().map(own).collect();
        let challenge = Challenge { scheme, bytes: bytes.as_bytes(), parameters: &parameters };
        let account = Account { principal: "user", secret: b"pencil", ..Account::default() };
        super::super::respond(&account, &challenge).map(|answer| String::from_utf8(answer).unwrap())
    }

    #[test]
    fn the_examples_of_the_standards_come_out() {
        for case in &CASES {
            let first = ("client-first", case.client_first);
            let answer = ask(case.scheme, case.server_first, &[first]).unwrap();
            assert_eq!(answer, case.client_final);
            let both = [first, ("server-first", case.server_first)];
            assert_eq!(ask(case.scheme, case.server_final, &both).unwrap(), "");
            for wrong in ["v=rmF9pqV8S7suAoZWja4dJRkFsKA=", "v=", "", "e=other-error", "x"] {
                let failure = ask(case.scheme, wrong, &both).unwrap_err();
                assert!(matches!(failure, Failure::Auth(_)), "{wrong}: {failure:?}");
            }
        }
    }

    #[test]
    fn the_host_begins_with_the_name_of_the_grant_and_a_new_nonce() {
        let first = ask("SCRAM-SHA-256", "", &[]).unwrap();
        assert!(first.starts_with("n,,n=user,r=") && first.len() == 12 + 24, "{first}");
        assert_ne!(first, ask("SCRAM-SHA-256", "", &[]).unwrap());
        assert!(client_first("a=b,c").unwrap().starts_with("n,,n=a=3Db=2Cc,r="));
    }

    #[test]
    fn what_a_server_must_not_say_is_refused() {
        let case = &CASES[1];
        let first = ("client-first", case.client_first);
        for server_first in [
            "",
            "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1",
            "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4000000000",
            "m=x,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        ] {
            let failure = ask(case.scheme, server_first, &[first]).unwrap_err();
            assert!(matches!(failure, Failure::Corrupt(_)), "{server_first}: {failure:?}");
        }
        for parameters in
            [&[("server-first", case.server_first)][..], &[("client-first", "n,,n=user,r=")]]
        {
            let failure = ask(case.scheme, case.server_first, parameters).unwrap_err();
            assert!(matches!(failure, Failure::Other(_)), "{failure:?}");
        }
    }

    /// The examples of RFC 4013, section 3.
    #[test]
    fn passwords_are_prepared() {
        let text = |secret: &str| String::from_utf8(prepared(secret.as_bytes()).to_vec()).unwrap();
        assert_eq!(text("I\u{ad}X"), "IX");
        assert_eq!(text("\u{aa}"), "a");
        assert_eq!(text("\u{2168}"), "IX");
        assert_eq!(text("\u{7}"), "\u{7}");
        assert_eq!(prepared(b"\xff").as_slice(), b"\xff");
    }
}
