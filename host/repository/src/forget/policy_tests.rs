//! Properties of the policy; that it decides as restic does is shown by the crate's tests with restic itself.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const NOW: i64 = 1_800_000_000;

fn candidates(seconds: &[i64]) -> Vec<Candidate<'static>> {
    let mut instants: Vec<Timestamp> =
        seconds.iter().map(|second| Timestamp::from_second(*second).unwrap()).collect();
    instants.sort_by(|left, right| right.cmp(left));
    let local = |instant: &Timestamp| instant.to_zoned(jiff::tz::TimeZone::UTC).datetime();
    instants
        .iter()
        .map(|instant| Candidate { instant: *instant, local: local(instant), tags: &[] })
        .collect()
}

fn kept(policy: &Policy, candidates: &[Candidate<'_>]) -> Vec<bool> {
    let now = Timestamp::from_second(NOW).unwrap();
    decide(policy, candidates, now).iter().map(|reasons| !reasons.is_empty()).collect()
}

fn count(kept: &[bool]) -> usize {
    kept.iter().filter(|is_kept| **is_kept).count()
}

fn times() -> impl Strategy<Value = Vec<i64>> {
    // Up to five years, some of them in the same hour, some in the future of a wrong clock.
    vec(prop_oneof![NOW - 160_000_000..NOW + 100_000, NOW - 90_000..NOW], 1..60)
}

fn policies() -> impl Strategy<Value = Policy> {
    let period = || {
        prop_oneof![
            3 => Just(Period::default()),
            1 => (0_u32..3, 0_u32..14, 0_u32..40, 0_u32..50).prop_map(
                |(years, months, days, hours)| Period { years, months, days, hours }
            ),
        ]
    };
    let count = || prop_oneof![2 => Just(0_u32), 3 => 0_u32..20, 1 => Just(Policy::ALL)];
    let counts = (count(), count(), count(), count(), count(), count());
    let periods = (period(), period(), period(), period());
    (counts, periods).prop_map(|(counts, periods)| Policy {
        last: counts.0,
        hourly: counts.1,
        daily: counts.2,
        weekly: counts.3,
        monthly: counts.4,
        yearly: counts.5,
        within: periods.0,
        within_daily: periods.1,
        within_weekly: periods.2,
        within_monthly: periods.3,
        ..Policy::default()
    })
}

proptest! {
    #[test]
    fn keep_last_keeps_exactly_that_many(times in times(), last in 1_u32..80) {
        let candidates = candidates(&times);
        let kept = kept(&Policy { last, ..Policy::default() }, &candidates);
        let wanted = usize::try_from(last).unwrap().min(candidates.len());
        prop_assert_eq!(count(&kept), wanted);
        prop_assert!(kept.iter().take(wanted).all(|is_kept| *is_kept));
    }

    #[test]
    fn a_larger_count_keeps_at_least_the_same(times in times(), policy in policies(), more in 1_u32..9) {
        let candidates = candidates(&times);
        let before = kept(&policy, &candidates);
        // Not for the oldest snapshot: that one is kept only while counts are left.
        let larger = Policy {
            last: policy.last.saturating_add(more),
            daily: policy.daily.saturating_add(more),
            monthly: policy.monthly.saturating_add(more),
            ..policy
        };
        let after = kept(&larger, &candidates);
        prop_assert!(before.iter().zip(&after).all(|(before, after)| *after || !*before));
    }

    #[test]
    fn a_policy_that_is_not_empty_keeps_the_newest(times in times(), policy in policies()) {
        prop_assume!(!policy.is_empty());
        let candidates = candidates(&times);
        prop_assert!(kept(&policy, &candidates)[0]);
    }

    #[test]
    fn applying_it_twice_changes_nothing_for_counts(times in times(), daily in 1_u32..9, weekly in 1_u32..9) {
        let policy = Policy { daily, weekly, ..Policy::default() };
        let all = candidates(&times);
        let first = kept(&policy, &all);
        let rest: Vec<Candidate<'_>> =
            all.into_iter().zip(&first).filter(|(_, kept)| **kept).map(|(one, _)| one).collect();
        prop_assert_eq!(count(&kept(&policy, &rest)), rest.len());
    }
}

#[test]
fn pins_stay_without_any_other_reason() {
    let tags = ["pinned".to_owned()];
    let mut candidates = candidates(&[NOW - 10_000_000, NOW - 20_000_000, NOW - 30_000_000]);
    candidates[1].tags = &tags;
    let now = Timestamp::from_second(NOW).unwrap();
    let reasons = decide(&Policy { last: 1, ..Policy::default() }, &candidates, now);
    assert_eq!(reasons[1], [Reason::Pinned]);
    assert!(reasons[2].is_empty());
}

#[test]
fn a_snapshot_of_the_future_does_not_age_the_others() {
    let candidates = candidates(&[NOW + 400_000_000, NOW - 1000, NOW - 2000]);
    let policy = Policy { within: "1d".parse().unwrap(), ..Policy::default() };
    assert_eq!(kept(&policy, &candidates), [true, true, true]);
}

#[test]
fn an_empty_tag_means_no_tags() {
    let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<String>>();
    assert!(has_tags(&[], &tags(&[""])));
    assert!(!has_tags(&tags(&["a"]), &tags(&[""])));
    assert!(has_tags(&tags(&["a", "b"]), &tags(&["b", "a"])));
    assert!(!has_tags(&tags(&["a"]), &tags(&["a", "b"])));
}
