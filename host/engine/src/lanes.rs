use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::{Error, Result};

/// Does `work` for every item, on as many threads as there are workers; each worker takes the next item when it is done with
/// one. The first failure calls `stop`, and nothing new is begun. Results come in no particular order.
pub(crate) fn share<W: Send, T: Sync, R: Send>(
    workers: &mut [W],
    items: &[T],
    work: impl Fn(&mut W, &T) -> Result<R> + Sync,
    stop: impl Fn() + Sync,
) -> Result<Vec<R>> {
    let waiting = Mutex::new(items.iter());
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let has_failed = AtomicBool::new(false);
    let next = || if has_failed.load(Ordering::Relaxed) { None } else { lock(&waiting).next() };
    let take_turns = |worker: &mut W| {
        while let Some(item) = next() {
            let result = work(worker, item);
            has_failed.fetch_or(result.is_err(), Ordering::Relaxed);
            lock(&done).push(result?);
        }
        Ok(())
    };
    each(workers, take_turns, stop)?;
    Ok(done.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Has every worker do its `work`, all at the same time. The first failure calls `stop` and is the result.
pub(crate) fn each<W: Send>(
    workers: &mut [W],
    work: impl Fn(&mut W) -> Result<()> + Sync,
    stop: impl Fn() + Sync,
) -> Result<()> {
    let failure: Mutex<Option<Error>> = Mutex::new(None);
    let (work, stop, failed) = (&work, &stop, &failure);
    thread::scope(|scope| {
        for worker in workers {
            scope.spawn(move || {
                if let Err(error) = work(worker) {
                    lock(failed).get_or_insert(error);
                    stop();
                }
            });
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// What a poisoned lock guards is still whole: every change is one call.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::ErrorKind;

    #[test]
    fn every_item_is_done_once() {
        let items: Vec<usize> = (0..1000).collect();
        let mut done = share(&mut [0, 0, 0], &items, |_, item| Ok(*item), || {}).unwrap();
        done.sort_unstable();
        assert_eq!(done, items);
    }

    #[test]
    fn the_first_failure_stops_the_others() {
        let (begun, stopped) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |_: &mut usize, item: &usize| {
            begun.fetch_add(1, Ordering::SeqCst);
            if *item == 3 { Err(Error::new(ErrorKind::Failed, "three")) } else { Ok(()) }
        };
        let items: Vec<usize> = (0..1000).collect();
        let stop = || {
            stopped.fetch_add(1, Ordering::SeqCst);
        };
        let error = share(&mut [0], &items, work, stop).unwrap_err();
        assert_eq!(error.to_string(), "three");
        assert_eq!((begun.into_inner(), stopped.into_inner()), (4, 1));
    }

    #[test]
    fn what_stops_the_others_is_the_result() {
        let stopped = AtomicBool::new(false);
        let work = |worker: &mut usize| {
            if *worker == 1 {
                return Err(Error::new(ErrorKind::Failed, "one"));
            }
            while !stopped.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            Err(Error::new(ErrorKind::Interrupted, "stopped"))
        };
        let stop = || stopped.store(true, Ordering::SeqCst);
        assert_eq!(each(&mut [0, 1, 2], work, stop).unwrap_err().to_string(), "one");
    }
}
