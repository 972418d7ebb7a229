use std::time::Duration;

use super::primitives::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Sizes in which larger buffers come, so that they can be used again; each is a half or a third larger than the one
/// before. What is smaller is allocated as it is needed.
const CLASS_BYTES: [usize; 15] = [
    64 << 10,
    96 << 10,
    128 << 10,
    192 << 10,
    256 << 10,
    384 << 10,
    512 << 10,
    768 << 10,
    1024 << 10,
    1536 << 10,
    2048 << 10,
    3072 << 10,
    4096 << 10,
    6144 << 10,
    8192 << 10,
];
/// What is charged for a buffer beside its bytes, so that many tiny ones are bounded too.
const OVERHEAD_BYTES: usize = 512;

/// The memory of a run: how much is out, and free buffers to be used again.
pub(super) struct Budget {
    limit: usize,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Bytes of all buffers that are out.
    used: usize,
    /// The part of them that comes back without anybody outside the line doing anything.
    moving: usize,
    /// Bytes of the free buffers.
    free_bytes: usize,
    free: [Vec<Vec<u8>>; CLASS_BYTES.len()],
    waiting: usize,
    is_closed: bool,
}

/// A buffer that is charged to a budget until it is dropped. All of its bytes may be written; some prefix is in use.
pub(super) struct Lease {
    budget: Arc<Budget>,
    bytes: Vec<u8>,
    filled: usize,
    charge: usize,
    is_moving: bool,
}

impl Budget {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        let state = State {
            used: 0,
            moving: 0,
            free_bytes: 0,
            free: Default::default(),
            waiting: 0,
            is_closed: false,
        };
        Arc::new(Self { limit, state: Mutex::new(state), changed: Condvar::new() })
    }

    /// Waits while more than the budget is out and the line can still give something back by itself. Never waits for
    /// other streams: they may wait for this one.
    pub(super) fn wait(&self) {
        drop(self.wait_for(0));
    }

    /// The same, but no longer than `limit`; whether there is room.
    pub(super) fn wait_at_most(&self, limit: Duration) -> bool {
        let is_full =
            |state: &mut State| state.used > self.limit && state.moving > 0 && !state.is_closed;
        let mut state = self.state();
        if !is_full(&mut state) {
            return true;
        }
        state.waiting += 1;
        let (mut state, waited) = self
            .changed
            .wait_timeout_while(state, limit, is_full)
            .unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        self.changed.notify_one();
        !waited.timed_out()
    }

    fn wait_for(&self, charge: usize) -> MutexGuard<'_, State> {
        let mut state = self.state();
        let is_full = |state: &mut State| {
            state.used + charge > self.limit && state.moving > 0 && !state.is_closed
        };
        if is_full(&mut state) {
            state.waiting += 1;
            state = self.changed.wait_while(state, is_full).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
            // What was given back may be enough for another one.
            self.changed.notify_one();
        }
        state
    }

    /// Nobody waits any more: the run has failed.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_all();
    }

    /// An empty buffer of at least `bytes`, once the budget has room for it.
    pub(super) fn lease_patiently(self: &Arc<Self>, bytes: usize) -> Lease {
        let size = class_of(bytes).map_or(bytes, |class| CLASS_BYTES[class]);
        self.lease_from(self.wait_for(size + OVERHEAD_BYTES), bytes)
    }

    /// An empty buffer of at least `bytes`, at once.
    pub(super) fn lease(self: &Arc<Self>, bytes: usize) -> Lease {
        self.lease_from(self.state(), bytes)
    }

    fn lease_from(self: &Arc<Self>, mut state: MutexGuard<'_, State>, bytes: usize) -> Lease {
        let class = class_of(bytes);
        let size = class.map_or(bytes, |class| CLASS_BYTES[class]);
        let charge = size + OVERHEAD_BYTES;
        state.used += charge;
        let free = class.and_then(|class| state.free[class].pop());
        let surplus = match free {
            Some(_) => {
                state.free_bytes -= size;
                Vec::new()
            }
            None => state.shed(self.limit),
        };
        drop(state);
        // Taken from the system and given back to it outside of the lock.
        drop(surplus);
        let bytes = free.unwrap_or_else(|| vec![0; size]);
        Lease { budget: Arc::clone(self), bytes, filled: 0, charge, is_moving: false }
    }

    /// Charges for bytes that came from elsewhere, of which the first `filled` are in use.
    pub(super) fn adopt(self: &Arc<Self>, bytes: Vec<u8>, filled: usize) -> Lease {
        let charge = bytes.capacity() + OVERHEAD_BYTES;
        self.state().used += charge;
        Lease { budget: Arc::clone(self), bytes, filled, charge, is_moving: false }
    }

    /// Charges for bytes that are not in memory and are waited for all the same.
    pub(super) fn charge(self: &Arc<Self>, bytes: usize) -> Lease {
        let charge = bytes + OVERHEAD_BYTES;
        self.state().used += charge;
        let (budget, bytes) = (Arc::clone(self), Vec::new());
        Lease { budget, bytes, filled: 0, charge, is_moving: false }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.state().used
    }
}

impl State {
    /// Takes free buffers away until all buffers together keep `limit` again.
    fn shed(&mut self, limit: usize) -> Vec<Vec<u8>> {
        let mut surplus = Vec::new();
        for (class, size) in CLASS_BYTES.iter().enumerate().rev() {
            while self.used + self.free_bytes > limit {
                let Some(buffer) = self.free[class].pop() else { break };
                self.free_bytes -= size;
                surplus.push(buffer);
            }
        }
        surplus
    }
}

impl Lease {
    /// All bytes, whether in use or not.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes in use.
    pub(super) fn filled(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// The bytes not in use.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }

    /// The next `count` bytes are in use now.
    pub(super) fn advance(&mut self, count: usize) {
        assert!(count <= self.bytes.len() - self.filled, "a reader gave more than there is room");
        self.filled += count;
    }

    /// Only the first `length` bytes stay in use.
    pub(super) fn truncate(&mut self, length: usize) {
        self.filled = self.filled.min(length);
    }

    /// Appends as much of `bytes` as there is room for; the rest of them.
    pub(super) fn fill<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let count = bytes.len().min(self.bytes.len() - self.filled);
        let (now, rest) = bytes.split_at(count);
        self.bytes[self.filled..][..count].copy_from_slice(now);
        self.filled += count;
        rest
    }

    /// From now on the line gives the buffer back by itself.
    pub(super) fn set_moving(&mut self) {
        if !self.is_moving {
            self.is_moving = true;
            self.budget.state().moving += self.charge;
        }
    }
}

impl AsRef<[u8]> for Lease {
    fn as_ref(&self) -> &[u8] {
        self.filled()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        state.used -= self.charge;
        if self.is_moving {
            state.moving -= self.charge;
        }
        let bytes = std::mem::take(&mut self.bytes);
        let class = CLASS_BYTES.iter().position(|size| *size == bytes.len());
        let is_kept = state.used + state.free_bytes + bytes.len() <= self.budget.limit;
        let surplus = match class {
            Some(class) if is_kept && !state.is_closed => {
                state.free_bytes += bytes.len();
                state.free[class].push(bytes);
                None
            }
            _ => Some(bytes),
        };
        let (is_awaited, is_still) = (state.waiting > 0, state.moving == 0);
        drop(state);
        match (is_awaited, is_still) {
            (false, _) => {}
            (true, false) => self.budget.changed.notify_one(),
            (true, true) => self.budget.changed.notify_all(),
        }
        drop(surplus);
    }
}

fn class_of(bytes: usize) -> Option<usize> {
    if bytes < CLASS_BYTES[0] / 2 {
        return None;
    }
    CLASS_BYTES.iter().position(|size| *size >= bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_used_again_and_given_back() {
        let budget = Budget::new(1 << 20);
        let first = budget.lease(500_000);
        assert_eq!(first.capacity(), 512 << 10);
        let place = first.bytes.as_ptr();
        drop(first);
        assert_eq!(budget.used(), 0);
        let again = budget.lease(400_000);
        assert_eq!(again.bytes.as_ptr(), place);
        // A buffer of another class takes the room of the free ones.
        drop(again);
        let large = budget.lease(900_000);
        assert_eq!(budget.state().free_bytes, 0);
        drop(large);
    }

    #[test]
    fn waiting_ends_when_the_line_gives_back_and_never_begins_without_it() {
        let budget = Budget::new(1000);
        let resting = budget.lease(2000);
        budget.wait();
        let mut moving = budget.lease(2000);
        moving.set_moving();
        let waiting = std::thread::spawn({
            let budget = Arc::clone(&budget);
            move || budget.wait()
        });
        while budget.state().waiting == 0 {
            std::thread::yield_now();
        }
        assert!(!waiting.is_finished());
        drop(moving);
        waiting.join().unwrap();
        drop(resting);
    }

    #[test]
    fn a_closed_budget_holds_nobody() {
        let budget = Budget::new(0);
        let mut lease = budget.lease(10);
        lease.set_moving();
        budget.close();
        budget.wait();
        drop(lease);
    }
}
