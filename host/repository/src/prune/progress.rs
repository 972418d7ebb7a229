use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::PruneProgress;

/// Tells an observer of the steps of a prune.
#[derive(Clone)]
pub(super) struct Observed(Option<Arc<dyn Fn(PruneProgress) + Send + Sync>>);

/// One step under way.
pub(super) struct Step {
    observed: Observed,
    name: String,
    is_bytes: bool,
    done: AtomicU64,
    total: AtomicU64,
}

impl Observed {
    pub(super) fn new(observer: Option<Arc<dyn Fn(PruneProgress) + Send + Sync>>) -> Self {
        Self(observer)
    }

    pub(super) fn step(&self, name: &str, is_bytes: bool) -> Step {
        let name = name.trim_end_matches('.').to_owned();
        let (done, total) = (AtomicU64::new(0), AtomicU64::new(0));
        let step = Step { observed: self.clone(), name, is_bytes, done, total };
        step.tell(0);
        step
    }

    fn is_watched(&self) -> bool {
        self.0.is_some()
    }
}

impl Step {
    pub(super) fn set_total(&self, total: u64) {
        self.total.store(total, Ordering::Relaxed);
        self.tell(self.done.load(Ordering::Relaxed));
    }

    pub(super) fn advance(&self, by: u64) {
        let before = self.done.fetch_add(by, Ordering::Relaxed);
        self.tell(before.saturating_add(by));
    }

    fn tell(&self, done: u64) {
        if let Some(observer) = &self.observed.0 {
            observer(PruneProgress {
                step: self.name.clone(),
                is_bytes: self.is_bytes,
                done,
                total: self.total.load(Ordering::Relaxed),
            });
        }
    }
}

impl fmt::Debug for Observed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Observed({})", self.is_watched())
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Step({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;

    #[test]
    fn the_observer_hears_of_every_step_with_its_total() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ears = Arc::clone(&heard);
        let observer = move |progress: PruneProgress| {
            ears.lock().unwrap_or_else(PoisonError::into_inner).push(progress);
        };
        let step = Observed::new(Some(Arc::new(observer))).step("repacking...", true);
        step.set_total(10);
        step.advance(4);
        step.advance(6);
        let heard: Vec<_> = heard.lock().unwrap().iter().map(|one| (one.done, one.total)).collect();
        assert_eq!(heard, [(0, 0), (0, 10), (4, 10), (10, 10)]);
        assert_eq!(format!("{step:?}"), "Step(repacking)");
    }
}
