//! Every order of few threads, and many orders of more. `LOCKGATE_TEST_SCALE=full` tries a hundred times as many,
//! `LOCKGATE_TEST_SEED` others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lockgate_interleavings::storage::syncs;
use lockgate_interleavings::write::{blobs, jobs, memory};
use shuttle::{check_dfs, check_pct, check_random_with_seed};

/// Orders that are drawn in an ordinary run, of each of two kinds.
const ORDERS: usize = 1_000;
/// Orders that are tried one after the other where there are more than anybody can try.
const ALL_MAX: usize = 10_000;
/// How often an order by ranks puts a thread behind all others.
const CHANGES: usize = 4;

/// Tries `small` in all orders and `large` in many.
fn try_orders(name: &str, small: fn(), large: fn()) {
    let is_full = std::env::var("LOCKGATE_TEST_SCALE").is_ok_and(|scale| scale == "full");
    let times = if is_full { 100 } else { 1 };
    let seed =
        std::env::var("LOCKGATE_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let counts = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    let counted = |scenario: fn(), place: usize| {
        let count = Arc::clone(&counts[place]);
        move || {
            count.fetch_add(1, Ordering::SeqCst);
            scenario();
        }
    };
    check_dfs(counted(small, 0), Some(times * ALL_MAX));
    check_random_with_seed(counted(large, 1), seed, times * ORDERS);
    check_pct(counted(large, 1), times * ORDERS, CHANGES);
    let [small, large] = counts.map(|count| count.load(Ordering::SeqCst));
    let all = if small < times * ALL_MAX { "all " } else { "" };
    println!("{name}: {all}{small} orders one by one, {large} at random, broken: 0");
}

/// The same for a scenario that comes in one size.
fn try_orders_of(name: &str, scenario: fn()) {
    try_orders(name, scenario, scenario);
}

#[test]
fn no_order_of_threads_exceeds_the_budget_or_leaves_one_waiting() {
    try_orders(
        "budget",
        || memory::patient_threads_share_the_budget(2, 1),
        || memory::patient_threads_share_the_budget(4, 3),
    );
    try_orders_of("large and small wishes", memory::large_and_small_wishes_are_granted);
    try_orders_of("one return for several", memory::one_return_serves_several);
    try_orders_of("closed budget", memory::closing_lets_all_waiters_go);
}

#[test]
fn no_order_of_threads_loses_or_repeats_a_job() {
    try_orders(
        "queue",
        || jobs::every_job_is_done_once(1, 2, 2),
        || jobs::every_job_is_done_once(3, 4, 3),
    );
    try_orders_of("queue closed on who waits for a job", jobs::closing_lets_who_waits_for_a_job_go);
    try_orders_of("queue closed on who waits for room", jobs::closing_lets_who_waits_for_room_go);
}

#[test]
fn no_order_of_threads_claims_a_blob_twice() {
    try_orders(
        "claims",
        || blobs::a_blob_is_claimed_once(2, 2),
        || blobs::a_blob_is_claimed_once(4, 8),
    );
}

#[test]
fn no_order_of_threads_calls_durable_what_is_not() {
    try_orders(
        "syncs",
        || syncs::who_returns_is_durable(3, None),
        || syncs::who_returns_is_durable(6, None),
    );
    try_orders(
        "syncs, one of which fails",
        || syncs::who_returns_is_durable(2, Some(1)),
        || syncs::who_returns_is_durable(5, Some(2)),
    );
}
