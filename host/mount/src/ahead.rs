//! Chunks that a sequential reader will want, fetched before it asks.

use std::sync::Arc;

use futures::StreamExt;
use lockgate_types::Digest;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::limits;
use crate::served::Chunks;

/// Takes wishes. When the last one is dropped, the task ends.
#[derive(Clone)]
pub(crate) struct Ahead(mpsc::Sender<Digest>);

impl Ahead {
    /// Starts the task that fetches; its owner joins it.
    pub(crate) fn start(chunks: Arc<Chunks>) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(limits::AHEAD_WAITING_MAX);
        let wishes = futures::stream::unfold(receiver, async |mut receiver| {
            let id = receiver.recv().await?;
            Some((id, receiver))
        });
        let task = wishes.for_each_concurrent(limits::AHEAD_AT_A_TIME, move |id| {
            let chunks = Arc::clone(&chunks);
            async move {
                // Whoever comes to read it will hear of the trouble.
                if let Err(error) = chunks.get(id).await {
                    tracing::debug!(chunk = %id.short(), %error, "not fetched ahead");
                }
            }
        });
        (Self(sender), tokio::spawn(task))
    }

    /// Whether there was room for the wish.
    pub(crate) fn wish(&self, id: Digest) -> bool {
        self.0.try_send(id).is_ok()
    }
}

/// Which chunks a reader of one file will want: nothing, unless it goes from chunk to chunk.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// The chunk that was read last.
    last: usize,
    /// Chunks that were read one after the other.
    length: usize,
    /// The first chunk that was not wished for yet.
    next: usize,
}

impl Run {
    /// Chunk `number` is read. The first chunk that should be fetched now, and how many.
    pub(crate) fn read(&mut self, number: usize) -> (usize, usize) {
        // The kernel may ask for the pieces of one stretch in any order.
        if number <= self.last && number + 1 >= self.last {
            return (0, 0);
        }
        self.length = if number == self.last + 1 { self.length + 1 } else { 0 };
        self.last = number;
        self.next = if self.length == 0 { number + 1 } else { self.next.max(number + 1) };
        // The longer it goes on, the surer it is.
        let until = number + 1 + 2 * self.length;
        (self.next, until.saturating_sub(self.next))
    }

    /// Everything before `next` was wished for.
    pub(crate) fn wished(&mut self, next: usize) {
        self.next = self.next.max(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_goes_from_chunk_to_chunk_gets_more() {
        let mut run = Run::default();
        assert_eq!(run.read(0), (0, 0));
        assert_eq!(run.read(1), (2, 2));
        run.wished(4);
        assert_eq!(run.read(1), (0, 0));
        assert_eq!(run.read(0), (0, 0));
        assert_eq!(run.read(2), (4, 3));
        run.wished(5);
        assert_eq!(run.read(3), (5, 5));
        assert_eq!(run.read(70), (71, 0));
        assert_eq!(run.read(9), (10, 0));
        assert_eq!(run.read(10), (11, 2));
    }
}
