//! How much may go through, and how much did.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use super::locked;

/// Bytes that pass at once, so that a slow line is slow all the time.
pub(super) const PIECE_BYTES_MAX: usize = 16 << 10;

/// The way that bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

/// What went through a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes from lockgate to the servers.
    pub to_server: u64,
    /// Bytes from the servers to lockgate.
    pub to_client: u64,
    /// Texts of the servers that were replaced.
    pub replaced: u64,
}

impl Traffic {
    /// Bytes both ways.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.to_server + self.to_client
    }
}

#[derive(Debug, Default)]
pub(super) struct Flow {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    traffic: Traffic,
    hold_at: Option<u64>,
    is_stopped: bool,
    bytes_per_second: Option<u64>,
    /// When the line is free again.
    free_at: Option<Instant>,
}

impl State {
    /// Bytes until everything is held.
    fn room(&self) -> u64 {
        self.hold_at.map_or(u64::MAX, |at| at.saturating_sub(self.traffic.bytes()))
    }

    /// Takes the line for `bytes`; how long to wait before they go.
    fn occupy(&mut self, bytes: u64) -> Duration {
        let Some(rate) = self.bytes_per_second else { return Duration::ZERO };
        let now = Instant::now();
        let start = self.free_at.filter(|at| *at > now).unwrap_or(now);
        let free_at = start + Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
        self.free_at = Some(free_at);
        free_at - now
    }
}

impl Flow {
    /// Waits until bytes may go, and says how many of `wanted`; none when the proxy stops.
    pub(super) fn pass(&self, direction: Direction, wanted: usize) -> Option<usize> {
        let mut state = locked(&self.state);
        while state.room() == 0 && !state.is_stopped {
            state = self.changed.wait(state).ok()?;
        }
        if state.is_stopped {
            return None;
        }
        let room = usize::try_from(state.room()).unwrap_or(usize::MAX);
        let count = wanted.min(room).min(PIECE_BYTES_MAX);
        match direction {
            Direction::ToServer => state.traffic.to_server += count as u64,
            Direction::ToClient => state.traffic.to_client += count as u64,
        }
        let pause = state.occupy(count as u64);
        drop(state);
        std::thread::sleep(pause);
        Some(count)
    }

    pub(super) fn count_replaced(&self, texts: u64) {
        locked(&self.state).traffic.replaced += texts;
    }

    pub(super) fn throttle(&self, bytes_per_second: Option<u64>) {
        let mut state = locked(&self.state);
        state.bytes_per_second = bytes_per_second;
        state.free_at = None;
    }

    pub(super) fn hold_at(&self, bytes: u64) {
        locked(&self.state).hold_at = Some(bytes);
    }

    pub(super) fn is_holding(&self) -> bool {
        locked(&self.state).room() == 0
    }

    pub(super) fn release(&self) {
        locked(&self.state).hold_at = None;
        self.changed.notify_all();
    }

    pub(super) fn stop(&self) {
        locked(&self.state).is_stopped = true;
        self.changed.notify_all();
    }

    pub(super) fn traffic(&self) -> Traffic {
        locked(&self.state).traffic
    }
}
