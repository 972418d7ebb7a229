//! Detached signatures of a component, `NAME.wasm.sig`: a short text for each signer, with an empty line between them.
//!
//! ```text
//! lockgate plugin signature v1
//! name: mariadb
//! version: 0.1.0
//! digest: 64 hexadecimal digits, SHA-256 of the component
//! created: 2026-11-21T14:00:00Z
//! key: 32 hexadecimal digits, the key's id
//! signature: 128 hexadecimal digits, Ed25519 over the six lines above, each with its line end
//! ```
//!
//! The first line keeps a signature from meaning anything elsewhere. Each value has one spelling.

use std::fmt;

use crate::Version;
use jiff::Timestamp;
use lockgate_types::{Digest, Name};

use crate::key::{KeyId, PublicKey, SecretKey, from_hexadecimal, hexadecimal};

/// Largest signature file, in bytes.
pub const SIGNATURES_BYTES_MAX: usize = 64 << 10;

/// Most signatures in one file.
const SIGNATURES_COUNT_MAX: usize = 32;

/// The first line of each.
const HEADER: &str = "lockgate plugin signature v1";

/// What a signer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Of the plugin.
    pub name: Name,
    /// Of the plugin.
    pub version: Version,
    /// Of the component.
    pub digest: Digest,
    /// To the second.
    pub created: Timestamp,
}

/// A statement, and the proof of who said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// What is said.
    pub statement: Statement,
    /// By whom; means nothing until the signature verifies.
    pub key: KeyId,
    bytes: [u8; 64],
}

/// The content of a signature file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signatures(Vec<Signature>);

/// A text that is no signature file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SignatureError(String);

impl Statement {
    /// Signs it. Fractions of a second of `created` are dropped.
    #[must_use]
    pub fn sign(mut self, key: &SecretKey) -> Signature {
        self.created = Timestamp::from_second(self.created.as_second()).unwrap_or_default();
        let id = key.public().id();
        let bytes = key.sign(self.message(id).as_bytes());
        Signature { statement: self, key: id, bytes }
    }

    /// What is signed: the whole text but its last line.
    fn message(&self, key: KeyId) -> String {
        let Self { name, version, digest, created } = self;
        format!(
            "{HEADER}\nname: {name}\nversion: {version}\ndigest: {digest}\ncreated: {created}\nkey: {key}\n"
        )
    }
}

impl Signature {
    /// Whether `key` signed it.
    #[must_use]
    pub fn is_by(&self, key: &PublicKey) -> bool {
        self.key == key.id()
            && key.verifies(self.statement.message(self.key).as_bytes(), &self.bytes)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let mut value = |key: &str| lines.next()?.strip_prefix(key)?.strip_prefix(": ");
        let _header = value("").is_none();
        let statement = Statement {
            name: value("name")?.parse().ok()?,
            version: value("version")?.parse().ok()?,
            digest: value("digest")?.parse().ok()?,
            created: value("created")?.parse().ok()?,
        };
        let key = value("key")?.parse().ok()?;
        let bytes = from_hexadecimal(value("signature")?)?;
        Some(Self { statement, key, bytes })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.statement.message(self.key);
        writeln!(formatter, "{message}signature: {}", hexadecimal(&self.bytes))
    }
}

impl Signatures {
    /// Reads a signature file.
    ///
    /// # Errors
    /// When it is anything but well-formed signatures in their one spelling.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureError> {
        let fault = |text: String| Err(SignatureError(text));
        if bytes.len() > SIGNATURES_BYTES_MAX {
            return fault(format!("has {} bytes, more than 64 KiB", bytes.len()));
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return fault("is not UTF-8 text".to_owned());
        };
        let mut found = Self::default();
        for (index, block) in text.split("\n\n").enumerate() {
            let Some(signature) = Signature::parse(block) else {
                return fault(format!("signature {} is not of the form {HEADER:?}", index + 1));
            };
            found.0.push(signature);
        }
        if found.0.len() > SIGNATURES_COUNT_MAX {
            return fault(format!("holds more than {SIGNATURES_COUNT_MAX} signatures"));
        }
        if found.to_string() != text {
            return fault(format!("is not written as {HEADER:?} demands"));
        }
        Ok(found)
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Signature> {
        self.0.iter()
    }

    /// Adds one, in place of an older one of the same key.
    pub fn add(&mut self, signature: Signature) {
        self.0.retain(|known| known.key != signature.key);
        self.0.push(signature);
    }

    /// Leaves out what does not speak of the component with this digest.
    pub fn keep(&mut self, digest: Digest) {
        self.0.retain(|known| known.statement.digest == digest);
    }
}

impl fmt::Display for Signatures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, signature) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            signature.fmt(formatter)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement() -> Statement {
        Statement {
            name: "mariadb".parse().unwrap(),
            version: "0.1.0".parse().unwrap(),
            digest: Digest([7; 32]),
            created: "2026-11-21T14:00:00.5Z".parse().unwrap(),
        }
    }

    #[test]
    fn signatures_are_read_back_and_verify() {
        let (one, two) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
        let mut file = Signatures::default();
        file.add(statement().sign(&one));
        file.add(statement().sign(&two));
        file.add(statement().sign(&one));
        let text = file.to_string();
        assert!(text.contains("created: 2026-11-21T14:00:00Z\n"), "{text}");
        let read = Signatures::parse(text.as_bytes()).unwrap();
        assert_eq!(read, file);
        assert_eq!(read.iter().count(), 2);
        let by = |key: &SecretKey| read.iter().filter(|it| it.is_by(&key.public())).count();
        assert_eq!((by(&one), by(&two), by(&SecretKey::generate().unwrap())), (1, 1, 0));
    }

    #[test]
    fn a_changed_word_is_no_longer_signed() {
        let key = SecretKey::generate().unwrap();
        let text = statement().sign(&key).to_string();
        for (from, to) in [
            ("name: mariadb", "name: mariadc"),
            ("version: 0.1.0", "version: 0.1.1"),
            ("digest: 07", "digest: 17"),
            ("created: 2026", "created: 2027"),
        ] {
            let read = Signatures::parse(text.replace(from, to).as_bytes()).unwrap();
            assert!(!read.iter().any(|signature| signature.is_by(&key.public())), "{to}");
        }
    }

    #[test]
    fn second_spellings_are_refused() {
        let text = statement().sign(&SecretKey::generate().unwrap()).to_string();
        for wrong in [
            String::new(),
            text.replace(" v1", " v2"),
            text.replace('\n', "\r\n"),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            format!("\n{text}"),
            format!("{text}more: x\n"),
            text.replace("14:00:00Z", "15:00:00+01:00"),
            text.replace("signature: ", "signature:  "),
            text.replace("name: ", "Name: "),
        ] {
            assert!(Signatures::parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        assert!(Signatures::parse(b"\xff").is_err());
        assert!(Signatures::parse(&vec![b'\n'; SIGNATURES_BYTES_MAX + 1]).is_err());
    }
}
