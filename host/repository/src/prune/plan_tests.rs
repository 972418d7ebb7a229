use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::super::needs::NeedsBuilder;
use super::super::survey::UnnamedPack;
use super::*;
use crate::format::{LockFile, Time};
use crate::lock::Other;

const MARKED: i64 = 1_000_000;
const KEEP: i64 = 3600;

fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanoseconds: 0 }
}

fn id(byte: u8) -> Digest {
    Digest([byte; 32])
}

/// Everybody else who is there, by when they began.
fn seen(now: Option<i64>, others: &[Option<i64>]) -> Seen {
    let lock = || LockFile {
        time: Time::utc(at(0)),
        exclusive: false,
        hostname: "h".to_owned(),
        username: "u".to_owned(),
        pid: 1,
        uid: 0,
        gid: 0,
        lockgate: None,
    };
    let other = |since: &Option<i64>| Other { lock: lock(), since: since.map(at) };
    Seen { now: now.map(at), others: others.iter().map(other).collect() }
}

/// A pack of `bytes`, of which so many are needed, in use and there.
fn live(bytes: u32, bytes_used: u32) -> PackState {
    let mut state = PackState::default();
    (state.is_live, state.is_there) = (true, true);
    (state.bytes, state.bytes_used, state.size) = (bytes, bytes_used, bytes + 100);
    state
}

/// A pack that was marked, and that nobody needs.
fn marked(since: Option<i64>) -> PackState {
    let mut state = live(1000, 0);
    (state.is_live, state.is_marked, state.marked_since) = (false, true, since.map(at));
    state
}

fn survey(packs: &[(u8, PackState)], unnamed: Vec<UnnamedPack>) -> Survey {
    Survey {
        snapshots: HashSet::new(),
        files: Vec::new(),
        needs: Arc::new(NeedsBuilder::new().unwrap().finish()),
        packs: packs.iter().map(|(byte, state)| (id(*byte), *state)).collect::<HashMap<_, _>>(),
        unnamed,
    }
}

fn plan(survey: &Survey, seen: &Seen, options: &PruneOptions) -> (Plan, PruneReport) {
    let mut report = PruneReport::default();
    let plan = Plan::new(survey, &Leave::new(seen, options), &mut report);
    (plan, report)
}

/// Nothing wasted is allowed, and all may be stored again.
fn thorough() -> PruneOptions {
    let mut options = PruneOptions::default();
    (options.max_unused, options.max_repack) = (PruneLimit::Bytes(0), PruneLimit::Unlimited);
    options
}

#[test]
fn what_was_marked_goes_when_its_time_has_come_and_everybody_began_later() {
    let removed = |keep: i64, since, now, others: &[Option<i64>]| {
        let mut options = thorough();
        options.keep_marked = Duration::from_secs(keep as u64);
        let (plan, report) =
            plan(&survey(&[(1, marked(since))], Vec::new()), &seen(now, others), &options);
        let bytes = (report.bytes_removed, report.bytes_waiting);
        let is_removed = plan.removed == [id(1)];
        assert_eq!(bytes, if is_removed { (1100, 0) } else { (0, 1100) });
        assert_eq!((report.packs_removed, report.packs_waiting), (bytes.0 / 1100, bytes.1 / 1100));
        is_removed
    };
    let since = Some(MARKED);
    assert!(!removed(KEEP, since, Some(MARKED + KEEP - 1), &[]));
    assert!(removed(KEEP, since, Some(MARKED + KEEP), &[]));
    // Nobody knows what time it is, or when it was marked.
    assert!(!removed(KEEP, since, None, &[]));
    assert!(!removed(KEEP, None, Some(MARKED + KEEP), &[]));
    assert!(removed(0, None, None, &[]));

    // Some storages count whole seconds: who began within two of the mark may have begun before it.
    let old = Some(MARKED + 10 * KEEP);
    for keep in [0, KEEP] {
        assert!(!removed(keep, since, old, &[Some(MARKED - 1)]));
        assert!(!removed(keep, since, old, &[Some(MARKED + 2)]));
        assert!(removed(keep, since, old, &[Some(MARKED + 3)]));
        assert!(!removed(keep, since, old, &[Some(MARKED + 3), Some(MARKED + 2)]));
        assert!(!removed(keep, since, old, &[Some(MARKED + 3), None]));
        assert!(!removed(keep, None, old, &[Some(MARKED + 3)]));
    }
}

#[test]
fn nothing_is_marked_that_may_belong_to_somebody_at_work() {
    let is_marked = |since: Option<i64>, others: &[Option<i64>]| {
        let mut unused = live(1000, 0);
        unused.live_since = since.map(at);
        let mut thin = live(1000, 10);
        thin.live_since = since.map(at);
        let unnamed = UnnamedPack { id: id(3), size: 500, modified: since.map(at) };
        let survey = survey(&[(1, unused), (2, thin)], vec![unnamed]);
        let (plan, report) = plan(&survey, &seen(Some(MARKED), others), &thorough());
        let is_marked = plan.marked.contains(&id(1));
        assert_eq!(plan.repacked.contains(&id(2)), is_marked);
        assert_eq!(plan.unnamed.contains(&(id(3), 500)), is_marked);
        assert_eq!(plan.changes(&id(1)), is_marked);
        let told = (report.packs_marked, report.packs_repacked, report.packs_kept);
        assert_eq!(told, if is_marked { (2, 1, 0) } else { (0, 0, 2) });
        assert_eq!(report.bytes_marked, if is_marked { 1100 + 1100 + 500 } else { 0 });
        assert_eq!(report.bytes_unused_after, if is_marked { 0 } else { 1000 + 990 });
        is_marked
    };
    assert!(is_marked(Some(100), &[]) && is_marked(None, &[]));
    assert!(is_marked(Some(100), &[Some(103)]));
    assert!(!is_marked(Some(100), &[Some(102)]) && !is_marked(Some(100), &[Some(50)]));
    assert!(!is_marked(Some(100), &[Some(103), Some(102)]));
    assert!(!is_marked(None, &[Some(103)]));
    // One of another program does not tell when it began.
    assert!(!is_marked(Some(100), &[None]) && !is_marked(Some(100), &[Some(103), None]));
}

#[test]
fn what_is_needed_again_comes_back_and_what_vanished_is_forgotten() {
    let (mut needed, mut vanished, mut lost_mark) = (marked(Some(1)), live(10, 0), marked(Some(1)));
    needed.bytes_used = 1;
    (vanished.is_there, lost_mark.is_there) = (false, false);
    let survey = survey(&[(1, needed), (2, vanished), (3, lost_mark)], Vec::new());
    let mut options = thorough();
    options.keep_marked = Duration::ZERO;
    let (plan, report) = plan(&survey, &seen(Some(MARKED), &[]), &options);
    assert_eq!(plan.recovered, HashSet::from([id(1)]));
    assert_eq!(plan.vanished, HashSet::from([id(2), id(3)]));
    assert!(plan.changes(&id(2)) && !plan.changes(&id(1)));
    assert!(plan.removed.is_empty() && plan.marked.is_empty() && plan.repacked.is_empty());
    assert_eq!((report.packs_recovered, report.bytes_used, report.packs_removed), (1, 1, 0));
}

#[test]
fn those_that_waste_most_are_stored_again_until_the_rest_wastes_little_enough() {
    const MIB: u32 = 1 << 20;
    let mut trees = live(10 * MIB, 9 * MIB);
    trees.has_trees = true;
    let packs = [
        (1, live(10 * MIB, 8 * MIB)),
        (2, live(10 * MIB, MIB)),
        (3, trees),
        (4, live(10 * MIB, 10 * MIB)),
    ];
    let chosen = |max_unused: PruneLimit, max_repack: PruneLimit| {
        let mut options = thorough();
        (options.max_unused, options.max_repack) = (max_unused, max_repack);
        let survey = survey(&packs, Vec::new());
        let (plan, report) = plan(&survey, &seen(None, &[]), &options);
        assert_eq!(report.packs_repacked + report.packs_kept, 4);
        assert_eq!(report.packs_repacked, plan.repacked.len() as u64);
        assert_eq!(report.bytes_unused, u64::from(12 * MIB));
        let left = packs.iter().filter(|(byte, _)| !plan.repacked.contains(&id(*byte)));
        let left: u32 = left.map(|(_, state)| state.bytes_unused()).sum();
        assert_eq!(report.bytes_unused_after, u64::from(left));
        plan.repacked.iter().map(|id| id.0[0]).collect::<Vec<_>>()
    };
    let mib = |count: u32| PruneLimit::Bytes(u64::from(count * MIB));
    let all = PruneLimit::Unlimited;
    assert_eq!(chosen(mib(0), all), [3, 2, 1]);
    assert_eq!(chosen(mib(2), all), [3, 2]);
    assert_eq!(chosen(mib(1), all), [3, 2, 1]);
    assert_eq!(chosen(mib(12), all), [0; 0]);
    assert_eq!(chosen(PruneLimit::Unlimited, all), [0; 0]);
    // Of the 28 MiB that are needed, 5 % of what is left then are 1.47 MiB, 7 % are 2.1 MiB.
    assert_eq!(chosen(PruneLimit::Percent(5), all), [3, 2, 1]);
    assert_eq!(chosen(PruneLimit::Percent(7), all), [3, 2]);
    // What does not fit is left for another time, and what is smaller still goes.
    assert_eq!(chosen(mib(0), mib(17)), [3, 2]);
    assert_eq!(chosen(mib(0), mib(18)), [3, 2, 1]);
    assert_eq!(chosen(mib(0), mib(8)), [2]);
    // A percentage is of all 40 MiB, and lets one through.
    assert_eq!(chosen(mib(0), PruneLimit::Percent(25)), [3, 2]);
    assert_eq!(chosen(mib(0), PruneLimit::Percent(1)), [3]);
    assert_eq!(chosen(mib(0), PruneLimit::Percent(0)), [0; 0]);
}

#[test]
fn small_packs_are_put_together_when_there_are_several() {
    let merged = |packs: &[(u8, PackState)], merge_small: bool| {
        let mut options = thorough();
        options.merge_small = merge_small;
        let survey = survey(packs, Vec::new());
        let mut repacked = plan(&survey, &seen(None, &[]), &options).0.repacked;
        repacked.sort();
        repacked.iter().map(|id| id.0[0]).collect::<Vec<_>>()
    };
    let small = |byte| (byte, live(1 << 20, 1 << 20));
    let large = (9, live(SMALL_BYTES / 2 - 100, SMALL_BYTES / 2 - 100));
    assert_eq!(merged(&[small(1), small(2), large], true), [1, 2]);
    assert_eq!(merged(&[small(1), small(2), large], false), [0; 0]);
    assert_eq!(merged(&[small(1), large], true), [0; 0]);
}
