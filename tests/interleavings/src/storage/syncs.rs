//! Callers that share syncs of one folder.

use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

use super::turns::{Errno, Turns};

/// What was done in a folder, and which of it would outlive the machine.
#[derive(Clone, Default)]
struct Folder {
    done: Vec<usize>,
    durable: Vec<usize>,
    /// What a sync that failed was to make durable: the system forgets it, and no later sync brings it back.
    lost: Vec<usize>,
    is_syncing: bool,
    syncs: usize,
}

/// Whoever is told that what it did is durable, relies on a sync that began after it was done; no two syncs run at the same
/// time. The sync number `failing` fails, and from then on nobody is told that anything is durable.
pub fn who_returns_is_durable(callers: usize, failing: Option<usize>) {
    let (turns, folder) = (Arc::new(Turns::default()), Arc::new(Mutex::new(Folder::default())));
    let callers: Vec<_> = (0..callers)
        .map(|number| {
            let (turns, folder) = (Arc::clone(&turns), Arc::clone(&folder));
            thread::spawn(move || {
                folder.lock().unwrap().done.push(number);
                let synced = turns.wait_for_one(|| sync(&folder, failing));
                let folder = folder.lock().unwrap();
                let is_durable = folder.durable.contains(&number);
                assert!(synced.is_err() || is_durable, "{number} would be lost");
                assert!(synced.is_ok() || failing.is_some(), "no sync has failed");
            })
        })
        .collect();
    let count = callers.len();
    callers.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(folder.lock().unwrap().syncs <= count, "more syncs than callers");
}

fn sync(folder: &Mutex<Folder>, failing: Option<usize>) -> Result<(), Errno> {
    let mut state = folder.lock().unwrap();
    assert!(!state.is_syncing, "two syncs at the same time");
    state.is_syncing = true;
    state.syncs += 1;
    let (number, seen) = (state.syncs, state.done.clone());
    drop(state);
    // What is done from here on, this sync may miss.
    thread::yield_now();
    let mut state = folder.lock().unwrap();
    state.is_syncing = false;
    if failing == Some(number) {
        state.lost = seen;
        return Err(Errno::IO);
    }
    state.durable = seen.into_iter().filter(|number| !state.lost.contains(number)).collect();
    Ok(())
}
