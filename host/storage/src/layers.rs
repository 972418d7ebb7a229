//! What lies between a [`crate::Storage`] and its service, from the inside out: a time limit for each attempt, retries,
//! the bound of operations at a time, tracing.
//!
//! Uploads are not retried here but in [`crate::put`]: a second attempt after an upload whose answer was lost finds the
//! object there, and only `put` can tell its own success from somebody else's object.

use opendal::Operator;
use opendal::layers::{ConcurrentLimitLayer, RetryEvent, RetryLayer, TimeoutLayer, TracingLayer};

use crate::error;
use crate::limits;
use crate::options::Tuning;

/// Two views of one service.
#[derive(Clone, Debug)]
pub(crate) struct Layered {
    /// For everything but uploads.
    pub(crate) reads: Operator,
    /// For one attempt of an upload.
    pub(crate) writes: Operator,
}

pub(crate) fn layered(operator: Operator, tuning: &Tuning) -> Layered {
    // Cloned, so that both views share the bound.
    let concurrency = ConcurrentLimitLayer::new(tuning.concurrency);
    let reads = operator
        .clone()
        .layer(TimeoutLayer::new().with_timeout(tuning.timeout).with_io_timeout(tuning.io_timeout))
        .layer(
            RetryLayer::new()
                .with_min_delay(limits::RETRY_PAUSE_MIN)
                .with_max_delay(limits::RETRY_PAUSE_MAX)
                .with_factor(2.0)
                .with_jitter()
                .with_max_times(tuning.retries)
                .with_notify(tell),
        )
        .layer(concurrency.clone())
        .layer(TracingLayer::new());
    let writes = operator
        .layer(
            TimeoutLayer::new().with_timeout(tuning.timeout).with_io_timeout(tuning.write_timeout),
        )
        .layer(concurrency)
        .layer(TracingLayer::new());
    Layered { reads, writes }
}

/// Our own words: the error's own text holds headers and addresses.
fn tell(event: RetryEvent<'_>) {
    tracing::warn!(
        operation = %event.op,
        attempt = event.attempt,
        pause_ms = event.retry_after.as_millis(),
        cause = %error::cause(event.err),
        "storage: trying again"
    );
}
