//! Answers of one step that are a digest over secret and challenge.

use lockgate_types::Failure;
use md5::{Digest, Md5};
use ring::hmac;
use zeroize::Zeroizing;

use super::{Account, Challenge, nonce};

/// Bytes of the salt that PostgreSQL sends.
const POSTGRESQL_SALT_BYTES: usize = 4;

/// `"md5"`, then in hexadecimal `MD5(hex(MD5(password, user name)), salt)`. Source: PostgreSQL documentation, "Frontend/Backend
/// Protocol", Message Flow, AuthenticationMD5Password.
pub fn postgresql_md5(
    account: &Account<'_>,
    challenge: &Challenge<'_>,
) -> Result<Vec<u8>, Failure> {
    let salt = nonce(challenge, POSTGRESQL_SALT_BYTES)?;
    let stored = hexadecimal(&[account.secret, account.principal.as_bytes()]);
    let answer = hexadecimal(&[stored.as_bytes(), salt]);
    Ok([b"md5", answer.as_bytes()].concat())
}

fn hexadecimal(parts: &[&[u8]]) -> Zeroizing<String> {
    let digest = parts.iter().fold(Md5::new(), |digest, part| digest.chain_update(part)).finalize();
    Zeroizing::new(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// HMAC-SHA-256 (RFC 2104) over the grant's `domain` and the challenge. The domain stands in front, so that the answers fit
/// nothing else that the secret may be used for.
pub fn hmac_sha256(account: &Account<'_>, challenge: &Challenge<'_>) -> Result<Vec<u8>, Failure> {
    let Some(domain) = account.domain.filter(|domain| !domain.is_empty()) else {
        let text = "hmac-sha256 needs `domain` in the grant, with which every message begins";
        return Err(Failure::Denied(text.to_owned()));
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, account.secret);
    let mut context = hmac::Context::with_key(&key);
    context.update(domain.as_bytes());
    context.update(challenge.bytes);
    Ok(context.sign().as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(account: &Account<'_>, scheme: &str, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        super::super::respond(account, &Challenge { scheme, bytes, parameters: &[] })
    }

    /// Computed with Python's `hashlib`, following the formula of PostgreSQL's documentation.
    #[test]
    fn postgresql_gets_the_digest_of_its_documentation() {
        let account = Account { principal: "md5_user", secret: b"password", ..Account::default() };
        let answer = ask(&account, "postgresql_md5", &[0x2a, 0x3d, 0x8f, 0xe0]).unwrap();
        assert_eq!(answer, b"md562af4dd09bbb41884907a838a3233294");
        assert!(matches!(ask(&account, "postgresql_md5", &[1; 5]), Err(Failure::Other(_))));
    }

    /// Test case 2 of RFC 4231, section 4.3, its message cut in two.
    #[test]
    fn the_domain_is_the_beginning_of_the_message() {
        let domain = Some("what do ya want ");
        let account = Account { secret: b"Jefe", domain, ..Account::default() };
        let answer = ask(&account, "hmac-sha256", b"for nothing?").unwrap();
        let text: String = answer.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(text, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        for domain in [None, Some("")] {
            let account = Account { secret: b"Jefe", domain, ..Account::default() };
            assert!(matches!(ask(&account, "hmac-sha256", b"x"), Err(Failure::Denied(_))));
        }
    }
}
