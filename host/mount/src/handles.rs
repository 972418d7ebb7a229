//! What programs have open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits;

/// Open things by their handle. Handles are never used twice.
#[derive(Debug)]
pub(crate) struct Handles<T>(Mutex<Open<T>>);

#[derive(Debug)]
struct Open<T> {
    last: u64,
    open: HashMap<u64, Arc<T>>,
}

impl<T> Handles<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Open { last: 0, open: HashMap::new() }))
    }

    /// The handle of what was opened; none when there are too many.
    pub(crate) fn open(&self, value: T) -> Option<u64> {
        let mut all = self.lock();
        if all.open.len() >= limits::HANDLES_MAX {
            return None;
        }
        all.last += 1;
        let handle = all.last;
        all.open.insert(handle, Arc::new(value));
        Some(handle)
    }

    pub(crate) fn get(&self, handle: u64) -> Option<Arc<T>> {
        self.lock().open.get(&handle).cloned()
    }

    pub(crate) fn close(&self, handle: u64) {
        self.lock().open.remove(&handle);
    }

    fn lock(&self) -> MutexGuard<'_, Open<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_bound_and_no_handle_comes_twice() {
        let handles = Handles::new();
        let first = handles.open(0).unwrap();
        handles.close(first);
        assert!(handles.get(first).is_none());
        let others: Vec<u64> =
            (0..limits::HANDLES_MAX).map(|number| handles.open(number).unwrap()).collect();
        assert!(!others.contains(&first));
        assert_eq!(handles.open(1), None);
        handles.close(others[0]);
        assert!(handles.open(1).is_some());
    }
}
