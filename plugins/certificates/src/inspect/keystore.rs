//! Keystores of Java (JKS and JCEKS, in the form that `sun.security.provider.JavaKeyStore` reads) and PKCS #12 (RFC 7292). The
//! certificates of the former are never encrypted; of the latter, those are read that are not.

use super::certificate::Certificate;
use super::der::{CONTEXT_0, IDENTIFIER, INTEGER, OCTET_STRING, Reader, SEQUENCE, whole_sequence};

const JKS: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];
const JCEKS: [u8; 4] = [0xce, 0xce, 0xce, 0xce];

/// Entry with a private key and the chain of its certificates.
const KEY_ENTRY: u32 = 1;
/// Entry with a certificate that is trusted.
const CERTIFICATE_ENTRY: u32 = 2;

/// 1.2.840.113549.1.7.1
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// 1.2.840.113549.1.12.10.1.3
const CERTIFICATE_BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x03];

/// The certificates that a keystore shows without its password; none when the content is no keystore.
pub fn certificates(content: &[u8]) -> Option<Vec<Certificate>> {
    match content.first_chunk() {
        Some(&JKS | &JCEKS) => {
            let mut found = Vec::new();
            java(content, &mut found);
            Some(found)
        }
        _ => pkcs12(content),
    }
}

/// Reads entries until the end, or until one that cannot be read.
fn java(content: &[u8], found: &mut Vec<Certificate>) -> Option<()> {
    let mut stream = Stream(content.get(4..)?);
    let version = stream.number()?;
    for _ in 0..stream.number()? {
        let kind = stream.number()?;
        stream.text()?;
        stream.take(8)?;
        let count = match kind {
            KEY_ENTRY => {
                stream.block()?;
                stream.number()?
            }
            CERTIFICATE_ENTRY => 1,
            _ => return None,
        };
        for _ in 0..count {
            if version == 2 {
                stream.text()?;
            }
            found.extend(Certificate::parse(stream.block()?));
        }
    }
    Some(())
}

/// What `java.io.DataOutputStream` writes.
struct Stream<'a>(&'a [u8]);

impl<'a> Stream<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn block(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?.try_into().ok()?;
        self.take(length)
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.take(2)?.try_into().ok().map(u16::from_be_bytes)?;
        self.take(length.into())
    }
}

/// `3, authenticated safe, ...`: the safe is data with contents one after the other, each in the clear or encrypted.
fn pkcs12(content: &[u8]) -> Option<Vec<Certificate>> {
    let mut inside = whole_sequence(content)?;
    if inside.expect(INTEGER)? != [3] {
        return None;
    }
    let mut contents = Reader(data(&mut inside)?).enter(SEQUENCE)?;
    let mut found = Vec::new();
    while !contents.is_empty() {
        // What is encrypted is passed over.
        let mut rest = contents;
        contents.element()?;
        let Some(bags) = data(&mut rest).and_then(|safe| Reader(safe).enter(SEQUENCE)) else {
            continue;
        };
        add_bags(bags, &mut found);
    }
    Some(found)
}

/// The bytes of a content that is not encrypted (RFC 5652).
fn data<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let mut content = reader.enter(SEQUENCE)?;
    (content.expect(IDENTIFIER)? == DATA).then_some(())?;
    content.enter(CONTEXT_0)?.expect(OCTET_STRING)
}

fn add_bags(mut bags: Reader<'_>, found: &mut Vec<Certificate>) {
    while let Some(bag) = bags.enter(SEQUENCE) {
        found.extend(certificate_of(bag));
    }
}

fn certificate_of(mut bag: Reader<'_>) -> Option<Certificate> {
    (bag.expect(IDENTIFIER)? == CERTIFICATE_BAG).then_some(())?;
    let mut inside = bag.enter(CONTEXT_0)?.enter(SEQUENCE)?;
    inside.expect(IDENTIFIER)?;
    Certificate::parse(inside.enter(CONTEXT_0)?.expect(OCTET_STRING)?)
}
