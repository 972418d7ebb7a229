//! How much there may be of everything that others decide about.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes in the body of a request.
pub(crate) const REQUEST_BYTES_MAX: usize = 256 << 10;
/// Bytes in the first line and the headers of a request.
pub(crate) const HEADER_BYTES_MAX: usize = 32 << 10;
/// Connections at once; further ones wait in the system's queue.
pub(crate) const CONNECTIONS_MAX: usize = 512;
/// Time for the handshake of TLS.
pub(crate) const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Time for the headers of a request, from the end of the one before.
pub(crate) const HEADERS_MAX: Duration = Duration::from_secs(60);
/// Time for the body of a request.
pub(crate) const BODY_MAX: Duration = Duration::from_secs(30);
/// Time that connections get to end, after the jobs have ended.
pub(crate) const FAREWELL_MAX: Duration = Duration::from_secs(5);
/// Entries of backups that are downloaded at once: each has chunks in memory.
pub(crate) const DOWNLOADS_MAX: usize = 8;
/// Bytes of a download that are sent at a time.
pub(crate) const PIECE_BYTES: usize = 256 << 10;
/// Things in one list, when the caller names no number.
pub(crate) const LIST_DEFAULT: u32 = 100;
/// Things in one list.
pub(crate) const LIST_MAX: u32 = 1000;
/// Least time between two tellings of how far a job is.
pub(crate) const PROGRESS_PERIOD: Duration = Duration::from_millis(500);
/// How often a stream of events that is silent shows that it is alive.
pub(crate) const KEEP_ALIVE_PERIOD: Duration = Duration::from_secs(15);

/// Lets so many requests through in a minute on average, and as many at once after a minute of silence.
#[derive(Debug)]
pub(crate) struct Bucket {
    per_minute: f64,
    state: Mutex<(f64, Instant)>,
}

impl Bucket {
    pub fn new(per_minute: u32) -> Self {
        let per_minute = f64::from(per_minute);
        Self { per_minute, state: Mutex::new((per_minute, Instant::now())) }
    }

    /// Takes one; the time after which there will be one when there is none.
    pub fn take(&self) -> Result<(), Duration> {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = *state;
        let passed = now.saturating_duration_since(since).as_secs_f64() / 60.0;
        let left = (left + passed * self.per_minute).min(self.per_minute);
        if left >= 1.0 {
            *state = (left - 1.0, now);
            return Ok(());
        }
        *state = (left, now);
        Err(Duration::from_secs_f64((1.0 - left) * 60.0 / self.per_minute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_fills_again_and_not_higher() {
        let (bucket, start) = (Bucket::new(2), Instant::now());
        let at = |seconds: u64| bucket.take_at(start + Duration::from_secs(seconds));
        assert!(at(0).is_ok() && at(0).is_ok());
        let wait = at(0).unwrap_err();
        assert!((29.0..31.0).contains(&wait.as_secs_f64()), "{wait:?}");
        assert!(at(31).is_ok() && at(32).is_err());
        assert!(at(1000).is_ok() && at(1000).is_ok() && at(1000).is_err());
    }
}
