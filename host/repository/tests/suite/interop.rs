//! What we write, restic and rustic read; what restic writes, we read; and all of us at the same time.

use std::fs;

use lockgate_repository::{CheckOptions, Chunking, NodeKind, ReadData, WriteOptions};
use lockgate_types::EntryPath;

use crate::referee::{Bench, assert_same, fill, noise, read, write, write_with};
use crate::rustic;

/// Content of every size around the limits of chunks, and names that need care.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("empty", Vec::new()),
        ("one byte", vec![7]),
        ("noise", noise(1, 3_000_000)),
        ("large", noise(2, 20 << 20)),
        ("text", b"all work and no play makes jack a dull boy\n".repeat(100_000)),
        ("zeros", vec![0; 5 << 20]),
        ("source/part/again", noise(1, 3_000_000)),
        ("source/part/deep/er/and/deeper/file", noise(3, 100)),
        ("source/a-b", noise(4, 1000)),
        ("source/a/b", noise(5, 1000)),
        ("source/names & <odd> \"quoted\" back\\slash é \u{2028} \t", noise(6, 10)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cut_as_restic_does_is_stored_once_for_both() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let bytes = noise(7, 24 << 20);
    let mut options = WriteOptions::default();
    options.chunking = Chunking::Restic;
    write_with(&repository, &[("large", bytes.clone())], options).await.unwrap();

    let folder = bench.subfolder("data");
    fs::write(folder.join("large"), &bytes).unwrap();
    let added = bench.restic_json(["backup", "--json", "--quiet", folder.to_str().unwrap()]);
    assert_eq!(added["data_blobs"], 0, "{added}");
    bench.restic_checks_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn restic_reads_and_rewrites_what_we_write() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let snapshot = write(&repository, &files()).await.unwrap();
    bench.restic_checks_clean();
    rustic::check(&bench.repository_path()).unwrap();

    let (expected, target) = (bench.subfolder("expected"), bench.subfolder("target"));
    for (path, bytes) in files() {
        let path = expected.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    bench.restic(["restore", "latest", "--target", target.to_str().unwrap()]);
    assert_same(&expected, &target);
    let dumped = bench.run(["dump", "latest", "/noise"]);
    assert!(dumped.status.success() && dumped.stdout == noise(1, 3_000_000));

    let stats = bench.restic_json(["stats", "--json", "--mode", "restore-size"]);
    let bytes: usize = files().iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(stats["total_size"], bytes);

    // Restic refuses to rewrite trees that are not exactly as it would write them.
    bench.restic(["rewrite", "--exclude", "/large", "latest"]);
    bench.restic(["tag", "--add", "tagged", &snapshot.id.to_string()]);
    let second = bench.folder.path().join("second");
    let from = bench.repository_path();
    for arguments in [vec!["init"], vec!["copy", "--from-repo", from.to_str().unwrap()]] {
        let output = std::process::Command::new(bench.program())
            .env("RESTIC_PASSWORD", crate::referee::PASSWORD)
            .env("RESTIC_FROM_PASSWORD", crate::referee::PASSWORD)
            .args(["--no-cache", "--quiet", "--repo"])
            .arg(&second)
            .args(&arguments)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "restic {arguments:?}: {told}");
    }
    bench.restic_checks_clean();

    let copied = lockgate_repository::Repository::open(
        crate::referee::storage(&second),
        crate::referee::PASSWORD,
    );
    let copied = copied.await.unwrap();
    let snapshots = copied.snapshots().await.unwrap();
    assert_eq!(snapshots.len(), 2);
    assert_eq!(read(&copied, &snapshots[0], "noise").await, Some(noise(1, 3_000_000)));
}

#[tokio::test(flavor = "multi_thread")]
async fn we_read_what_restic_writes() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let source = bench.subfolder("source");
    fill(&source, 1);
    std::os::unix::fs::symlink("nowhere", source.join("link")).unwrap();
    bench.backup(&source, "2024-01-01 00:00:00", &["--tag", "first"]);
    let snapshot = repository.snapshot("latest").await.unwrap();
    assert_eq!(snapshot.tags, ["first"]);

    let reader = repository.reader().await.unwrap();
    let mut walk = reader.walk(snapshot.tree, EntryPath::root(), None);
    let (mut bytes, mut links) = (0, 0);
    while let Some((path, node)) = walk.next().await.unwrap() {
        let local = std::path::Path::new("/").join(path.to_string());
        match node.kind {
            NodeKind::File => {
                let content = read(&repository, &snapshot, &path.to_string()).await.unwrap();
                assert!(content == fs::read(&local).unwrap(), "{path}");
                bytes += content.len();
            }
            NodeKind::Symlink => {
                assert_eq!(node.linktarget, b"nowhere");
                links += 1;
            }
            kind => assert_eq!(kind, NodeKind::Directory),
        }
    }
    assert_eq!((bytes, links), (1_100_000, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_write_at_the_same_time() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let source = bench.subfolder("source");
    fill(&source, 77);
    // The same content in all of them, so that they race for it.
    let files = |seed| vec![("shared", noise(1, 2_000_000)), ("own", noise(seed, 500_000))];
    let (one, two, three, ()) = tokio::join!(
        async { write(&bench.open().await, &files(10)).await.unwrap() },
        async { write(&bench.open().await, &files(20)).await.unwrap() },
        async { write(&repository, &files(30)).await.unwrap() },
        async {
            tokio::task::block_in_place(|| bench.backup(&source, "2024-01-01 00:00:00", &[]));
        },
    );
    assert_eq!(repository.snapshots().await.unwrap().len(), 4);
    for (snapshot, seed) in [(one, 10), (two, 20), (three, 30)] {
        assert_eq!(read(&repository, &snapshot, "own").await, Some(noise(seed, 500_000)));
        assert_eq!(read(&repository, &snapshot, "shared").await, Some(noise(1, 2_000_000)));
    }
    let mut options = CheckOptions::default();
    options.read_data = ReadData::All;
    assert!(repository.check(options).await.unwrap().is_clean());
    bench.restic_checks_clean();
    rustic::check(&bench.repository_path()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_backup_keeps_restic_from_pruning_and_not_from_backing_up() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let source = bench.subfolder("source");
    fill(&source, 5);
    let writer = repository.writer(WriteOptions::default()).await.unwrap();
    let prune = bench.run(["prune"]);
    assert_eq!(prune.status.code(), Some(11), "{}", String::from_utf8_lossy(&prune.stderr));
    bench.backup(&source, "2024-01-01 00:00:00", &[]);
    writer.abort().await;
    bench.restic(["prune"]);
    bench.restic_checks_clean();
}
