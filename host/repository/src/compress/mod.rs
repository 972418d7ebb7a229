//! Compression of blobs with zstd: contexts that are used again, and an early look that spares the work on what will not
//! shrink.

use std::str::FromStr;

use zstd::bulk::{Compressor, Decompressor};

use crate::error::{Error, ErrorKind, Result};

/// How hard to compress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Store as it is.
    Off,
    /// zstd level 1.
    Fastest,
    /// zstd level 3, restic's choice.
    #[default]
    Auto,
    /// zstd level 9.
    Better,
    /// zstd level 19: slow.
    Max,
}

impl Compression {
    fn level(self) -> Option<i32> {
        match self {
            Self::Off => None,
            Self::Fastest => Some(1),
            Self::Auto => Some(3),
            Self::Better => Some(9),
            Self::Max => Some(19),
        }
    }
}

impl FromStr for Compression {
    type Err = Error;

    /// `off`, `fastest`, `auto`, `better` or `max`.
    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "off" => Self::Off,
            "fastest" => Self::Fastest,
            "auto" => Self::Auto,
            "better" => Self::Better,
            "max" => Self::Max,
            _ => {
                let text = text.escape_debug();
                let message = format!(
                    "`{text}` is no compression: expected off, fastest, auto, better or max"
                );
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        })
    }
}

/// Data below this size is compressed without a look: the look would cost as much.
const SAMPLED_FROM: usize = 64 * 1024;
/// How many places of the data are looked at.
const SAMPLES: usize = 4;
/// How much is looked at in each place.
const SAMPLE_LENGTH: usize = 4 * 1024;
/// The shrunken form is stored when it saves at least this fraction: reading a blob back then has a point.
const SAVING_MIN_FRACTION: usize = 64;

/// Compresses blob after blob. One per thread.
pub(crate) struct Shrinker {
    context: Option<Compressor<'static>>,
    sampler: Compressor<'static>,
    sample: Vec<u8>,
    shrunken: Vec<u8>,
}

impl Shrinker {
    /// # Errors
    /// When zstd gets no memory.
    pub(crate) fn new(compression: Compression) -> Result<Self> {
        let context = compression.level().map(Compressor::new).transpose().map_err(failed)?;
        let sampler = Compressor::new(1).map_err(failed)?;
        Ok(Self { context, sampler, sample: Vec::new(), shrunken: Vec::new() })
    }

    /// A shorter form of `data`, or none when there is none worth storing.
    ///
    /// # Errors
    /// When zstd fails.
    pub(crate) fn shrink(&mut self, data: &[u8]) -> Result<Option<&[u8]>> {
        if self.context.is_none() || self.looks_random(data)? {
            return Ok(None);
        }
        let Some(context) = &mut self.context else { return Ok(None) };
        let room = zstd::zstd_safe::compress_bound(data.len());
        if self.shrunken.len() < room {
            self.shrunken.resize(room, 0);
        }
        let length =
            context.compress_to_buffer(data, &mut self.shrunken[..room]).map_err(failed)?;
        let is_worth_it = length + data.len() / SAVING_MIN_FRACTION < data.len();
        Ok(is_worth_it.then(|| &self.shrunken[..length]))
    }

    /// Whether samples of `data` do not shrink at all. Compressed, encrypted and random data do not; anything that level
    /// 1 finds something in is given to the real level.
    fn looks_random(&mut self, data: &[u8]) -> Result<bool> {
        if data.len() < SAMPLED_FROM {
            return Ok(false);
        }
        let room = zstd::zstd_safe::compress_bound(SAMPLE_LENGTH);
        self.sample.resize(room, 0);
        let stride = (data.len() - SAMPLE_LENGTH) / (SAMPLES - 1);
        for index in 0..SAMPLES {
            let piece = &data[index * stride..][..SAMPLE_LENGTH];
            let length =
                self.sampler.compress_to_buffer(piece, &mut self.sample).map_err(failed)?;
            if length < SAMPLE_LENGTH {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Decompresses blob after blob. One per thread.
pub(crate) struct Expander(Decompressor<'static>);

impl Expander {
    /// # Errors
    /// When zstd gets no memory.
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(Decompressor::new().map_err(failed)?))
    }

    /// Expands `shrunken` into `data`, whose former content is lost and whose memory is used again.
    ///
    /// # Errors
    /// When the bytes are not zstd, or do not expand to exactly `length` bytes.
    pub(crate) fn expand(
        &mut self,
        shrunken: &[u8],
        length: usize,
        data: &mut Vec<u8>,
    ) -> Result<()> {
        if data.capacity() < length {
            // Zeros that nobody touches take no memory, whatever length a damaged index asks for.
            *data = vec![0; length];
        } else {
            data.resize(length, 0);
        }
        let found = self
            .0
            .decompress_to_buffer(shrunken, data.as_mut_slice())
            .map_err(|error| Error::corrupt("a compressed blob", error))?;
        if found == length {
            return Ok(());
        }
        let why = format!("it expands to {found} bytes, not to {length}");
        Err(Error::corrupt("a compressed blob", why))
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("zstd: {error}")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        crate::seal::random(&mut bytes).unwrap();
        bytes
    }

    fn text(length: usize) -> Vec<u8> {
        (0..length).map(|index| b"customer,balance\n"[(index * index / 3) % 17]).collect()
    }

    #[test]
    fn text_shrinks_and_comes_back_at_every_level() {
        use Compression::{Auto, Better, Fastest, Max};
        let mut expanded = Vec::new();
        for compression in [Fastest, Auto, Better, Max] {
            let mut shrinker = Shrinker::new(compression).unwrap();
            for length in [1000, 100_000, 300_000] {
                let data = text(length);
                let shrunken = shrinker.shrink(&data).unwrap().expect("text shrinks");
                assert!(shrunken.len() < length / 2);
                Expander::new().unwrap().expand(shrunken, length, &mut expanded).unwrap();
                assert_eq!(expanded, data);
            }
        }
    }

    #[test]
    fn random_bytes_and_empty_ones_are_left_alone() {
        let mut shrinker = Shrinker::new(Compression::Max).unwrap();
        for length in [0, 1, 100, 70_000, 2_000_000] {
            assert_eq!(shrinker.shrink(&random(length)).unwrap(), None);
        }
        assert_eq!(Shrinker::new(Compression::Off).unwrap().shrink(&text(5000)).unwrap(), None);
    }

    #[test]
    fn one_compressible_region_among_random_bytes_is_found() {
        let mut data = random(400_000);
        data.extend_from_slice(&text(200_000));
        let mut shrinker = Shrinker::new(Compression::Auto).unwrap();
        assert!(shrinker.shrink(&data).unwrap().is_some());
    }

    #[test]
    fn memory_that_is_large_enough_is_used_again() {
        let mut shrinker = Shrinker::new(Compression::Auto).unwrap();
        let mut expander = Expander::new().unwrap();
        let mut expanded = Vec::with_capacity(9000);
        let place = expanded.as_ptr();
        for length in [3000, 9000, 5000, 8000] {
            let data = text(length);
            let shrunken = shrinker.shrink(&data).unwrap().expect("text shrinks");
            expander.expand(shrunken, length, &mut expanded).unwrap();
            assert_eq!(expanded, data);
            assert_eq!(expanded.as_ptr(), place, "{length} bytes");
        }
    }

    #[test]
    fn wrong_length_and_rubbish_are_refused() {
        let mut shrinker = Shrinker::new(Compression::Auto).unwrap();
        let shrunken = shrinker.shrink(&text(5000)).unwrap().unwrap().to_vec();
        let mut expander = Expander::new().unwrap();
        let mut data = Vec::new();
        for length in [0, 4999, 5001] {
            assert!(expander.expand(&shrunken, length, &mut data).is_err(), "{length}");
        }
        assert!(expander.expand(b"rubbish", 7, &mut data).is_err());
        expander.expand(&shrunken, 5000, &mut data).unwrap();
    }
}
