//! Check finds every damage, names what it reaches, and changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use lockgate_repository::{CheckOptions, CheckReport, ReadData, Repository, Trouble};
use lockgate_storage::fault::{Fault, Faults};
use lockgate_storage::{StorageOptions, StorageUrl};
use lockgate_types::Severity;

use crate::referee::{Bench, PASSWORD, fill, noise, objects};

async fn check(repository: &Repository, read_data: ReadData) -> CheckReport {
    let mut options = CheckOptions::default();
    (options.read_data, options.lock) = (read_data, false);
    repository.check(options).await.unwrap()
}

/// A repository with two snapshots that restic made.
async fn bench() -> (Bench, Repository) {
    let bench = Bench::new();
    let repository = bench.init().await;
    let source = bench.subfolder("source");
    fill(&source, 1);
    bench.backup(&source, "2024-01-01 00:00:00", &[]);
    fs::write(source.join("new"), noise(9, 50_000)).unwrap();
    bench.backup(&source, "2024-01-02 00:00:00", &[]);
    (bench, repository)
}

/// All objects of a kind.
fn files(bench: &Bench, folder: &str) -> Vec<PathBuf> {
    objects(&bench.repository_path().join(folder)).into_keys().collect()
}

#[tokio::test]
async fn a_good_repository_is_clean_and_is_left_as_it_was() {
    let (bench, repository) = bench().await;
    let before = objects(&bench.repository_path());
    let mut options = CheckOptions::default();
    options.read_data = ReadData::All;
    let report = repository.check(options).await.unwrap();
    assert_eq!(report.findings, []);
    assert!(report.is_clean());
    assert_eq!((report.snapshots, report.packs_unreferenced), (2, 0));
    assert_eq!((report.packs_read, report.bytes_read), (report.packs, report.bytes_stored));
    assert!(report.trees > 4 && report.files > 6 && report.blobs > 8);
    assert!(objects(&bench.repository_path()) == before);
    assert_eq!(fs::read_dir(bench.repository_path().join("locks")).unwrap().count(), 0);
}

#[tokio::test]
async fn the_parts_of_the_data_are_all_of_it() {
    let (_bench, repository) = bench().await;
    let mut read = 0;
    for index in 1..=3 {
        read += check(&repository, ReadData::Part { index, of: 3 }).await.packs_read;
    }
    let report = check(&repository, ReadData::Percent(100.0)).await;
    assert_eq!((read, report.packs_read), (report.packs, report.packs));
    assert_eq!(check(&repository, ReadData::None).await.bytes_read, 0);
}

#[tokio::test]
async fn whatever_is_flipped_or_cut_or_gone_is_noticed() {
    let (bench, repository) = bench().await;
    let mut tried = 0;
    for folder in ["data", "index", "snapshots"] {
        for path in files(&bench, folder) {
            let good = fs::read(&path).unwrap();
            let length = good.len();
            let places = (0..12).map(|part| part * (length - 1) / 11);
            for place in places {
                let mut bad = good.clone();
                bad[place] ^= 1 << (place % 8);
                fs::write(&path, bad).unwrap();
                assert_damaged(&repository, &path, &format!("byte {place} flipped")).await;
                tried += 1;
            }
            for cut in [0, 1, length / 2, length - 1] {
                fs::write(&path, &good[..cut]).unwrap();
                assert_damaged(&repository, &path, &format!("cut to {cut}")).await;
                tried += 1;
            }
            let mut longer = good.clone();
            longer.push(0);
            fs::write(&path, longer).unwrap();
            assert_damaged(&repository, &path, "longer").await;
            if folder != "snapshots" {
                fs::remove_file(&path).unwrap();
                assert_damaged(&repository, &path, "gone").await;
            }
            fs::write(&path, good).unwrap();
        }
    }
    assert!(tried > 100, "{tried}");
    assert!(check(&repository, ReadData::All).await.is_clean());
}

async fn assert_damaged(repository: &Repository, path: &Path, how: &str) {
    let report = check(repository, ReadData::All).await;
    assert!(!report.is_clean(), "{} {how}: not noticed", path.display());
    let text = report.findings[0].to_string();
    assert!(!text.contains('\n') && text.len() > 20, "{text}");
}

#[tokio::test]
async fn a_swapped_pack_and_a_damaged_key_are_noticed() {
    let (bench, repository) = bench().await;
    let packs = files(&bench, "data");
    let (one, two) = (fs::read(&packs[0]).unwrap(), fs::read(&packs[1]).unwrap());
    fs::write(&packs[0], &two).unwrap();
    fs::write(&packs[1], &one).unwrap();
    let report = check(&repository, ReadData::All).await;
    let names = report.findings.iter().filter(|finding| finding.trouble == Trouble::PackName);
    assert_eq!(names.count(), 2);
    fs::write(&packs[0], &one).unwrap();
    fs::write(&packs[1], &two).unwrap();

    let key = files(&bench, "keys").remove(0);
    let mut bytes = fs::read(&key).unwrap();
    bytes[30] ^= 1;
    fs::write(&key, bytes).unwrap();
    let report = check(&repository, ReadData::None).await;
    assert_eq!(report.findings[0].trouble, Trouble::Key);
}

#[tokio::test]
async fn a_damage_names_the_files_of_the_snapshots_that_need_it() {
    let (bench, repository) = bench().await;
    let snapshots = repository.snapshots().await.unwrap();

    // The largest pack holds the content of the first backup; the file `new` came later.
    let largest = |path: &PathBuf| fs::metadata(path).unwrap().len();
    let pack = files(&bench, "data").into_iter().max_by_key(largest).unwrap();
    let good = fs::read(&pack).unwrap();
    let mut bad = good.clone();
    bad[1000] ^= 1;
    fs::write(&pack, bad).unwrap();
    let report = check(&repository, ReadData::All).await;
    let blob = report.findings.iter().find(|finding| finding.trouble == Trouble::Blob).unwrap();
    assert!(blob.object.ends_with(pack.file_name().unwrap().to_str().unwrap()));
    assert_eq!(blob.affected.len(), 2, "{blob}");
    let damaged: Vec<_> = blob.affected.iter().map(|place| place.snapshot).collect();
    assert_eq!(damaged, [snapshots[1].id, snapshots[0].id]);
    let path = &blob.affected[0].path;
    assert!(Path::new(path).exists() && !path.ends_with("/new"), "{path}");

    fs::remove_file(&pack).unwrap();
    let report = check(&repository, ReadData::None).await;
    let missing = &report.findings[0];
    assert_eq!((missing.trouble, report.critical), (Trouble::PackMissing, 1));
    let is_named = |name: &str| missing.affected.iter().any(|place| place.path.ends_with(name));
    assert!(is_named("/noise") && is_named("/deeper/file") && !is_named("/new"), "{missing}");
    fs::write(&pack, good).unwrap();
}

#[tokio::test]
async fn a_lost_folder_is_named_by_its_path() {
    let (bench, repository) = bench().await;
    // The smallest packs hold trees.
    let size = |path: &PathBuf| fs::metadata(path).unwrap().len();
    let mut packs = files(&bench, "data");
    packs.sort_by_key(size);
    fs::remove_file(&packs[0]).unwrap();
    let report = check(&repository, ReadData::None).await;
    assert_eq!(report.findings[0].trouble, Trouble::PackMissing);
    assert!(!report.findings[0].affected.is_empty(), "{}", report.findings[0]);
}

#[tokio::test]
async fn leftovers_are_told_and_are_no_damage() {
    let (bench, repository) = bench().await;
    let data = bench.repository_path().join("data");
    fs::write(data.join("00").join("0".repeat(64)), "left over").unwrap();
    fs::write(data.join("00/odd"), "not ours").unwrap();
    let report = check(&repository, ReadData::All).await;
    let told: Vec<_> =
        report.findings.iter().map(|finding| (finding.trouble, finding.severity)).collect();
    let expected =
        [(Trouble::Stray, Severity::Warning), (Trouble::PackUnreferenced, Severity::Notice)];
    assert_eq!(told, expected);
    assert!(report.is_clean());
    assert_eq!((report.packs_unreferenced, report.bytes_unreferenced), (1, 9));
}

#[tokio::test]
async fn a_lost_connection_is_an_error_and_no_damage() {
    let (bench, _) = bench().await;
    let url: StorageUrl = format!("fs:{}", bench.repository_path().display()).parse().unwrap();
    let mut failed = 0;
    for call in 1..=30 {
        let faults = Faults::new();
        let storage = faults.open(&url, &StorageOptions::new().with("retries", "0")).unwrap();
        let repository = Repository::open(storage, PASSWORD).await.unwrap();
        faults.plan(None, faults.calls(None) + call, Fault::Fail);
        let mut options = CheckOptions::default();
        (options.read_data, options.lock) = (ReadData::All, false);
        match repository.check(options).await {
            Err(_) => failed += 1,
            Ok(report) => assert_eq!(report.findings, [], "call {call}"),
        }
    }
    assert!(failed > 10, "{failed}");
}
