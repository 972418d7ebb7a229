//! Keys that sign plugins: Ed25519 (RFC 8032).

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::sha256;

/// What a key's text begins with.
const PREFIX: &str = "ed25519:";
/// What a secret key's text begins with, so that it is not taken for a public one.
const SECRET_PREFIX: &str = "lockgate-secret-key-ed25519:";

/// A text that is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(&'static str);

/// A key that verifies signatures; as text `ed25519:` and 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(VerifyingKey);

/// The first 16 bytes of the SHA-256 of a public key; as text 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; 16]);

/// A key that signs. Wiped from memory when dropped, and shown by nothing but [`SecretKey::text`].
pub struct SecretKey(SigningKey);

impl PublicKey {
    /// Names the key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let digest = sha256(self.0.as_bytes());
        KeyId(std::array::from_fn(|index| digest.0[index]))
    }

    /// Whether the signature is this key's over `message`. Weak keys and second spellings of a signature do not count.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl SecretKey {
    /// A new key from the system's random numbers.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        SystemRandom::new()
            .fill(seed.as_mut())
            .map_err(|_| KeyError("the operating system gave no random numbers"))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// As it stands in a file.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(SECRET_PREFIX.len() + 64));
        text.push_str(SECRET_PREFIX);
        for byte in Zeroizing::new(self.0.to_bytes()).iter() {
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(digit.into(), 16));
            }
        }
        text
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl FromStr for SecretKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digits = text
            .strip_prefix(SECRET_PREFIX)
            .ok_or(KeyError("is no secret key: `lockgate plugin keygen` makes one"))?;
        let seed = from_hexadecimal(digits).ok_or(KeyError("has not 64 hexadecimal digits"))?;
        Ok(Self(SigningKey::from_bytes(&Zeroizing::new(seed))))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretKey({})", self.public().id())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PREFIX}{}", hexadecimal(self.0.as_bytes()))
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let wrong = KeyError("is no public key: expected `ed25519:` and 64 hexadecimal digits");
        let digits = text.strip_prefix(PREFIX).ok_or(wrong.clone())?;
        let bytes = from_hexadecimal(digits).ok_or(wrong.clone())?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| wrong)?;
        if key.is_weak() {
            return Err(KeyError("is a weak key, which verifies anything"));
        }
        Ok(Self(key))
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hexadecimal(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        from_hexadecimal(text)
            .map(Self)
            .ok_or(KeyError("is no key id: expected 32 hexadecimal digits"))
    }
}

impl TryFrom<String> for KeyId {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Exactly as many bytes as wanted, from lower-case digits only: each value has one spelling.
pub(crate) fn from_hexadecimal<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    let digits = text.as_bytes();
    if digits.len() != LENGTH * 2 {
        return None;
    }
    let mut bytes = [0; LENGTH];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit - b'0'),
            b'a'..=b'f' => Some(digit - b'a' + 10),
            _ => None,
        };
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_parse_back_and_secret_ones_are_not_shown() {
        let secret = SecretKey::generate().unwrap();
        let again: SecretKey = secret.text().parse().unwrap();
        assert_eq!(secret.public(), again.public());
        let public: PublicKey = secret.public().to_string().parse().unwrap();
        assert_eq!(public, secret.public());
        assert_eq!(public.id().to_string().parse(), Ok(public.id()));
        assert!(!secret.text().contains(&public.to_string()));
        assert!(!secret.text().contains(&format!("{secret:?}")));
        assert!(secret.text().parse::<PublicKey>().is_err());
        assert!(public.to_string().parse::<SecretKey>().is_err());
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let key: SecretKey = format!("{SECRET_PREFIX}{seed}").parse().unwrap();
        assert_eq!(
            key.public().to_string(),
            "ed25519:3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        );
        let signature = key.sign(&[0x72]);
        assert!(hexadecimal(&signature).starts_with("92a009a9f0d4cab8720e820b5f642540"));
        assert!(key.public().verifies(&[0x72], &signature));
        assert!(!key.public().verifies(&[0x73], &signature));
    }

    #[test]
    fn weak_and_misspelled_keys_are_refused() {
        let weak = format!("ed25519:01{}", "00".repeat(31));
        assert!(weak.parse::<PublicKey>().unwrap_err().to_string().contains("weak"));
        for text in ["", "ed25519:", "rsa:00", &"0".repeat(64), &weak.to_uppercase()] {
            assert!(text.parse::<PublicKey>().is_err(), "{text}");
        }
    }
}
