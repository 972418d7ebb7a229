//! A file of a snapshot that somebody has open.

use std::sync::{Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use lockgate_repository::{Chunks as Layout, Error, Result};

use crate::ahead::{Ahead, Run};
use crate::limits;
use crate::served::Chunks;

pub(crate) struct File {
    layout: Layout,
    run: Mutex<Run>,
}

impl File {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { layout, run: Mutex::default() }
    }

    /// The bytes from `offset` on, `size` of them unless the file ends before.
    pub(crate) async fn read(
        &self,
        chunks: &Chunks,
        ahead: &Ahead,
        offset: u64,
        size: u32,
    ) -> Result<Bytes> {
        let end = self.layout.size().min(offset.saturating_add(size.into()));
        let (mut pieces, mut at) = (Vec::new(), offset);
        while at < end {
            let Some(number) = self.layout.at(at) else { break };
            let Some((id, held)) = self.layout.get(number) else { break };
            self.look_ahead(number, ahead);
            let chunk = chunks.get(id).await?;
            let place = |offset: u64| usize::try_from(offset - held.start).unwrap_or(usize::MAX);
            let piece = place(at)..place(end.min(held.end));
            if chunk.len() as u64 != held.end - held.start {
                let what = format!("chunk {}", id.short());
                return Err(Error::corrupt(what, "its length is not what the index says"));
            }
            pieces.push(chunk.slice(piece));
            at = held.end;
        }
        Ok(joined(pieces))
    }

    fn look_ahead(&self, number: usize, ahead: &Ahead) {
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, count) = run.read(number);
        let here = self.layout.get(number).map_or(0, |(_, held)| held.end);
        for number in first..first.saturating_add(count) {
            let Some((id, held)) = self.layout.get(number) else { return };
            if held.end - here > limits::AHEAD_BYTES_MAX || !ahead.wish(id) {
                return;
            }
            run.wished(number + 1);
        }
    }
}

/// Most reads lie in one chunk, and then nothing is copied.
fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() < 2 {
        return pieces.pop().unwrap_or_default();
    }
    let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces.iter().for_each(|piece| all.extend_from_slice(piece));
    all.freeze()
}
