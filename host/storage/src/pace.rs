//! A limit of bytes a second, for a line that others use too.
//!
//! It lies outside of the layers, so that waiting for one's turn counts for no time limit and a retry is not paced twice. What
//! is uploaded goes object by object: the limit holds on the average of some objects, not within one.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Bytes that are waited for at once, so that a small object does not wait for a large one.
const SLICE_BYTES: u64 = 64 << 10;
/// Objects from this size on wait for each other: all at once they would arrive at the line together.
const LARGE_BYTES_MIN: u64 = 1 << 20;
/// Shorter pauses are made up for later: timers are no finer.
const PAUSE_MIN: Duration = Duration::from_millis(2);

/// One direction of a line.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_second: u64,
    /// When everything that was let through is over the line. Its waiters are served in their order.
    free_at: Mutex<Instant>,
    large: Mutex<()>,
}

impl Pace {
    /// `bytes_per_second` is not zero.
    pub(crate) fn new(bytes_per_second: u64) -> Self {
        let free_at = Mutex::new(Instant::now());
        Self { bytes_per_second, free_at, large: Mutex::new(()) }
    }

    /// Waits as long as that many bytes take.
    pub(crate) async fn pass(&self, bytes: u64) {
        let _turn = match bytes {
            LARGE_BYTES_MIN.. => Some(self.large.lock().await),
            _ => None,
        };
        let mut left = bytes;
        while left > 0 {
            let slice = left.min(SLICE_BYTES);
            self.pass_slice(slice).await;
            left -= slice;
        }
    }

    async fn pass_slice(&self, bytes: u64) {
        let mut free_at = self.free_at.lock().await;
        let now = Instant::now();
        // A line that was idle does not make up for it.
        let start = (*free_at).max(now - PAUSE_MIN);
        *free_at = start + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64);
        if *free_at > now + PAUSE_MIN {
            sleep_until(*free_at).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_take_their_time_and_an_idle_line_saves_none_up() {
        let pace = Pace::new(1 << 20);
        let start = Instant::now();
        pace.pass(3 << 20).await;
        let took = start.elapsed();
        assert!((2.9..3.1).contains(&took.as_secs_f64()), "{took:?}");
        tokio::time::advance(Duration::from_secs(60)).await;
        let start = Instant::now();
        pace.pass(1 << 20).await;
        let took = start.elapsed();
        assert!((0.9..1.1).contains(&took.as_secs_f64()), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn large_objects_share_the_line_and_small_ones_pass_between() {
        let pace = Pace::new(1 << 20);
        let start = Instant::now();
        let small = async {
            sleep_until(start + Duration::from_millis(100)).await;
            pace.pass(1000).await;
            start.elapsed()
        };
        let (_, _, small) = tokio::join!(pace.pass(2 << 20), pace.pass(2 << 20), small);
        let both = start.elapsed();
        assert!((3.9..4.1).contains(&both.as_secs_f64()), "{both:?}");
        assert!(small < Duration::from_millis(400), "{small:?}");
    }
}
