use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{Time, decode_base64, encode_base64};
use crate::error::{Error, ErrorKind, Result};

/// A file in `keys/`: the master key, sealed by a key that scrypt makes of a password. The file itself is plain JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyFile {
    /// When it was made.
    #[serde(default)]
    pub created: Time,
    /// Of whom.
    #[serde(default)]
    pub username: String,
    /// Where.
    #[serde(default)]
    pub hostname: String,
    /// Always `scrypt`.
    pub kdf: String,
    /// Cost of scrypt, a power of two.
    #[serde(rename = "N")]
    pub n: u64,
    /// Block size of scrypt.
    pub r: u32,
    /// Parallelism of scrypt.
    pub p: u32,
    /// Of scrypt.
    #[serde(with = "base64")]
    pub salt: Vec<u8>,
    /// The sealed [`MasterKeyJson`].
    #[serde(with = "base64")]
    pub data: Vec<u8>,
}

impl KeyFile {
    /// The JSON that is stored.
    #[must_use]
    pub fn print(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers print")
    }

    /// Reads the JSON that is stored.
    ///
    /// # Errors
    /// `Corrupt` when it does not parse, `UnsupportedVersion` when the key is made another way than by scrypt.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let key: Self =
            serde_json::from_slice(json).map_err(|source| Error::corrupt("key file", source))?;
        if key.kdf != "scrypt" {
            let text = format!("key file uses the unknown derivation {:?}", key.kdf);
            return Err(Error::new(ErrorKind::UnsupportedVersion, text));
        }
        Ok(key)
    }
}

/// The master key as it is sealed in a key file.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct MasterKeyJson {
    mac: MacJson,
    #[serde(with = "base64")]
    encrypt: Vec<u8>,
}

#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct MacJson {
    #[serde(with = "base64")]
    k: Vec<u8>,
    #[serde(with = "base64")]
    r: Vec<u8>,
}

impl MasterKeyJson {
    /// Of the AES-256 key and the two halves of the Poly1305-AES key.
    #[must_use]
    pub fn new(encrypt: &[u8; 32], k: &[u8; 16], r: &[u8; 16]) -> Self {
        Self { mac: MacJson { k: k.to_vec(), r: r.to_vec() }, encrypt: encrypt.to_vec() }
    }

    /// The AES-256 key, and k and r of Poly1305-AES; none when a length is wrong.
    #[must_use]
    pub fn parts(&self) -> Option<([u8; 32], [u8; 16], [u8; 16])> {
        let encrypt = self.encrypt.as_slice().try_into().ok()?;
        let k = self.mac.k.as_slice().try_into().ok()?;
        let r = self.mac.r.as_slice().try_into().ok()?;
        Some((encrypt, k, r))
    }

    /// The JSON that is sealed. Secret.
    #[must_use]
    pub fn print(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts print")
    }

    /// Reads the JSON that was sealed.
    ///
    /// # Errors
    /// `Corrupt` when it does not parse. The text tells nothing of the key.
    pub fn parse(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(|_| Error::corrupt("master key", "it does not parse"))
    }
}

mod base64 {
    use super::{Deserialize, Deserializer, Serializer, decode_base64, encode_base64};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&encode_base64(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        decode_base64(&text).ok_or_else(|| serde::de::Error::custom("expected base64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_as_restic_writes_it_is_read_and_printed() {
        let json = br#"{"created":"2015-01-02T18:10:13.48307196+01:00","username":"fd0","hostname":"kasimir","kdf":"scrypt","N":65536,"r":8,"p":1,"salt":"Zm9vYg==","data":"Zm9vYmFy"}"#;
        let key = KeyFile::parse(json).unwrap();
        assert_eq!((key.n, key.r, key.p, key.data.as_slice()), (65536, 8, 1, &b"foobar"[..]));
        assert_eq!(key.print(), json);
    }

    #[test]
    fn another_derivation_is_refused() {
        let json = br#"{"kdf":"argon2","N":1,"r":1,"p":1,"salt":"","data":""}"#;
        assert_eq!(KeyFile::parse(json).unwrap_err().kind(), ErrorKind::UnsupportedVersion);
        assert_eq!(KeyFile::parse(b"{").unwrap_err().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_master_key_comes_back() {
        let printed = MasterKeyJson::new(&[1; 32], &[2; 16], &[3; 16]).print();
        assert!(printed.starts_with(br#"{"mac":{"k":"AgIC"#));
        let parts = MasterKeyJson::parse(&printed).unwrap().parts();
        assert_eq!(parts, Some(([1; 32], [2; 16], [3; 16])));
        let short = br#"{"mac":{"k":"AgIC","r":"AgIC"},"encrypt":"AgIC"}"#;
        assert_eq!(MasterKeyJson::parse(short).unwrap().parts(), None);
    }
}
