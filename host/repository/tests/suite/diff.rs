//! Differences are those that restic tells, and what is equal is not read.

use std::collections::BTreeSet;
use std::fs;

use crate::referee::{Bench, fill, noise, objects};
use lockgate_repository::{Change, DiffOptions, DiffReport, Repository, Snapshot};
use serde_json::Value;

async fn diff(
    repository: &Repository,
    left: &Snapshot,
    right: &Snapshot,
    metadata: bool,
) -> (BTreeSet<(String, String)>, DiffReport) {
    let mut options = DiffOptions::default();
    options.metadata = metadata;
    let reader = repository.reader().await.unwrap();
    let mut changes = BTreeSet::new();
    let observe = |change: Change| {
        let slash = if change.is_folder { "/" } else { "" };
        changes.insert((format!("/{}{slash}", change.path), change.kind.to_string()));
    };
    let report = reader.diff(&left.tree, &right.tree, options, observe).await.unwrap();
    (changes, report)
}

fn of_restic(
    bench: &Bench,
    left: &Snapshot,
    right: &Snapshot,
) -> (BTreeSet<(String, String)>, Value) {
    let (left, right) = (left.id.to_string(), right.id.to_string());
    // Told to be quiet, restic leaves the changes out.
    let output = std::process::Command::new(bench.program())
        .env("RESTIC_PASSWORD", crate::referee::PASSWORD)
        .args(["--no-cache", "--repo"])
        .arg(bench.repository_path())
        .args(["diff", "--json", &left, &right])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let messages: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let changes = messages.iter().filter(|it| it["message_type"] == "change");
    let changes = changes.map(|it| (text(&it["path"]), text(&it["modifier"]))).collect();
    let statistics = messages.iter().find(|it| it["message_type"] == "statistics").unwrap();
    (changes, statistics.clone())
}

#[tokio::test]
async fn changes_and_figures_are_those_of_restic() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let source = bench.subfolder("source");
    fill(&source, 1);
    fill(&source.join("same"), 2);
    std::os::unix::fs::symlink("nowhere", source.join("link")).unwrap();
    bench.backup(&source, "2024-01-01 00:00:00", &[]);
    fs::write(source.join("noise"), noise(50, 400_000)).unwrap();
    fs::remove_dir_all(source.join("folder/deeper")).unwrap();
    fill(&source.join("added"), 60);
    fs::remove_file(source.join("link")).unwrap();
    fs::write(source.join("text.new"), "words").unwrap();
    bench.backup(&source, "2024-01-02 00:00:00", &[]);

    let snapshots = repository.snapshots().await.unwrap();
    for (left, right) in [(0, 1), (1, 0), (0, 0)] {
        let (left, right) = (&snapshots[left], &snapshots[right]);
        let (changes, report) = diff(&repository, left, right, false).await;
        let (expected, statistics) = of_restic(&bench, left, right);
        assert_eq!(changes, expected);
        assert_eq!(report.changed_files, statistics["changed_files"]);
        for (own, name) in [(&report.added, "added"), (&report.removed, "removed")] {
            let restic = &statistics[name];
            assert_eq!(serde_json::to_value(own).unwrap(), *restic, "{name}");
        }
    }
}

#[tokio::test]
async fn kinds_and_metadata_are_told_when_they_are_asked_for() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let source = bench.subfolder("source");
    fill(&source, 1);
    bench.backup(&source, "2024-01-01 00:00:00", &[]);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(source.join("text"), mode).unwrap();
    fs::remove_dir_all(source.join("folder")).unwrap();
    fs::write(source.join("folder"), "a file now").unwrap();
    bench.backup(&source, "2024-01-02 00:00:00", &[]);
    let snapshots = repository.snapshots().await.unwrap();
    let root = source.display().to_string();
    let (changes, report) = diff(&repository, &snapshots[0], &snapshots[1], true).await;
    let has =
        |path: &str, kind: &str| changes.contains(&(format!("{root}/{path}"), kind.to_owned()));
    assert!(has("text", "U") && has("folder", "T"), "{changes:?}");
    assert!(has("folder/deeper/", "-") && has("folder/deeper/file", "-"), "{changes:?}");
    assert_eq!((report.changed_files, report.removed.files), (0, 2));
    let (changes, _) = diff(&repository, &snapshots[0], &snapshots[1], false).await;
    assert!(!changes.iter().any(|(_, kind)| kind == "U"), "{changes:?}");
}

#[tokio::test]
async fn what_is_equal_is_not_read() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let source = bench.subfolder("source");
    fill(&source.join("shared"), 1);
    let backup = |own: u64| {
        fs::write(source.join("own"), noise(own, 10)).unwrap();
        bench.backup(&source, &format!("2024-01-0{own} 00:00:00"), &[]);
    };
    backup(1);
    // What only the first backup stored are the trees and the content of the shared folder: they go.
    let stored = objects(&bench.repository_path().join("data"));
    backup(2);
    backup(3);
    let snapshots = repository.snapshots().await.unwrap();
    let (left, right) = (&snapshots[1], &snapshots[2]);
    for path in stored.keys() {
        fs::remove_file(path).unwrap();
    }
    let (changes, report) = diff(&repository, left, right, false).await;
    let path = format!("{}/own", source.display());
    assert_eq!(changes, BTreeSet::from([(path, "M".to_owned())]));
    assert_eq!((report.changed_files, report.added.data_blobs), (1, 1));
    let below = source.join("shared/folder").display().to_string();
    let below = lockgate_types::EntryPath::try_from(below.trim_matches('/')).unwrap();
    let reader = repository.reader().await.unwrap();
    let shared = reader.folder(&left.tree, &below).await;
    assert!(shared.is_err(), "the shared trees could be read after all");
}
