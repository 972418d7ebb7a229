use std::collections::BTreeSet;
use std::sync::Mutex;

use lockgate_types::Name;
use tokio::sync::Notify;

use super::locked;

/// Sources that a job works on, so that no other does at the same time.
#[derive(Default)]
pub(super) struct Busy {
    names: Mutex<BTreeSet<Name>>,
    freed: Notify,
}

/// While it lives, no other job works on these sources.
pub(crate) struct Claim<'a> {
    busy: &'a Busy,
    names: Vec<Name>,
}

impl Busy {
    /// Waits until none of `names` is claimed, and claims them all at once, so that two who wait never wait for each other.
    pub(super) async fn claim(&self, names: Vec<Name>) -> Claim<'_> {
        loop {
            let mut freed = std::pin::pin!(self.freed.notified());
            // Listens before it looks, so that nothing is missed in between.
            freed.as_mut().enable();
            if self.take(&names) {
                return Claim { busy: self, names };
            }
            freed.await;
        }
    }

    /// Claims `names` if no job has one of them.
    pub(super) fn try_claim(&self, names: Vec<Name>) -> Option<Claim<'_>> {
        self.take(&names).then(|| Claim { busy: self, names })
    }

    fn take(&self, names: &[Name]) -> bool {
        let mut busy = locked(&self.names);
        let is_free = names.iter().all(|name| !busy.contains(name));
        if is_free {
            busy.extend(names.iter().cloned());
        }
        is_free
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut busy = locked(&self.busy.names);
        self.names.iter().for_each(|name| {
            busy.remove(name);
        });
        drop(busy);
        self.busy.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_shares_a_source_waits() {
        let name = |text: &str| text.parse::<Name>().expect("name");
        let busy = Busy::default();
        let first = busy.claim(vec![name("a"), name("b")]).await;
        let _other = busy.claim(vec![name("c")]).await;
        let mut second = std::pin::pin!(busy.claim(vec![name("b")]));
        assert!(futures_are_pending(second.as_mut()).await);
        drop(first);
        assert_eq!(second.await.names, [name("b")]);
    }

    async fn futures_are_pending<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> bool {
        tokio::time::timeout(std::time::Duration::from_millis(20), future).await.is_err()
    }
}
