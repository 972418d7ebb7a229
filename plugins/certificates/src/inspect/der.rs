//! As much of DER (ITU-T X.690) as private keys and PKCS #12 need. Lengths are checked; nothing is copied.

pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const IDENTIFIER: u8 = 0x06;
pub const SEQUENCE: u8 = 0x30;
pub const CONTEXT_0: u8 = 0xa0;
pub const CONTEXT_1: u8 = 0xa1;

/// One element after the other.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// Tag and content of the next element; none at the end, and at what is none.
    pub fn element(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match *first {
            short @ 0..0x80 => (usize::from(short), rest),
            long => {
                let (digits, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
                // No element of a file that is looked into is longer than four bytes tell.
                if digits.is_empty() || digits.len() > 4 {
                    return None;
                }
                (digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// The content of the next element when it has this tag.
    pub fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.element().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// The elements inside of the next one when it has this tag.
    pub fn enter(&mut self, tag: u8) -> Option<Self> {
        self.expect(tag).map(Reader)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The elements inside of a sequence that is all of `content`.
pub fn whole_sequence(content: &[u8]) -> Option<Reader<'_>> {
    let mut reader = Reader(content);
    let inside = reader.enter(SEQUENCE)?;
    reader.is_empty().then_some(inside)
}

/// Whether it is a sequence of two or three numbers: an RSA public key (RFC 8017), parameters of Diffie and Hellman.
pub fn is_sequence_of_integers(content: &[u8]) -> bool {
    let Some(mut inside) = whole_sequence(content) else { return false };
    let mut count = 0;
    while !inside.is_empty() {
        if inside.expect(INTEGER).is_none() {
            return false;
        }
        count += 1;
    }
    (2..=3).contains(&count)
}

/// Whether it is one object identifier: the name of a curve.
pub fn is_identifier(content: &[u8]) -> bool {
    let mut reader = Reader(content);
    reader.expect(IDENTIFIER).is_some() && reader.is_empty()
}
