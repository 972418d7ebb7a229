//! Private keys that are not encrypted: PKCS #8 (RFC 5958), PKCS #1 (RFC 8017), SEC 1 (RFC 5915). Only their public halves
//! are taken out.

use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::der::{
    BIT_STRING, CONTEXT_0, CONTEXT_1, IDENTIFIER, INTEGER, OCTET_STRING, Reader, SEQUENCE,
    whole_sequence,
};

/// 1.3.101.112, see RFC 8410.
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// What a key and its certificate have in common: the modulus of RSA without leading zeros, the point of a curve.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PublicHalf(Vec<u8>);

impl PublicHalf {
    fn of_number(digits: &[u8]) -> Self {
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        Self(digits.get(zeros..).unwrap_or_default().to_vec())
    }
}

/// Of a certificate's key.
pub fn of_public(key: &SubjectPublicKeyInfo<'_>) -> PublicHalf {
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => PublicHalf::of_number(rsa.modulus),
        _ => PublicHalf(key.subject_public_key.data.to_vec()),
    }
}

/// Whether `content` is a private key in DER, and its public half when it tells that.
pub fn of_private(content: &[u8]) -> Option<Option<PublicHalf>> {
    let inside = whole_sequence(content)?;
    of_pkcs8(inside)
        .or_else(|| of_rsa(inside).map(Some))
        .or_else(|| of_curve(inside))
        .or_else(|| of_encrypted(inside))
}

fn of_pkcs8(mut inside: Reader<'_>) -> Option<Option<PublicHalf>> {
    inside.expect(INTEGER)?;
    let algorithm = inside.enter(SEQUENCE)?.expect(IDENTIFIER)?;
    let key = inside.expect(OCTET_STRING)?;
    if algorithm == ED25519 {
        let seed = Reader(key).expect(OCTET_STRING)?.try_into().ok()?;
        let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
        return Some(Some(PublicHalf(public.as_bytes().to_vec())));
    }
    let inner = whole_sequence(key);
    Some(inner.and_then(|inner| of_rsa(inner).or_else(|| of_curve(inner).flatten())))
}

/// `version, modulus, exponents, primes, ...`: nine numbers.
fn of_rsa(mut inside: Reader<'_>) -> Option<PublicHalf> {
    inside.expect(INTEGER)?;
    let modulus = inside.expect(INTEGER)?;
    for _ in 0..7 {
        inside.expect(INTEGER)?;
    }
    Some(PublicHalf::of_number(modulus))
}

/// `1, private key, [0] curve, [1] public key`. The public key may be left out.
fn of_curve(mut inside: Reader<'_>) -> Option<Option<PublicHalf>> {
    if inside.expect(INTEGER)? != [1] {
        return None;
    }
    inside.expect(OCTET_STRING)?;
    let mut half = None;
    while let Some((tag, content)) = inside.element() {
        match tag {
            CONTEXT_0 => {}
            CONTEXT_1 => half = point(Reader(content)),
            _ => return None,
        }
    }
    Some(half)
}

fn point(mut inside: Reader<'_>) -> Option<PublicHalf> {
    let (unused, point) = inside.expect(BIT_STRING)?.split_first()?;
    (*unused == 0).then(|| PublicHalf(point.to_vec()))
}

/// `algorithm, encrypted key`, with nothing to be read in it.
fn of_encrypted(mut inside: Reader<'_>) -> Option<Option<PublicHalf>> {
    inside.enter(SEQUENCE)?.expect(IDENTIFIER)?;
    inside.expect(OCTET_STRING)?;
    inside.is_empty().then_some(None)
}
