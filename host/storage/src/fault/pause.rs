use std::sync::Arc;

use tokio::sync::watch;

/// A moment at which a storage stands still until it is told to go on. Clones are the same moment.
#[derive(Clone, Debug)]
pub struct Pause(Arc<watch::Sender<Stage>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Ahead,
    Standing,
    Over,
}

impl Pause {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Stage::Ahead)))
    }

    /// Waits until the storage stands still, or is not to stand still any more.
    pub async fn reached(&self) {
        self.wait_until(|stage| stage != Stage::Ahead).await;
    }

    /// Lets the storage go on, now or when it comes there.
    pub fn end(&self) {
        self.0.send_replace(Stage::Over);
    }

    /// What a call does that comes after the moment.
    pub(super) async fn stand(&self) {
        self.0.send_if_modified(|stage| {
            let is_first = *stage == Stage::Ahead;
            if is_first {
                *stage = Stage::Standing;
            }
            is_first
        });
        self.wait_until(|stage| stage == Stage::Over).await;
    }

    async fn wait_until(&self, is_so: impl Fn(Stage) -> bool) {
        // The sender lives as long as this, so that there is no end of the channel to wait for.
        let _ = self.0.subscribe().wait_for(|stage| is_so(*stage)).await;
    }
}
