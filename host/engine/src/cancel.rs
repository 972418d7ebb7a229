use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

type Callback = Box<dyn Fn() + Send>;

/// The operator's wish to stop, and who must hear of it.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Inner>);

#[derive(Default)]
struct Inner {
    wished: AtomicBool,
    /// Wakes who waits for something that may take long.
    awake: Notify,
    callbacks: Mutex<Vec<(u64, Callback)>>,
}

/// While it lives, its callback is called when the operator wishes to stop.
pub struct Listening {
    inner: Arc<Inner>,
    number: u64,
}

impl Cancel {
    /// Stops everything that listens. Calling it again does nothing more.
    pub fn cancel(&self) {
        if self.0.wished.swap(true, Ordering::SeqCst) {
            return;
        }
        self.0.awake.notify_waiters();
        let callbacks = self.0.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        callbacks.iter().for_each(|(_, callback)| callback());
    }

    /// Whether the operator wishes to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.wished.load(Ordering::SeqCst)
    }

    /// Waits for `work`; none as soon as the operator wishes to stop.
    pub async fn or_stop<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut awake = std::pin::pin!(self.0.awake.notified());
        // Listens before it looks, so that no wish is missed in between.
        awake.as_mut().enable();
        if self.is_cancelled() {
            return None;
        }
        tokio::select! {
            () = awake => None,
            done = work => Some(done),
        }
    }

    /// Calls `callback` when the operator wishes to stop, at once if that has happened.
    #[must_use]
    pub fn listen(&self, callback: impl Fn() + Send + 'static) -> Listening {
        let mut callbacks = self.0.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_cancelled() {
            callback();
        }
        let number = callbacks.last().map_or(0, |(number, _)| number + 1);
        callbacks.push((number, Box::new(callback)));
        Listening { inner: Arc::clone(&self.0), number }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut callbacks = self.inner.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        callbacks.retain(|(number, _)| *number != self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[test]
    fn listeners_hear_once_and_not_after_they_are_gone() {
        let (cancel, heard) = (Cancel::default(), Arc::new(AtomicUsize::new(0)));
        let count = |heard: &Arc<AtomicUsize>| {
            let heard = Arc::clone(heard);
            move || {
                heard.fetch_add(1, Ordering::SeqCst);
            }
        };
        let _stays = cancel.listen(count(&heard));
        drop(cancel.listen(count(&heard)));
        cancel.cancel();
        cancel.cancel();
        assert_eq!(heard.load(Ordering::SeqCst), 1);
        let _late = cancel.listen(count(&heard));
        assert_eq!(heard.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn who_waits_is_woken_and_who_comes_late_does_not_wait() {
        let cancel = Cancel::default();
        assert_eq!(cancel.or_stop(async { 7 }).await, Some(7));
        let stop = async {
            tokio::task::yield_now().await;
            cancel.cancel();
        };
        let forever = cancel.or_stop(std::future::pending::<()>());
        assert_eq!(tokio::join!(forever, stop).0, None);
        assert_eq!(cancel.or_stop(async { 7 }).await, None);
    }
}
