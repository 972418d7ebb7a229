use std::collections::VecDeque;

use lockgate_types::Digest;

use super::budget::Lease;
use super::entry::Entry;
use super::primitives::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use crate::format::BlobKind;

/// Most jobs that one thread takes at once.
const BATCH_JOBS_MAX: usize = 512;

/// Bytes on their way to a pack. Holds no more than the budget lets out.
pub(super) struct Job {
    /// What is to be stored.
    pub(super) data: Lease,
    /// What it is part of.
    pub(super) role: Role,
}

/// What the bytes of a job are.
pub(super) enum Role {
    /// Chunk number `place` of an entry.
    Chunk {
        /// The entry that waits for the chunk's name.
        entry: Arc<Entry>,
        /// Of the chunk in the entry.
        place: usize,
    },
    /// A blob whose name is known: the tree of a directory, or what was read in another repository.
    Blob(BlobKind, Digest),
}

/// From the lanes to the CPU pool.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    pushed: Condvar,
    popped: Condvar,
    done: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    /// Jobs that are in the queue or in work.
    pending: usize,
    is_closed: bool,
}

/// Jobs in work: they count as pending until this is dropped.
pub(super) struct Batch<'a> {
    queue: &'a Queue,
    count: usize,
    pub(super) jobs: Vec<Job>,
}

impl Queue {
    pub(super) fn push(&self, mut job: Job) {
        job.data.set_moving();
        let mut state = self.state();
        state.bytes += job.data.filled().len();
        state.pending += 1;
        state.jobs.push_back(job);
        drop(state);
        self.pushed.notify_one();
    }

    /// The next jobs; none when the queue is closed and empty. Waits for the first one only: one of `takers` leaves
    /// the others their share.
    pub(super) fn pop(&self, takers: usize, lanes: usize) -> Option<Batch<'_>> {
        let mut state = self
            .pushed
            .wait_while(self.state(), |state| state.jobs.is_empty() && !state.is_closed)
            .unwrap_or_else(PoisonError::into_inner);
        let share = state.bytes / takers;
        let mut jobs: Vec<Job> = Vec::new();
        let mut bytes = 0;
        while let Some(job) = state.jobs.front() {
            let is_enough = bytes >= share || jobs.len() >= lanes && bytes >= BATCH_BYTES;
            if !jobs.is_empty() && (is_enough || jobs.len() >= BATCH_JOBS_MAX) {
                break;
            }
            bytes += job.data.filled().len();
            jobs.extend(state.jobs.pop_front());
        }
        state.bytes -= bytes;
        drop(state);
        self.popped.notify_all();
        (!jobs.is_empty()).then(|| Batch { queue: self, count: jobs.len(), jobs })
    }

    /// Waits while `bytes` or more are in the queue: more would only take memory, because the pool has work.
    pub(super) fn wait_for_room(&self, bytes: usize) {
        let is_full = |state: &mut State| state.bytes >= bytes && !state.is_closed;
        drop(self.popped.wait_while(self.state(), is_full).unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until no job is left.
    pub(super) fn wait_until_idle(&self) {
        drop(
            self.done
                .wait_while(self.state(), |state| state.pending > 0)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Nothing more will be pushed: whoever pops gets what is left, then nothing.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.pushed.notify_all();
        self.popped.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that make a batch large enough.
const BATCH_BYTES: usize = 1 << 20;

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.pending -= self.count;
        if state.pending == 0 {
            self.queue.done.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::write::budget::Budget;

    #[test]
    fn a_stream_waits_until_a_thread_takes_what_is_there() {
        let (queue, budget) = (Queue::default(), Budget::new(1 << 20));
        queue.wait_for_room(1);
        let data = budget.adopt(vec![0; 1000], 1000);
        queue.push(Job { data, role: Role::Blob(BlobKind::Tree, Digest([0; 32])) });
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.wait_for_room(1000));
            std::thread::sleep(Duration::from_millis(50));
            assert!(!waiting.is_finished(), "there was no room");
            drop(queue.pop(1, 1));
            waiting.join().unwrap();
        });
    }
}
