//! The database of a snapshot as one file: the pages of the write-ahead log in place of those of the database's file. It depends
//! on the database alone, not on how much of it is still in the log, so that an unchanged database gives the same bytes.

use lockgate_plugin::{Fingerprint, Result};

use crate::host::{File, Folder};
use crate::snapshot::Snapshot;

/// Bytes of one piece: whole pages of every size. Part of the fingerprint, so it never changes.
pub const BLOCK_BYTES: u32 = 1 << 20;

/// What an image turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Of all pages.
    pub fingerprint: String,
    /// Pages that came from the log.
    pub from_log: u64,
    /// Pages that are neither in the log nor in the file, and were never written: they are zero.
    pub unwritten: u64,
}

/// The page after so many, as the log numbers it.
fn number(pages: u64) -> u32 {
    u32::try_from(pages + 1).unwrap_or(u32::MAX)
}

impl<F: Folder> Snapshot<'_, F> {
    /// Bytes of the image.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        u64::from(self.pages) * self.page_size()
    }

    fn page_size(&self) -> u64 {
        self.header.as_ref().map_or(0, |header| header.page_size.into())
    }

    /// Gives the image piece by piece to `take`.
    ///
    /// # Errors
    /// When something cannot be read, when `take` fails, or when the snapshot was lost meanwhile.
    pub fn copy(&mut self, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<Copied> {
        let mut fingerprint = Fingerprint::new();
        let mut copied = Copied { fingerprint: String::new(), from_log: 0, unwritten: 0 };
        let mut offset = 0;
        while offset < self.bytes() {
            self.watch()?;
            let block = self.block(offset, &mut copied)?;
            fingerprint.add(&block);
            take(&block)?;
            offset += block.len() as u64;
        }
        self.verify()?;
        fingerprint.add_number(self.bytes());
        Ok(Copied { fingerprint: fingerprint.finish(), ..copied })
    }

    fn block(&self, offset: u64, copied: &mut Copied) -> Result<Vec<u8>> {
        let size = self.page_size();
        let length = u64::from(BLOCK_BYTES).min(self.bytes() - offset) as usize;
        let wanted = u64::from(BLOCK_BYTES).min(self.main_bytes.saturating_sub(offset));
        let mut block = match wanted {
            0 => Vec::new(),
            wanted => self.main.read_at(offset, wanted as u32)?,
        };
        let (there, first) = (block.len() as u64, offset / size);
        block.resize(length, 0);
        let behind = first + length as u64 / size;
        if let Some(log) = &self.log {
            for (page, at) in log.frames.range(number(first), number(behind)) {
                let bytes = log.file.read_at(at, size as u32)?;
                let start = (u64::from(page - 1) - first) * size;
                if let Some(room) = block.get_mut(start as usize..(start + size) as usize)
                    && room.len() == bytes.len()
                {
                    room.copy_from_slice(&bytes);
                    copied.from_log += 1;
                }
            }
        }
        let missing = first + there.div_ceil(size) + 1..=behind;
        let is_in_log =
            |page: &u64| self.log.as_ref().is_some_and(|log| log.frames.has(*page as u32));
        copied.unwritten += missing.filter(|page| !is_in_log(page)).count() as u64;
        self.clear_lock_page(first, &mut block);
        Ok(block)
    }

    /// The page of the locked bytes holds nothing, whatever is on the disk.
    fn clear_lock_page(&self, first: u64, block: &mut [u8]) {
        let size = self.page_size();
        let Some(page) = self.header.as_ref().map(|header| header.lock_page() - 1) else { return };
        let start = page.checked_sub(first).map(|pages| pages * size);
        let room = start.and_then(|start| block.get_mut(start as usize..(start + size) as usize));
        room.into_iter().flatten().for_each(|byte| *byte = 0);
    }
}
