use std::collections::VecDeque;

use bytes::Bytes;
use lockgate_types::Digest;
use tokio_util::task::AbortOnDropHandle;

use super::Reader;
use super::blobs::{Opener, verify};
use crate::error::{Error, ErrorKind, Result};
use crate::format::{BlobKind, Node};
use crate::layout::{off_reactor, pack_name};
use crate::limits;

/// Gives the bytes of one node in order. Blobs are fetched before they are asked for.
#[derive(Debug)]
pub struct ContentReader {
    reader: Reader,
    content: Vec<Digest>,
    size: u64,
    /// The blob that the next fetch is for.
    next: usize,
    fetches: VecDeque<Fetch>,
    /// Plain bytes of `fetches`.
    ahead: u64,
    /// What is left of the present blob.
    present: Bytes,
    /// Bytes to leave out of the next blob.
    skip: usize,
    /// Given again to whoever reads on after an error: what follows a gap must not pass for what was in it.
    failed: Option<Error>,
}

#[derive(Debug)]
struct Fetch {
    plain_length: u64,
    task: AbortOnDropHandle<Result<Bytes>>,
}

impl ContentReader {
    pub(super) fn new(reader: Reader, node: &Node) -> Self {
        Self {
            reader,
            content: node.blobs().to_vec(),
            size: node.size,
            next: 0,
            fetches: VecDeque::new(),
            ahead: 0,
            present: Bytes::new(),
            skip: 0,
            failed: None,
        }
    }

    /// Bytes of the whole content.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The next bytes, at most `max`; empty at the end.
    ///
    /// # Errors
    /// `Storage`, `Corrupt`.
    pub async fn read(&mut self, max: usize) -> Result<Bytes> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        while self.present.is_empty() {
            match self.next_blob().await {
                Ok(Some(blob)) => self.present = blob,
                Ok(None) => return Ok(Bytes::new()),
                Err(error) => {
                    self.failed = Some(error.clone());
                    return Err(error);
                }
            }
        }
        Ok(self.present.split_to(max.min(self.present.len())))
    }

    async fn next_blob(&mut self) -> Result<Option<Bytes>> {
        self.fetch_ahead()?;
        let Some(fetch) = self.fetches.pop_front() else { return Ok(None) };
        self.ahead -= fetch.plain_length;
        let blob = match fetch.task.await {
            Ok(blob) => blob?,
            Err(error) => {
                let stopped = Error::new(ErrorKind::Cancelled, "reading was stopped");
                return Err(stopped.with_source(error));
            }
        };
        let skip = std::mem::take(&mut self.skip).min(blob.len());
        Ok(Some(blob.slice(skip..)))
    }

    /// Continues at `offset` bytes from the start; at the end when that is beyond it.
    ///
    /// # Errors
    /// `Corrupt` when a blob is missing.
    pub fn seek(&mut self, offset: u64) -> Result<()> {
        self.fetches.clear();
        self.ahead = 0;
        self.present = Bytes::new();
        self.skip = 0;
        self.failed = None;
        self.next = self.content.len();
        let mut start = 0;
        for (index, id) in self.content.iter().enumerate() {
            let location = self.reader.locate(BlobKind::Data, id)?;
            let end = start + u64::from(location.plain_length());
            if offset < end {
                self.next = index;
                self.skip = usize::try_from(offset - start).unwrap_or(usize::MAX);
                break;
            }
            start = end;
        }
        Ok(())
    }

    fn fetch_ahead(&mut self) -> Result<()> {
        while self.fetches.len() < limits::READ_AHEAD_BLOBS_MAX
            && (self.fetches.is_empty() || self.ahead < limits::READ_AHEAD_BYTES_MAX)
            && let Some(id) = self.content.get(self.next).copied()
        {
            let location = self.reader.locate(BlobKind::Data, &id)?;
            let plain_length = u64::from(location.plain_length());
            let reader = self.reader.clone();
            let task = tokio::spawn(async move { reader.blob(id).await });
            self.fetches.push_back(Fetch { plain_length, task: AbortOnDropHandle::new(task) });
            self.ahead += plain_length;
            self.next += 1;
        }
        Ok(())
    }
}

/// A chunk whose memory goes back to its reader.
struct Lent {
    plain: Vec<u8>,
    reader: Reader,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.plain
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.reader.inner.buffers.give(std::mem::take(&mut self.plain));
    }
}

impl Reader {
    /// One chunk of content.
    pub(super) async fn blob(&self, id: Digest) -> Result<Bytes> {
        match self.own_blob(id).await {
            Err(error) if self.can_rescue(&error) => {
                Ok(Bytes::from(self.rescue(BlobKind::Data, id, error).await?))
            }
            read => read,
        }
    }

    async fn own_blob(&self, id: Digest) -> Result<Bytes> {
        let location = self.locate(BlobKind::Data, &id)?;
        let name = pack_name(&self.inner.index.pack_id(location.pack));
        let reader = self.clone();
        let open = move |sealed: Bytes| {
            let plain = reader.inner.buffers.take();
            let plain = Opener::new(&reader).open_into(&sealed, &location, plain)?;
            verify(reader.inner.engine, &[(id, &plain)])?;
            Ok(Bytes::from_owner(Lent { plain, reader }))
        };
        if location.length.max(location.plain_length()) <= limits::SMALL_BLOB_BYTES_MAX {
            // Opened in less time than it takes to hand it to another thread.
            let sealed = self.fetch_with_neighbours(&location).await?;
            return open(sealed).map_err(|error: Error| error.at(name));
        }
        let start = u64::from(location.offset);
        let bytes = start..start + u64::from(location.length);
        let sealed = self.inner.repository.storage().get_range(&name, bytes).await?;
        off_reactor(move || open(sealed)).await.map_err(|error: Error| error.at(name))
    }
}
