//! From sealed bytes to blobs that are what their names say.

use lockgate_types::Digest;

use crate::buffers::Buffers;
use crate::compress::Expander;
use crate::error::{Error, ErrorKind, Result};
use crate::format::BlobKind;
use crate::hash::Engine;
use crate::index::Location;
use crate::layout::{off_reactor, pack_name};
use crate::limits;
use crate::seal::MasterKey;

use super::Reader;

/// Opens blob after blob. One per piece of work.
pub(super) struct Opener<'a> {
    key: &'a MasterKey,
    expander: Option<Expander>,
    buffers: &'a Buffers,
    /// A compressed blob.
    shrunken: Vec<u8>,
}

impl Drop for Opener<'_> {
    fn drop(&mut self) {
        self.buffers.give(std::mem::take(&mut self.shrunken));
    }
}

impl<'a> Opener<'a> {
    pub(super) fn new(reader: &'a Reader) -> Self {
        let (key, buffers) = (reader.inner.repository.key(), &reader.inner.buffers);
        Self { key, expander: None, buffers, shrunken: Vec::new() }
    }

    /// The plain bytes, authenticated, but not yet compared with a name.
    pub(super) fn open(&mut self, sealed: &[u8], location: &Location) -> Result<Vec<u8>> {
        self.open_into(sealed, location, Vec::new())
    }

    /// The same in the memory of `plain`, whose content is lost.
    pub(super) fn open_into(
        &mut self,
        sealed: &[u8],
        location: &Location,
        mut plain: Vec<u8>,
    ) -> Result<Vec<u8>> {
        let Some(length) = location.uncompressed_length else {
            self.key
                .open_into(sealed, &mut plain)
                .map_err(|source| Error::corrupt("a blob", source))?;
            return Ok(plain);
        };
        let length = length as usize;
        if length > limits::BLOB_BYTES_MAX {
            return Err(Error::new(ErrorKind::Limit, format!("a blob has {length} bytes")));
        }
        if self.shrunken.capacity() == 0 {
            self.shrunken = self.buffers.take();
        }
        self.key
            .open_into(sealed, &mut self.shrunken)
            .map_err(|source| Error::corrupt("a blob", source))?;
        if self.expander.is_none() {
            self.expander = Some(Expander::new()?);
        }
        if let Some(expander) = &mut self.expander {
            expander.expand(&self.shrunken, length, &mut plain)?;
        }
        Ok(plain)
    }
}

/// Compares `blobs` with the names they should have; all at once where the CPU is faster so.
pub(super) fn verify(engine: Engine, blobs: &[(Digest, &[u8])]) -> Result<()> {
    let digests = engine.digests(&blobs.iter().map(|(_, bytes)| *bytes).collect::<Vec<_>>());
    for ((id, _), digest) in blobs.iter().zip(digests) {
        if *id != digest {
            return Err(Error::corrupt(format!("blob {}", id.short()), "its SHA-256 is another"));
        }
    }
    Ok(())
}

impl Reader {
    /// The plain bytes of a blob, fetched alone.
    pub(crate) async fn lone_blob(&self, kind: BlobKind, id: Digest) -> Result<Vec<u8>> {
        let location = self.locate(kind, &id)?;
        let name = pack_name(&self.inner.index.pack_id(location.pack));
        let start = u64::from(location.offset);
        let range = start..start + u64::from(location.length);
        let sealed = self.inner.repository.storage().get_range(&name, range).await?;
        let reader = self.clone();
        off_reactor(move || {
            let plain = Opener::new(&reader).open(&sealed, &location)?;
            verify(reader.inner.engine, &[(id, &plain)])?;
            Ok(plain)
        })
        .await
        .map_err(|error: Error| error.at(format_args!("blob {} in pack {name}", id.short())))
    }
}

pub(super) fn missing(kind: BlobKind, id: &Digest) -> Error {
    let kind = match kind {
        BlobKind::Data => "data",
        BlobKind::Tree => "tree",
    };
    Error::corrupt("repository", format!("no pack holds {kind} blob {}", id.short()))
}
