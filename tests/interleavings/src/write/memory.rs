//! Buffers of one budget.

use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::sync::Arc;
use shuttle::thread;

use super::budget::Budget;

const BYTES: usize = 1000;
/// What a buffer of so many bytes is charged with.
const CHARGE: usize = BYTES + 512;

/// While the line can give something back, nobody gets more than the budget has; and everybody gets it in the end.
pub fn patient_threads_share_the_budget(threads: usize, rounds: usize) {
    // Room for one buffer beside the one that keeps the line moving, and not for two.
    let budget = Budget::new(2 * CHARGE);
    let mut moving = budget.lease(BYTES);
    moving.set_moving();
    let out = Arc::new(AtomicUsize::new(CHARGE));
    let claimers: Vec<_> = (0..threads)
        .map(|_| {
            let (budget, out) = (Arc::clone(&budget), Arc::clone(&out));
            thread::spawn(move || {
                for _ in 0..rounds {
                    let mut lease = budget.lease_patiently(BYTES);
                    let all = out.fetch_add(CHARGE, Ordering::SeqCst) + CHARGE;
                    assert!(all <= 2 * CHARGE, "{all} bytes are out");
                    lease.set_moving();
                    thread::yield_now();
                    out.fetch_sub(CHARGE, Ordering::SeqCst);
                    drop(lease);
                }
            })
        })
        .collect();
    claimers.into_iter().for_each(|thread| thread.join().unwrap());
    drop(moving);
}

/// Of threads that want much and threads that want little none waits for ever, whatever is given back first.
pub fn large_and_small_wishes_are_granted() {
    let budget = Budget::new(3 * CHARGE);
    let held: Vec<_> = (0..3)
        .map(|_| {
            let mut lease = budget.lease(BYTES);
            lease.set_moving();
            lease
        })
        .collect();
    let claimers: Vec<_> = [3 * BYTES, BYTES, 2 * BYTES]
        .into_iter()
        .map(|bytes| {
            let budget = Arc::clone(&budget);
            thread::spawn(move || budget.lease_patiently(bytes).set_moving())
        })
        .collect();
    for lease in held {
        thread::yield_now();
        drop(lease);
    }
    claimers.into_iter().for_each(|thread| thread.join().unwrap());
}

/// What is given back at once may be enough for several, who need not wait for more.
pub fn one_return_serves_several() {
    let budget = Budget::new(3 * CHARGE);
    let [large, small] = [2 * BYTES, BYTES].map(|bytes| {
        let mut lease = budget.lease(bytes);
        lease.set_moving();
        lease
    });
    let claimers: Vec<_> = (0..2)
        .map(|_| {
            let budget = Arc::clone(&budget);
            thread::spawn(move || budget.lease_patiently(BYTES))
        })
        .collect();
    drop(large);
    let leases: Vec<_> = claimers.into_iter().map(|thread| thread.join().unwrap()).collect();
    drop((small, leases));
}

/// A run that fails lets everybody go, though nothing is given back.
pub fn closing_lets_all_waiters_go() {
    let budget = Budget::new(CHARGE);
    let mut moving = budget.lease(2 * BYTES);
    moving.set_moving();
    let waiters: Vec<_> = (0..3)
        .map(|number| {
            let budget = Arc::clone(&budget);
            thread::spawn(move || match number {
                0 => drop(budget.lease_patiently(BYTES)),
                _ => budget.wait(),
            })
        })
        .collect();
    budget.close();
    waiters.into_iter().for_each(|thread| thread.join().unwrap());
    drop(moving);
}
