//! SHA-256, which names every blob and every file of a repository (FIPS 180-4).
//!
//! One message at a time goes through ring, which uses the SHA instructions of the CPU where there are some. Four messages
//! side by side go through these instructions nearly twice as fast. Where there are none, many messages are hashed side by
//! side, each in a lane of the vector registers, at three to six times the speed.

#[cfg(target_arch = "x86_64")]
mod lanes;
#[cfg(target_arch = "x86_64")]
mod lanes16;
#[cfg(target_arch = "x86_64")]
mod lanes4;
#[cfg(target_arch = "x86_64")]
mod lanes8;

use lockgate_types::Digest;

/// How the digests of many messages are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// One after the other.
    Single,
    /// Four lanes of the SHA instructions.
    #[cfg(target_arch = "x86_64")]
    Lanes4,
    /// Eight lanes of AVX2.
    #[cfg(target_arch = "x86_64")]
    Lanes8,
    /// Sixteen lanes of AVX-512.
    #[cfg(target_arch = "x86_64")]
    Lanes16,
}

impl Engine {
    /// The fastest one on this CPU.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if lanes4::is_supported() {
            return Self::Lanes4;
        }
        Self::supported().pop().unwrap_or(Self::Single)
    }

    /// All that this CPU can run, the widest last.
    pub(crate) fn supported() -> Vec<Self> {
        let mut engines = vec![Self::Single];
        #[cfg(target_arch = "x86_64")]
        {
            if lanes4::is_supported() {
                engines.push(Self::Lanes4);
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                engines.push(Self::Lanes8);
            }
            if lanes16::is_supported() {
                engines.push(Self::Lanes16);
            }
        }
        engines
    }

    /// How many messages it wants at once.
    pub(crate) fn lanes(self) -> usize {
        match self {
            Self::Single => 1,
            // None needs to be waited for: a lane alone is nearly as fast as ring.
            #[cfg(target_arch = "x86_64")]
            Self::Lanes4 => 1,
            #[cfg(target_arch = "x86_64")]
            Self::Lanes8 => lanes8::LANES,
            #[cfg(target_arch = "x86_64")]
            Self::Lanes16 => lanes16::LANES,
        }
    }

    /// Whether `messages` keep so many lanes busy that they are faster than one after the other.
    fn pays(self, messages: &[&[u8]]) -> bool {
        let total: usize = messages.iter().map(|message| message.len()).sum();
        let longest = messages.iter().map(|message| message.len()).max().unwrap_or(0);
        match self {
            Self::Single => false,
            #[cfg(target_arch = "x86_64")]
            Self::Lanes4 => messages.len() > 1 && total - longest >= longest / 4,
            #[cfg(target_arch = "x86_64")]
            Self::Lanes8 | Self::Lanes16 => total / 3 >= longest,
        }
    }

    /// The digests of `messages`, in their order.
    pub(crate) fn digests(self, messages: &[&[u8]]) -> Vec<Digest> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Lanes4 if self.pays(messages) => lanes4::digests(messages),
            #[cfg(target_arch = "x86_64")]
            Self::Lanes8 if self.pays(messages) => lanes8::digests(messages),
            #[cfg(target_arch = "x86_64")]
            Self::Lanes16 if self.pays(messages) => lanes16::digests(messages),
            _ => messages.iter().map(|message| sha256(message)).collect(),
        }
    }
}

/// The digest of one message.
pub(crate) fn sha256(message: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(message);
    hasher.finish()
}

/// The digest of one message that comes in pieces.
pub(crate) struct Hasher(ring::digest::Context);

impl Hasher {
    pub(crate) fn new() -> Self {
        Self(ring::digest::Context::new(&ring::digest::SHA256))
    }

    /// Appends `piece` to the message.
    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The digest of all pieces.
    pub(crate) fn finish(self) -> Digest {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.finish().as_ref());
        Digest(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digest_of_abc_is_that_of_the_standard() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc").to_string(), text);
    }

    #[test]
    fn every_engine_agrees_on_every_length_around_the_padding() {
        let bytes: Vec<u8> = (0..=255).cycle().take(400).collect();
        let messages: Vec<&[u8]> = (0..400).map(|length| &bytes[..length]).collect();
        let expected: Vec<Digest> = messages.iter().map(|message| sha256(message)).collect();
        for engine in Engine::supported() {
            assert_eq!(engine.digests(&messages), expected, "{engine:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_engine_agrees_with_ring(
            lengths in prop::collection::vec(0..5000_usize, 0..70), seed in any::<u8>(),
        ) {
            let bytes: Vec<u8> = (0..9000_usize)
                .map(|index| u8::try_from(index * index % 251).unwrap() ^ seed)
                .collect();
            let messages: Vec<&[u8]> =
                lengths.iter().map(|length| &bytes[length / 3..length / 3 + length]).collect();
            let expected: Vec<Digest> = messages.iter().map(|message| sha256(message)).collect();
            for engine in Engine::supported() {
                prop_assert_eq!(&engine.digests(&messages), &expected);
            }
        }
    }
}
