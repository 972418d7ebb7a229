//! Certificates, requests and revocation lists (RFC 5280, RFC 2986) through x509-parser. Each must be all of its content.

use lockgate_plugin::path::shown;
use x509_parser::prelude::*;

use super::key::{PublicHalf, of_public};

/// Characters of a subject that are kept.
const SUBJECT_CHARACTERS_MAX: usize = 200;

/// What is of use to know of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The subject, or the first name that it is for. One line, safe on a terminal.
    pub subject: String,
    /// Seconds since 1970.
    pub begins: i64,
    /// Seconds since 1970.
    pub expires: i64,
    /// Of its key.
    pub half: PublicHalf,
}

impl Certificate {
    /// Reads DER.
    pub fn parse(content: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(content).ok()?;
        let validity = certificate.validity();
        rest.is_empty().then(|| Self {
            subject: subject(&certificate),
            begins: validity.not_before.timestamp(),
            expires: validity.not_after.timestamp(),
            half: of_public(certificate.public_key()),
        })
    }
}

fn subject(certificate: &X509Certificate<'_>) -> String {
    let mut text = certificate.subject().to_string();
    if text.is_empty() {
        let names = certificate.subject_alternative_name().ok().flatten();
        let first = names.and_then(|names| names.value.general_names.first());
        text = first.map_or_else(|| "no name".to_owned(), ToString::to_string);
    }
    let text: String = text.chars().take(SUBJECT_CHARACTERS_MAX).collect();
    shown(text.as_bytes())
}

/// Whether it is a request for a certificate.
pub fn is_request(content: &[u8]) -> bool {
    X509CertificationRequest::from_der(content).is_ok_and(|(rest, _)| rest.is_empty())
}

/// Whether it is a public key.
pub fn is_public_key(content: &[u8]) -> bool {
    SubjectPublicKeyInfo::from_der(content).is_ok_and(|(rest, _)| rest.is_empty())
}

/// When a revocation list expires; the inner none when it does not say.
pub fn revocation_list(content: &[u8]) -> Option<Option<i64>> {
    let (rest, list) = CertificateRevocationList::from_der(content).ok()?;
    rest.is_empty().then(|| list.next_update().map(|time| time.timestamp()))
}
