//! How challenges are answered, one function for each scheme.

mod keyed;
mod scram;

use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use ed25519_dalek::{Sha512, VerifyingKey};
use lockgate_types::Failure;
use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512, digest};
use zeroize::Zeroizing;

use super::shown::shown;

/// Bytes of the challenge of MySQL's schemes.
const MYSQL_NONCE_BYTES: usize = 20;
/// Bytes of the challenge of MariaDB's Ed25519 scheme.
const ED25519_NONCE_BYTES: usize = 32;

/// What a server asks.
#[derive(Debug)]
pub struct Challenge<'a> {
    /// Names the way of answering.
    pub scheme: &'a str,
    /// What the server sent.
    pub bytes: &'a [u8],
    /// Anything else that the scheme needs.
    pub parameters: &'a [(String, Vec<u8>)],
}

/// Whose answer it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Account<'a> {
    /// The user name of the grant.
    pub principal: &'a str,
    /// The secret; none of the answers but those that [`reveals`] names has it in it.
    pub secret: &'a [u8],
    /// What each message of `hmac-sha256` begins with.
    pub domain: Option<&'a str>,
    /// Whether schemes are allowed that show the secret to the plugin.
    pub may_reveal: bool,
}

/// Answers a challenge.
///
/// # Errors
/// When the scheme is unknown or not allowed, or the challenge is not one of its kind.
pub fn respond(account: &Account<'_>, challenge: &Challenge<'_>) -> Result<Vec<u8>, Failure> {
    let secret = account.secret;
    match challenge.scheme {
        "mysql_native_password" => {
            Ok(mysql_native_password(secret, nonce(challenge, MYSQL_NONCE_BYTES)?))
        }
        "caching_sha2_password" => {
            Ok(caching_sha2_password(secret, nonce(challenge, MYSQL_NONCE_BYTES)?))
        }
        "caching_sha2_password_full" => {
            caching_sha2_password_full(secret, challenge, account.may_reveal)
        }
        "client_ed25519" => Ok(client_ed25519(secret, nonce(challenge, ED25519_NONCE_BYTES)?)),
        "postgresql_md5" => keyed::postgresql_md5(account, challenge),
        "hmac-sha256" => keyed::hmac_sha256(account, challenge),
        other => match scram::family(other) {
            Some(family) => scram::respond(family, account, challenge),
            None => {
                let scheme = shown(other, 64);
                Err(Failure::Unsupported(format!("authentication scheme {scheme} is not known")))
            }
        },
    }
}

/// Whether an answer of the scheme shows the secret to the plugin.
pub fn reveals(scheme: &str) -> bool {
    scheme == "caching_sha2_password_full"
}

fn nonce<'a>(challenge: &Challenge<'a>, length: usize) -> Result<&'a [u8], Failure> {
    if challenge.bytes.len() == length {
        return Ok(challenge.bytes);
    }
    let (scheme, found) = (challenge.scheme, challenge.bytes.len());
    Err(Failure::Other(format!("{scheme}: the challenge has {found} bytes instead of {length}")))
}

/// `SHA1(password) XOR SHA1(nonce, SHA1(SHA1(password)))`; nothing for an empty password. Source: MySQL internals manual,
/// "Native Authentication"; MariaDB documentation, "Authentication Plugin - mysql_native_password".
fn mysql_native_password(secret: &[u8], nonce: &[u8]) -> Vec<u8> {
    if secret.is_empty() {
        return Vec::new();
    }
    let algorithm = &SHA1_FOR_LEGACY_USE_ONLY;
    let once = hash(algorithm, &[secret]);
    let twice = hash(algorithm, &[&once]);
    xor(&once, &hash(algorithm, &[nonce, &twice]))
}

/// `SHA256(password) XOR SHA256(SHA256(SHA256(password)), nonce)`; nothing for an empty password. Source: MySQL internals
/// documentation, "Caching SHA-2 Pluggable Authentication", fast path.
fn caching_sha2_password(secret: &[u8], nonce: &[u8]) -> Vec<u8> {
    if secret.is_empty() {
        return Vec::new();
    }
    let once = hash(&SHA256, &[secret]);
    let twice = hash(&SHA256, &[&once]);
    xor(&once, &hash(&SHA256, &[&twice, nonce]))
}

/// The password and a NUL, which a server that has not cached the password yet wants to see. Only over an encrypted connection
/// (parameter `encrypted` = 1), and only when the plugin may see the secret.
fn caching_sha2_password_full(
    secret: &[u8],
    challenge: &Challenge<'_>,
    may_reveal: bool,
) -> Result<Vec<u8>, Failure> {
    if !may_reveal {
        let text =
            "the server wants to see the password itself, which needs `reveal = true` in the grant";
        return Err(Failure::Denied(text.to_owned()));
    }
    let is_encrypted = |(key, value): &(String, Vec<u8>)| key == "encrypted" && value == &[1];
    if !challenge.parameters.iter().any(is_encrypted) {
        let text =
            "the server wants to see the password, which is sent over encrypted connections only";
        return Err(Failure::Denied(text.to_owned()));
    }
    Ok([secret, &[0]].concat())
}

/// An Ed25519 signature of the nonce in which SHA-512 of the password takes the place of SHA-512 of the secret key. Source:
/// MariaDB documentation, "Authentication Plugin - ed25519"; RFC 8032, section 5.1.6, for the rest.
fn client_ed25519(secret: &[u8], nonce: &[u8]) -> Vec<u8> {
    let hashed = hash(&SHA512, &[secret]);
    let mut wide = Zeroizing::new([0; 64]);
    wide.iter_mut().zip(hashed.iter()).for_each(|(to, from)| *to = *from);
    let key = ExpandedSecretKey::from_bytes(&wide);
    let public = VerifyingKey::from(&key);
    raw_sign::<Sha512>(&key, nonce, &public).to_bytes().to_vec()
}

fn hash(algorithm: &'static Algorithm, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let whole = Zeroizing::new(parts.concat());
    Zeroizing::new(digest(algorithm, &whole).as_ref().to_vec())
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(left, right)| left ^ right).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    fn answer(scheme: &str, secret: &str, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        let account = Account { secret: secret.as_bytes(), ..Account::default() };
        respond(&account, &Challenge { scheme, bytes, parameters: &[] })
    }

    /// What a server does that knows only `SHA1(SHA1(password))`: takes the mask away and hashes once more.
    #[test]
    fn a_server_accepts_the_native_answer() {
        let nonce: Vec<u8> = (1..=20).collect();
        let stored =
            hash(&SHA1_FOR_LEGACY_USE_ONLY, &[&hash(&SHA1_FOR_LEGACY_USE_ONLY, &[b"secret"])]);
        // `SELECT PASSWORD('secret')` of a server.
        assert_eq!(*stored, hex("14e65567abdb5135d0cfd9a70b3032c179a49ee7"));
        let answer = answer("mysql_native_password", "secret", &nonce).unwrap();
        let once = xor(&answer, &hash(&SHA1_FOR_LEGACY_USE_ONLY, &[&nonce, &stored]));
        assert_eq!(hash(&SHA1_FOR_LEGACY_USE_ONLY, &[&once]), stored);
    }

    #[test]
    fn a_server_accepts_the_sha2_answer() {
        let nonce: Vec<u8> = (1..=20).collect();
        let stored = hash(&SHA256, &[&hash(&SHA256, &[b"secret"])]);
        let answer = answer("caching_sha2_password", "secret", &nonce).unwrap();
        let once = xor(&answer, &hash(&SHA256, &[&stored, &nonce]));
        assert_eq!(hash(&SHA256, &[&once]), stored);
    }

    /// The public key of the password `secret` stands in MariaDB's documentation of the plugin as
    /// `ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY`.
    #[test]
    fn a_server_accepts_the_ed25519_answer() {
        let public = hex("6488144445 20e4f56043a2ec9215e63be7992d2d270bc6dee873e36164786096"
            .replace(' ', "")
            .as_str());
        let nonce = [7; 32];
        let signature = answer("client_ed25519", "secret", &nonce).unwrap();
        let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public);
        key.verify(&nonce, &signature).unwrap();
    }

    #[test]
    fn empty_passwords_and_wrong_challenges_are_handled() {
        assert_eq!(answer("mysql_native_password", "", &[1; 20]).unwrap(), b"");
        assert_eq!(answer("caching_sha2_password", "", &[1; 20]).unwrap(), b"");
        for (scheme, length) in
            [("mysql_native_password", 21), ("caching_sha2_password", 8), ("client_ed25519", 20)]
        {
            assert!(
                matches!(answer(scheme, "x", &vec![1; length]), Err(Failure::Other(_))),
                "{scheme}"
            );
        }
        assert!(matches!(answer("sha0", "x", &[]), Err(Failure::Unsupported(_))));
    }

    #[test]
    fn the_password_itself_needs_a_grant_and_encryption() {
        let ask = |encrypted: u8, may_reveal: bool| {
            let parameters = [("encrypted".to_owned(), vec![encrypted])];
            let challenge = Challenge {
                scheme: "caching_sha2_password_full",
                bytes: &[],
                parameters: &parameters,
            };
            respond(&Account { secret: b"secret", may_reveal, ..Account::default() }, &challenge)
        };
        assert_eq!(ask(1, true).unwrap(), b"secret\0");
        assert!(matches!(ask(1, false), Err(Failure::Denied(_))));
        assert!(matches!(ask(0, true), Err(Failure::Denied(_))));
    }
}
