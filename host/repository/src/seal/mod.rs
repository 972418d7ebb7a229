//! Sealing: what turns stored bytes into bytes that tell nothing and cannot be changed unseen, as restic's public design
//! document specifies it under "Keys, Encryption and MAC"
//! (<https://restic.readthedocs.io/en/stable/100_references.html>).
//!
//! A sealed message is 16 random bytes of IV, the plain text under AES-256-CTR (a big-endian counter of all 128 bits that
//! starts at the IV), and the Poly1305-AES tag of the cipher text. The only place of this crate that names a cipher.

mod password;

use std::fmt;

use aes::cipher::{BlockCipherEncrypt, KeyInit, KeyIvInit, StreamCipher};
use aes::{Aes128, Aes256};
use ctr::Ctr128BE;
use poly1305::Poly1305;
use poly1305::universal_hash::UniversalHash;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

pub(crate) use password::{ScryptCost, key_of_password};

use crate::error::{Error, ErrorKind, Result};

/// Bytes of the IV in front of the cipher text.
const IV_LENGTH: usize = 16;
/// Bytes of the tag behind the cipher text.
const TAG_LENGTH: usize = 16;
/// Bytes that are enciphered and authenticated in one go, while they are in the CPU's nearest cache; whole blocks.
const STEP_BYTES: usize = 16 * 1024;
/// How many bytes longer a sealed message is than its plain text.
pub(crate) const OVERHEAD: usize = IV_LENGTH + TAG_LENGTH;

/// The secret that everything in a repository is sealed with. Wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(crate) struct MasterKey {
    encrypt: [u8; 32],
    mac_k: [u8; 16],
    mac_r: [u8; 16],
}

/// The bytes were not sealed with this key, or were changed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the authentication tag does not match")]
pub(crate) struct Unauthentic;

/// What opening a sealed message gives.
pub(crate) type Opened<T> = std::result::Result<T, Unauthentic>;

impl MasterKey {
    /// A new random key.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(crate) fn generate() -> Result<Self> {
        let mut bytes = Zeroizing::new([0; 64]);
        random(bytes.as_mut())?;
        Ok(Self::from_bytes(&bytes))
    }

    /// From 32 bytes for the cipher, 16 for the `k` and 16 for the `r` of the tag.
    pub(crate) fn from_bytes(bytes: &[u8; 64]) -> Self {
        let (mut encrypt, mut mac_k, mut mac_r) = ([0; 32], [0; 16], [0; 16]);
        encrypt.copy_from_slice(&bytes[..32]);
        mac_k.copy_from_slice(&bytes[32..48]);
        mac_r.copy_from_slice(&bytes[48..]);
        Self::from_parts(encrypt, mac_k, mac_r)
    }

    /// From the three parts that a key file holds. The bits of `r` that Poly1305 ignores are cleared.
    pub(crate) fn from_parts(encrypt: [u8; 32], mac_k: [u8; 16], mut mac_r: [u8; 16]) -> Self {
        for index in [3, 7, 11, 15] {
            mac_r[index] &= 0x0f;
        }
        for index in [4, 8, 12] {
            mac_r[index] &= 0xfc;
        }
        Self { encrypt, mac_k, mac_r }
    }

    /// The key of the cipher.
    pub(crate) fn encrypt(&self) -> &[u8; 32] {
        &self.encrypt
    }

    /// The `k` of the tag.
    pub(crate) fn mac_k(&self) -> &[u8; 16] {
        &self.mac_k
    }

    /// The `r` of the tag.
    pub(crate) fn mac_r(&self) -> &[u8; 16] {
        &self.mac_r
    }

    /// Seals `plain` into a vector of its own.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(crate) fn seal(&self, plain: &[u8]) -> Result<Vec<u8>> {
        let mut sealed = vec![0; plain.len() + OVERHEAD];
        self.seal_into(plain, &mut sealed)?;
        Ok(sealed)
    }

    /// Seals `plain` into `sealed`, which must be exactly [`OVERHEAD`] longer.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub(crate) fn seal_into(&self, plain: &[u8], sealed: &mut [u8]) -> Result<()> {
        assert_eq!(sealed.len(), plain.len() + OVERHEAD, "the target is as long as the message");
        let (iv, rest) = sealed.split_at_mut(IV_LENGTH);
        let (cipher_text, tag) = rest.split_at_mut(plain.len());
        random(iv)?;
        let iv = array(iv);
        let (mut cipher, mut mac) = (self.cipher(&iv), self.mac(&iv));
        for (plain, sealed) in plain.chunks(STEP_BYTES).zip(cipher_text.chunks_mut(STEP_BYTES)) {
            cipher.apply_keystream_b2b(plain, sealed);
            mac.update(sealed);
        }
        tag.copy_from_slice(&mac.finish());
        Ok(())
    }

    /// Opens `sealed` into a vector of its own.
    ///
    /// # Errors
    /// When the bytes are not what this key sealed.
    pub(crate) fn open(&self, sealed: &[u8]) -> Opened<Vec<u8>> {
        let mut plain = Vec::new();
        self.open_into(sealed, &mut plain)?;
        Ok(plain)
    }

    /// Opens `sealed` into `plain`, whose former content is lost and whose memory is used again.
    ///
    /// # Errors
    /// When the bytes are not what this key sealed; then `plain` is empty.
    pub(crate) fn open_into(&self, sealed: &[u8], plain: &mut Vec<u8>) -> Opened<()> {
        let result = self.open_unchecked(sealed, plain);
        // What did not prove to be authentic is shown to nobody.
        result.inspect_err(|_| plain.clear())
    }

    /// As [`Self::open_into`], but leaves the bytes there when the tag is wrong.
    fn open_unchecked(&self, sealed: &[u8], plain: &mut Vec<u8>) -> Opened<()> {
        let (iv, rest) = sealed.split_at_checked(IV_LENGTH).ok_or(Unauthentic)?;
        let length = rest.len().checked_sub(TAG_LENGTH).ok_or(Unauthentic)?;
        let (cipher_text, tag) = rest.split_at(length);
        let iv = array(iv);
        // Not cleared before: only bytes beyond the former length are filled with zeros first.
        plain.resize(length, 0);
        let (mut cipher, mut mac) = (self.cipher(&iv), self.mac(&iv));
        for (sealed, plain) in cipher_text.chunks(STEP_BYTES).zip(plain.chunks_mut(STEP_BYTES)) {
            mac.update(sealed);
            cipher.apply_keystream_b2b(sealed, plain);
        }
        let difference = mac.finish().iter().zip(tag).fold(0, |sum, (a, b)| sum | (a ^ b));
        // The comparison takes the same time wherever the tags differ, so that it is no oracle.
        if std::hint::black_box(difference) == 0 { Ok(()) } else { Err(Unauthentic) }
    }

    /// Bytes for another `purpose` than sealing that tell nothing about this key (HKDF of RFC 5869 over SHA-256). At
    /// most 8,160 of them.
    pub(crate) fn derive(&self, purpose: &str, bytes: &mut [u8]) {
        struct Length(usize);
        impl ring::hkdf::KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        let mut secret = Zeroizing::new([0; 64]);
        secret[..32].copy_from_slice(&self.encrypt);
        secret[32..48].copy_from_slice(&self.mac_k);
        secret[48..].copy_from_slice(&self.mac_r);
        ring::hkdf::Salt::new(ring::hkdf::HKDF_SHA256, b"lockgate")
            .extract(secret.as_ref())
            .expand(&[purpose.as_bytes()], Length(bytes.len()))
            .and_then(|material| material.fill(bytes))
            .expect("no more bytes are asked than HKDF can give");
    }

    fn cipher(&self, iv: &[u8; 16]) -> Ctr128BE<Aes256> {
        Ctr128BE::new(&self.encrypt.into(), &(*iv).into())
    }

    /// Poly1305-AES: Poly1305 under `r`, masked with the AES-128 of the IV under `k`.
    fn mac(&self, iv: &[u8; 16]) -> Mac {
        let mut mask = (*iv).into();
        Aes128::new(&self.mac_k.into()).encrypt_block(&mut mask);
        let mut key = Zeroizing::new([0; 32]);
        key[..16].copy_from_slice(&self.mac_r);
        key[16..].copy_from_slice(&mask);
        Mac { poly: Poly1305::new(&(*key).into()), tail: Vec::new() }
    }
}

/// The tag of a message that comes in pieces, of which only the last may have a part of a block.
struct Mac {
    poly: Poly1305,
    tail: Vec<u8>,
}

impl Mac {
    fn update(&mut self, piece: &[u8]) {
        let (blocks, tail) = piece.split_at(piece.len() - piece.len() % 16);
        self.poly.update_padded(blocks);
        self.tail.extend_from_slice(tail);
    }

    fn finish(self) -> [u8; 16] {
        self.poly.compute_unpadded(&self.tail).into()
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MasterKey")
    }
}

/// Fills `bytes` from the system's generator.
///
/// # Errors
/// When the system has none.
pub(crate) fn random(bytes: &mut [u8]) -> Result<()> {
    SystemRandom::new()
        .fill(bytes)
        .map_err(|_| Error::new(ErrorKind::Io, "the system gives no random bytes"))
}

fn array(bytes: &[u8]) -> [u8; 16] {
    let mut copy = [0; 16];
    copy.copy_from_slice(bytes);
    copy
}

#[cfg(test)]
mod tests;
