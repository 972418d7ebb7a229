//! Forget decides as restic decides on the same snapshots, and deletes what it says.

use std::collections::BTreeMap;

use crate::referee::Bench;
use lockgate_repository::{ErrorKind, ForgetOptions, Grouping, Policy, Reason};

/// Snapshots over five years: several a day, days and months without any, a leap day, new year, one in the future.
fn backups(bench: &Bench) {
    let source = bench.subfolder("source");
    std::fs::write(source.join("file"), "content").unwrap();
    let times = [
        "2020-02-28 23:59:59",
        "2020-02-29 12:00:00",
        "2020-12-28 08:00:00",
        "2021-01-03 22:00:00",
        "2021-01-04 01:00:00",
        "2022-12-31 23:30:00",
        "2023-01-01 00:30:00",
        "2023-03-31 10:00:00",
        "2024-01-01 00:00:00",
        "2024-01-31 09:15:00",
        "2024-01-31 09:45:00",
        "2024-01-31 10:15:00",
        "2024-02-01 10:15:00",
        "2024-02-02 10:15:00",
        "2024-02-02 22:15:00",
        "2024-02-05 10:15:00",
        "2024-02-29 10:15:00",
        "2024-02-29 10:15:30",
    ];
    for (index, time) in times.iter().enumerate() {
        let tags: &[&str] = match index % 4 {
            0 => &["--tag", "nightly"],
            1 => &["--tag", "nightly,special"],
            _ => &[],
        };
        bench.backup(&source, time, tags);
    }
    let other = bench.subfolder("other");
    bench.backup(&other, "2024-02-29 11:00:00", &[]);
}

/// The arguments of restic that mean the same as a policy.
fn arguments(policy: &Policy) -> Vec<String> {
    let mut arguments = Vec::new();
    let counts = [
        ("last", policy.last),
        ("hourly", policy.hourly),
        ("daily", policy.daily),
        ("weekly", policy.weekly),
        ("monthly", policy.monthly),
        ("yearly", policy.yearly),
    ];
    for (name, count) in counts {
        match count {
            0 => {}
            Policy::ALL => arguments.push(format!("--keep-{name}=unlimited")),
            count => arguments.push(format!("--keep-{name}={count}")),
        }
    }
    let periods = [
        ("within", policy.within),
        ("within-hourly", policy.within_hourly),
        ("within-daily", policy.within_daily),
        ("within-weekly", policy.within_weekly),
        ("within-monthly", policy.within_monthly),
        ("within-yearly", policy.within_yearly),
    ];
    for (name, period) in periods {
        if !period.is_zero() {
            arguments.push(format!("--keep-{name}={period}"));
        }
    }
    arguments.extend(policy.tags.iter().map(|tags| format!("--keep-tag={}", tags.join(","))));
    arguments
}

fn policies() -> Vec<Policy> {
    let none = Policy::default;
    let period = |text: &str| text.parse().unwrap();
    let tags = |text: &str| text.split(',').map(str::to_owned).collect();
    vec![
        Policy { last: 1, ..none() },
        Policy { last: 3, ..none() },
        Policy { last: 100, ..none() },
        Policy { last: Policy::ALL, ..none() },
        Policy { hourly: 5, ..none() },
        Policy { daily: 4, ..none() },
        Policy { weekly: 4, ..none() },
        Policy { weekly: 50, monthly: 1, ..none() },
        Policy { monthly: 7, ..none() },
        Policy { yearly: 10, ..none() },
        Policy { last: 2, daily: 3, weekly: 2, monthly: 3, yearly: 2, ..none() },
        Policy { hourly: Policy::ALL, yearly: 1, ..none() },
        Policy { within: period("1m"), ..none() },
        Policy { within: period("1y1m1d12h"), ..none() },
        Policy { within: period("28d"), last: 1, ..none() },
        Policy { within: period("1m29d"), ..none() },
        Policy { within_hourly: period("1m"), within_daily: period("2m"), ..none() },
        Policy { within_weekly: period("2y"), within_monthly: period("3y"), ..none() },
        Policy { within_yearly: period("9y"), ..none() },
        Policy { last: 1, tags: vec![tags("special")], ..none() },
        Policy { daily: 2, tags: vec![tags("nightly,special"), tags("none")], ..none() },
        Policy { last: 1, tags: vec![tags("")], ..none() },
    ]
}

type Decisions = BTreeMap<String, Vec<String>>;

/// Of each snapshot that stays, the reasons.
fn of_restic(bench: &Bench, policy: &Policy, group_by: &str) -> Decisions {
    let mut words: Vec<String> = ["forget", "--dry-run", "--json"].map(str::to_owned).to_vec();
    words.push(format!("--group-by={group_by}"));
    words.extend(arguments(policy));
    let groups = bench.restic_json(&words);
    let mut kept = Decisions::new();
    for group in groups.as_array().unwrap() {
        for reason in group["reasons"].as_array().unwrap() {
            let id = reason["snapshot"]["id"].as_str().unwrap().to_owned();
            let matches = reason["matches"].as_array().unwrap();
            let matches = matches.iter().map(|text| text.as_str().unwrap().to_owned()).collect();
            kept.insert(id, matches);
        }
    }
    kept
}

#[tokio::test]
async fn every_policy_keeps_what_restic_keeps_for_the_same_reasons() {
    let bench = Bench::new();
    let repository = bench.init().await;
    backups(&bench);
    let groupings = [
        ("host,paths", Grouping::default()),
        ("", Grouping { by_host: false, by_paths: false, by_tags: false }),
        ("host,tags", Grouping { by_host: true, by_paths: false, by_tags: true }),
    ];
    for (index, policy) in policies().into_iter().enumerate() {
        let (group_by, grouping) = groupings[index % groupings.len()];
        let mut options = ForgetOptions::default();
        (options.policy, options.grouping, options.dry_run) = (policy.clone(), grouping, true);
        let report = repository.forget(&options).await.unwrap();
        let mut kept = Decisions::new();
        for one in report.groups.iter().flat_map(|group| &group.kept) {
            let reasons = one.reasons.iter().map(ToString::to_string).collect();
            kept.insert(one.snapshot.id.to_string(), reasons);
        }
        // Restic refuses where we keep the last one of a group.
        if kept.values().flatten().any(|reason| *reason == Reason::LastOfGroup.to_string()) {
            continue;
        }
        assert_eq!(kept, of_restic(&bench, &policy, group_by), "{policy:?} by {group_by:?}");
    }
    assert_eq!(repository.snapshots().await.unwrap().len(), 19, "a dry run deletes nothing");
}

#[tokio::test]
async fn what_is_forgotten_is_gone_and_the_rest_is_whole() {
    let bench = Bench::new();
    let repository = bench.init().await;
    backups(&bench);
    let source = bench.subfolder("source");
    bench.backup(&source, "2019-01-01 00:00:00", &["--tag", "pinned"]);

    let mut options = ForgetOptions::default();
    options.policy = Policy { last: 2, ..Policy::default() };
    let report = repository.forget(&options).await.unwrap();
    assert_eq!((report.kept_count(), report.removed_count()), (4, 16));
    let left = repository.snapshots().await.unwrap();
    let mut kept: Vec<_> =
        report.groups.iter().flat_map(|group| &group.kept).map(|kept| kept.snapshot.id).collect();
    let mut ids: Vec<_> = left.iter().map(|snapshot| snapshot.id).collect();
    kept.sort();
    ids.sort();
    assert_eq!(ids, kept);
    assert!(left.iter().any(|snapshot| snapshot.tags == ["pinned"]), "pins stay");
    bench.restic_checks_clean();

    // One chosen by its identifier; a pin stays even then.
    let pinned = left.iter().find(|snapshot| !snapshot.tags.is_empty()).unwrap();
    let other = left.iter().find(|snapshot| snapshot.tags.is_empty()).unwrap();
    let mut options = ForgetOptions::default();
    options.snapshots = vec![other.id.short(), pinned.id.to_string()];
    let report = repository.forget(&options).await.unwrap();
    assert_eq!((report.kept_count(), report.removed_count()), (3, 1));
}

#[tokio::test]
async fn nothing_goes_without_a_rule_under_a_lock_or_when_it_is_the_last() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let source = bench.subfolder("source");
    bench.backup(&source, "2024-01-01 00:00:00", &[]);

    let empty = repository.forget(&ForgetOptions::default()).await.unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::Invalid);

    let mut options = ForgetOptions::default();
    options.policy = Policy { tags: vec![vec!["nobody".to_owned()]], ..Policy::default() };
    let lock = repository.lock_exclusive().await.unwrap();
    assert_eq!(repository.forget(&options).await.unwrap_err().kind(), ErrorKind::Locked);
    lock.release().await.unwrap();

    // Whoever reads or adds is not minded.
    let lock = repository.lock_shared().await.unwrap();
    let report = repository.forget(&options).await.unwrap();
    lock.release().await.unwrap();
    assert_eq!(report.groups[0].kept[0].reasons, [Reason::LastOfGroup]);
    assert_eq!(repository.snapshots().await.unwrap().len(), 1);
    options.allow_empty_group = true;
    assert_eq!(repository.forget(&options).await.unwrap().removed_count(), 1);
    assert_eq!(repository.snapshots().await.unwrap().len(), 0);
}
