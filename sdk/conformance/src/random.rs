//! Reproducible bytes and choices: the xorshift64* generator (Vigna, "An experimental exploration of Marsaglia's xorshift
//! generators, scrambled", 2016).

/// A generator that gives the same sequence for the same seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// Bytes that do not compress.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.number().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    /// Text that hardly compresses: of the 64 digits of base64.
    pub fn noise(&mut self, length: usize) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::with_capacity(length + 10);
        while text.len() < length {
            let bits = self.number();
            text.extend(
                (0..10).map(|digit| char::from(DIGITS[(bits >> (6 * digit) & 63) as usize])),
            );
        }
        text.truncate(length);
        text
    }

    /// Words that compress as text does.
    pub fn text(&mut self, length: usize) -> Vec<u8> {
        const WORDS: [&str; 16] = [
            "ledger", "harbour", "quiet", "copper", "seven", "lantern", "orbit", "meadow", "paper",
            "signal", "north", "velvet", "engine", "window", "cipher", "garden",
        ];
        let mut text = Vec::with_capacity(length + 16);
        while text.len() < length {
            let number = self.number();
            text.extend_from_slice(WORDS[(number % 16) as usize].as_bytes());
            text.extend_from_slice(format!("{} ", number >> 56).as_bytes());
        }
        text.truncate(length);
        text
    }
}
