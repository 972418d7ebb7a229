//! Whether a pack holds what it says: nothing but CPU work over bytes in memory.

use bytes::Bytes;
use lockgate_types::Digest;

use super::finding::{Finding, Trouble};
use crate::buffers::Buffers;
use crate::compress::Expander;
use crate::error::{Error, Result};
use crate::format::{PackedBlob, pack_header_decode, pack_header_length};
use crate::hash::Engine;
use crate::limits;
use crate::seal::{MasterKey, OVERHEAD};

/// Bytes of the number at the end of a pack that tells how long the sealed header is.
const LENGTH_BYTES: usize = 4;
/// Bytes of packs that one thread verifies at once, and plain bytes that it hashes at once: a pack, or as much as keeps
/// all lanes busy where digests are fast only side by side.
pub(crate) fn batch_bytes(engine: Engine) -> usize {
    if engine.lanes() > 1 { 48 << 20 } else { 16 << 20 }
}

/// A pack that was fetched whole.
pub(crate) struct FetchedPack {
    /// Its name.
    pub id: Digest,
    /// Its storage name, for findings.
    pub object: String,
    /// The whole file.
    pub bytes: Bytes,
    /// What the index says of it, by offset.
    pub blobs: Vec<PackedBlob>,
}

/// How long a pack with these blobs is.
pub(crate) fn expected_size(blobs: &[PackedBlob]) -> u64 {
    let sealed: u64 = blobs.iter().map(|blob| u64::from(blob.length)).sum();
    let rest = pack_header_length(blobs) + OVERHEAD + LENGTH_BYTES;
    sealed.saturating_add(u64::try_from(rest).unwrap_or(u64::MAX))
}

/// The blobs that the header at the end of a pack names.
pub(crate) fn read_header(bytes: &[u8], key: &MasterKey) -> Result<Vec<PackedBlob>> {
    let length = bytes.len() as u64;
    match header_of(bytes, length, key)? {
        Header::Read(blobs) => Ok(blobs),
        Header::Longer(_) => {
            Err(Error::corrupt("header", "it says that it is longer than the file"))
        }
    }
}

/// What the end of a pack tells.
pub(crate) enum Header {
    /// The blobs.
    Read(Vec<PackedBlob>),
    /// The header is longer than what was given: this many bytes at the end are needed.
    Longer(u64),
}

/// The blobs that the header names, of the last bytes of a pack of `pack_bytes`.
pub(crate) fn header_of(tail: &[u8], pack_bytes: u64, key: &MasterKey) -> Result<Header> {
    let damaged = |why: &str| Error::corrupt("header", why);
    let (rest, length) =
        tail.split_last_chunk::<LENGTH_BYTES>().ok_or_else(|| damaged("the file is too short"))?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if length > limits::PACK_HEADER_BYTES_MAX + OVERHEAD {
        return Err(damaged("it says that it is longer than 16 MiB"));
    }
    let behind = (length + LENGTH_BYTES) as u64;
    let body = pack_bytes
        .checked_sub(behind)
        .ok_or_else(|| damaged("it says that it is longer than the file"))?;
    let Some(start) = rest.len().checked_sub(length) else { return Ok(Header::Longer(behind)) };
    let sealed = rest.get(start..).unwrap_or_default();
    let header = key.open(sealed).map_err(|_| damaged("the seal is broken"))?;
    let blobs = pack_header_decode(&header)?;
    let end = blobs.last().map_or(0, |blob| u64::from(blob.offset) + u64::from(blob.length));
    if body != end {
        return Err(damaged("its blobs do not fill the file"));
    }
    Ok(Header::Read(blobs))
}

/// Opens and hashes everything in packs.
pub(crate) struct Verifier<'a> {
    key: &'a MasterKey,
    engine: Engine,
    expander: Expander,
    buffers: &'a Buffers,
    /// A compressed blob.
    shrunken: Vec<u8>,
    findings: Vec<Finding>,
    waiting: Vec<Waiting<'a>>,
    waiting_bytes: usize,
}

/// A message whose digest is still to be computed.
struct Waiting<'a> {
    object: &'a str,
    expected: Digest,
    content: Content<'a>,
}

enum Content<'a> {
    Pack(&'a [u8]),
    Plain(Vec<u8>),
}

impl<'a> Verifier<'a> {
    /// # Errors
    /// `Io` when there is no memory for the decompressor.
    pub(crate) fn new(key: &'a MasterKey, engine: Engine, buffers: &'a Buffers) -> Result<Self> {
        Ok(Self {
            key,
            engine,
            expander: Expander::new()?,
            buffers,
            shrunken: buffers.take(),
            findings: Vec::new(),
            waiting: Vec::new(),
            waiting_bytes: 0,
        })
    }

    /// All that is wrong with `packs`.
    pub(crate) fn verify(mut self, packs: &'a [FetchedPack]) -> Vec<Finding> {
        for pack in packs {
            self.wait(&pack.object, pack.id, Content::Pack(&pack.bytes));
            self.verify_header(pack);
        }
        for pack in packs {
            for blob in &pack.blobs {
                self.verify_blob(pack, blob);
            }
        }
        self.hash_waiting();
        self.buffers.give(self.shrunken);
        self.findings
    }

    fn verify_header(&mut self, pack: &FetchedPack) {
        let trouble = match read_header(&pack.bytes, self.key) {
            Err(error) => Some(error.to_string()),
            Ok(blobs) if blobs != pack.blobs => {
                let (there, known) = (blobs.len(), pack.blobs.len());
                Some(format!("header with {there} blobs is not what the index says ({known})"))
            }
            Ok(_) => None,
        };
        if let Some(detail) = trouble {
            self.findings.push(Finding::new(Trouble::PackHeader, pack.object.clone(), detail));
        }
    }

    fn verify_blob(&mut self, pack: &'a FetchedPack, blob: &PackedBlob) {
        match self.open(&pack.bytes, blob) {
            Ok(plain) => self.wait(&pack.object, blob.id, Content::Plain(plain)),
            Err(detail) => {
                let finding = Finding::new(Trouble::Blob, pack.object.clone(), detail);
                self.findings.push(finding.of_blob(blob.id));
            }
        }
    }

    fn open(&mut self, pack: &[u8], blob: &PackedBlob) -> std::result::Result<Vec<u8>, String> {
        let start = usize::try_from(blob.offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(blob.length).unwrap_or(usize::MAX));
        let sealed = pack.get(start..end).ok_or("it lies beyond the end of the pack")?;
        let mut plain = self.buffers.take();
        let Some(length) = blob.uncompressed_length else {
            self.key.open_into(sealed, &mut plain).map_err(|_| "the seal is broken")?;
            return Ok(plain);
        };
        self.key.open_into(sealed, &mut self.shrunken).map_err(|_| "the seal is broken")?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > limits::BLOB_BYTES_MAX {
            return Err("it says that it expands to more than 2 GiB".to_owned());
        }
        self.expander
            .expand(&self.shrunken, length, &mut plain)
            .map_err(|error| error.to_string())?;
        Ok(plain)
    }

    fn wait(&mut self, object: &'a str, expected: Digest, content: Content<'a>) {
        self.waiting_bytes += content.bytes().len();
        self.waiting.push(Waiting { object, expected, content });
        if self.waiting_bytes >= batch_bytes(self.engine) {
            self.hash_waiting();
        }
    }

    fn hash_waiting(&mut self) {
        let messages: Vec<&[u8]> =
            self.waiting.iter().map(|waiting| waiting.content.bytes()).collect();
        let digests = self.engine.digests(&messages);
        let wrong =
            self.waiting.iter().zip(digests).filter(|(one, digest)| one.expected != *digest);
        self.findings.extend(wrong.map(|(waiting, _)| waiting.finding()));
        for waiting in self.waiting.drain(..) {
            if let Content::Plain(bytes) = waiting.content {
                self.buffers.give(bytes);
            }
        }
        self.waiting_bytes = 0;
    }
}

impl Content<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Pack(bytes) => bytes,
            Self::Plain(bytes) => bytes,
        }
    }
}

impl Waiting<'_> {
    fn finding(&self) -> Finding {
        match self.content {
            Content::Pack(_) => {
                Finding::new(Trouble::PackName, self.object, "the bytes have another SHA-256")
            }
            Content::Plain(_) => {
                Finding::new(Trouble::Blob, self.object, "the plain bytes have another SHA-256")
                    .of_blob(self.expected)
            }
        }
    }
}

#[cfg(test)]
#[path = "pack_tests.rs"]
mod tests;
