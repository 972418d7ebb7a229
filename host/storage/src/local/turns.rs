use std::io;

use super::primitives::{Condvar, Mutex, MutexGuard, PoisonError};

/// Whose turn it is to sync a folder, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Syncs that were started.
    started: u64,
    /// Syncs that have ended.
    ended: u64,
    is_running: bool,
    /// Of the first sync that failed. The system tells such an error once and then forgets what it lost; so the folder
    /// is not trusted again.
    failure: Option<Errno>,
}

pub(super) type Errno = rustix::io::Errno;

impl Turns {
    /// Only a sync that starts after the call counts.
    pub(super) fn wait_for_one(&self, sync: impl FnOnce() -> Result<(), Errno>) -> io::Result<()> {
        let mut state = lock(&self.state);
        let needed = state.started + 1;
        while state.ended < needed {
            if !state.is_running {
                state.is_running = true;
                state.started += 1;
                drop(state);
                let result = sync();
                state = lock(&self.state);
                state.is_running = false;
                state.ended = state.started;
                state.failure = state.failure.or(result.err());
                self.ended.notify_all();
                break;
            }
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match state.failure {
            Some(errno) => Err(errno.into()),
            None => Ok(()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn callers_that_come_while_a_sync_runs_share_the_next_one() {
        let turns = Turns::default();
        let syncs = AtomicU64::new(0);
        let (is_inside, inside) = channel();
        let (go_on, may_go_on) = channel::<()>();
        std::thread::scope(|scope| {
            let first = scope.spawn(|| {
                turns.wait_for_one(move || {
                    is_inside.send(()).unwrap();
                    may_go_on.recv().unwrap();
                    Ok(())
                })
            });
            inside.recv().unwrap();
            let later: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        turns.wait_for_one(|| {
                            syncs.fetch_add(1, Ordering::SeqCst);
                            Ok(())
                        })
                    })
                })
                .collect();
            // Let them all come and wait; were they late, there would be more syncs and no fewer.
            while later.iter().any(|thread| thread.is_finished()) {}
            std::thread::sleep(std::time::Duration::from_millis(50));
            assert_eq!(syncs.load(Ordering::SeqCst), 0);
            go_on.send(()).unwrap();
            first.join().unwrap().unwrap();
            later.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
        let shared = syncs.load(Ordering::SeqCst);
        assert!((1..8).contains(&shared), "{shared} syncs for 8 callers");
    }

    #[test]
    fn a_folder_that_could_not_be_synced_is_not_trusted_again() {
        let turns = Turns::default();
        assert!(turns.wait_for_one(|| Err(Errno::IO)).is_err());
        assert!(turns.wait_for_one(|| Ok(())).is_err());
    }
}
