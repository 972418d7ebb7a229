//! SipHash-2-4 with 128 bits of output, as in J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast short-input PRF", and
//! the 128-bit variant of the authors' reference implementation.

/// Takes bytes and gives 128 bits: for fingerprints that are sums over rows in any order, where [`crate::Fingerprint`] would
/// be slow and wants an order. The key is public: the hash guards against accidents, not against a server that chooses rows.
#[derive(Clone, Debug)]
pub struct Hasher {
    state: [u64; 4],
    /// Bytes of an incomplete word, in its low end.
    tail: u64,
    length: u64,
}

const KEY: (u64, u64) = (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908);

impl Default for Hasher {
    fn default() -> Self {
        let (k0, k1) = KEY;
        Self {
            state: [
                k0 ^ 0x736f_6d65_7073_6575,
                k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
                k0 ^ 0x6c79_6765_6e65_7261,
                k1 ^ 0x7465_6462_7974_6573,
            ],
            tail: 0,
            length: 0,
        }
    }
}

impl Hasher {
    /// The hash of `bytes`.
    #[must_use]
    #[inline]
    pub fn hash(bytes: &[u8]) -> u128 {
        // In one piece the state never leaves the registers, which shows where bytes are many short rows.
        let mut hasher = Self { length: bytes.len() as u64, ..Self::default() };
        hasher.absorb_all(bytes);
        hasher.finish()
    }

    /// Takes more bytes; how they are cut makes no difference.
    #[inline]
    pub fn update(&mut self, mut bytes: &[u8]) {
        let held = (self.length % 8) as u32;
        self.length = self.length.wrapping_add(bytes.len() as u64);
        if held > 0 {
            let wanted = 8 - held as usize;
            let (front, rest) = bytes.split_at(wanted.min(bytes.len()));
            for (index, byte) in front.iter().enumerate() {
                self.tail |= u64::from(*byte) << (8 * (held as usize + index));
            }
            bytes = rest;
            if front.len() < wanted {
                return;
            }
            let word = self.tail;
            self.absorb(word);
            self.tail = 0;
        }
        self.absorb_all(bytes);
    }

    /// Takes bytes that begin with a word.
    #[inline(always)]
    fn absorb_all(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.absorb(u64::from_le_bytes(*word));
        }
        for (index, byte) in rest.iter().enumerate() {
            self.tail |= u64::from(*byte) << (8 * index);
        }
    }

    /// The hash of all bytes taken.
    #[must_use]
    #[inline(always)]
    pub fn finish(mut self) -> u128 {
        let last = self.tail | self.length << 56;
        self.absorb(last);
        self.state[2] ^= 0xee;
        let low = self.squeeze();
        self.state[1] ^= 0xdd;
        let high = self.squeeze();
        u128::from(low) | u128::from(high) << 64
    }

    #[inline(always)]
    fn absorb(&mut self, word: u64) {
        self.state[3] ^= word;
        self.round();
        self.round();
        self.state[0] ^= word;
    }

    #[inline(always)]
    fn squeeze(&mut self) -> u64 {
        for _ in 0..4 {
            self.round();
        }
        let [a, b, c, d] = self.state;
        a ^ b ^ c ^ d
    }

    #[inline(always)]
    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.state;
        a = a.wrapping_add(b);
        b = b.rotate_left(13) ^ a;
        a = a.rotate_left(32);
        c = c.wrapping_add(d);
        d = d.rotate_left(16) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(21) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.state = [a, b, c, d];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_vectors_of_the_authors_come_out() {
        // `vectors_sip128` in the reference implementation: key 00..0f, messages 00 01 02 ... of length 0, 1 and 2.
        let expected: [(&[u8], [u8; 16]); 2] = [
            (
                b"",
                [
                    0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7,
                    0x55, 0x02, 0x93,
                ],
            ),
            (
                b"\0",
                [
                    0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b,
                    0x22, 0xfc, 0x45,
                ],
            ),
        ];
        for (message, hash) in expected {
            assert_eq!(Hasher::hash(message).to_le_bytes(), hash);
        }
    }

    #[test]
    fn pieces_make_no_difference() {
        let bytes: Vec<u8> = (0..=255).collect();
        let whole = Hasher::hash(&bytes);
        for size in 1..20 {
            let mut hasher = Hasher::default();
            bytes.chunks(size).for_each(|piece| hasher.update(piece));
            assert_eq!(hasher.finish(), whole, "pieces of {size}");
        }
    }
}
