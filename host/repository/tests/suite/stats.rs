//! The figures are those of restic.

use std::fs;

use crate::referee::{Bench, fill, noise, write};
use lockgate_repository::Selection;

async fn compare(bench: &Bench) {
    let repository = bench.open().await;
    let stats = repository.stats(&Selection::default()).await.unwrap();
    let of = |mode: &str| bench.restic_json(["stats", "--json", "--mode", mode]);

    let restore = of("restore-size");
    assert_eq!(stats.restore_bytes, restore["total_size"], "{stats:?}");
    assert_eq!(stats.entries, restore["total_file_count"]);
    assert_eq!(stats.snapshots_count, restore["snapshots_count"]);
    assert_eq!(stats.contents_bytes, of("files-by-contents")["total_size"]);
    let raw = of("raw-data");
    assert_eq!(stats.stored_bytes, raw["total_size"]);
    assert_eq!(stats.data_blobs + stats.tree_blobs, raw["total_blob_count"]);
    // Restic counts the seal as a part of what was there before compression.
    let blobs = stats.data_blobs + stats.tree_blobs;
    assert_eq!(stats.plain_bytes + 32 * blobs, raw["total_uncompressed_size"]);
    let sum: u64 = stats.snapshots.iter().map(|it| it.restore_bytes).sum();
    assert_eq!((sum, stats.blobs_missing), (stats.restore_bytes, 0));
    assert!(stats.packs_bytes > stats.stored_bytes && stats.compression_ratio > 1.0);
}

#[tokio::test]
async fn figures_are_those_of_restic_for_both_writers_and_with_links() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let source = bench.subfolder("source");
    fill(&source, 1);
    fs::hard_link(source.join("noise"), source.join("folder/linked")).unwrap();
    fs::hard_link(source.join("noise"), source.join("linked too")).unwrap();
    fs::copy(source.join("noise"), source.join("copied")).unwrap();
    std::os::unix::fs::symlink("nowhere", source.join("link")).unwrap();
    bench.backup(&source, "2024-01-01 00:00:00", &[]);
    fs::write(source.join("more"), noise(9, 1_000_000)).unwrap();
    bench.backup(&source, "2024-01-02 00:00:00", &[]);
    let text = b"the same words again and again ".repeat(10_000);
    write(&repository, &[("a/b/text", text.clone()), ("c/text", text)]).await.unwrap();
    compare(&bench).await;

    let one = Selection { snapshots: vec!["latest~2".to_owned()], ..Selection::default() };
    let stats = repository.stats(&one).await.unwrap();
    let id = stats.snapshots[0].snapshot.id.to_string();
    let by_restic = bench.restic_json(["stats", "--json", "--mode", "restore-size", &id]);
    assert_eq!(stats.restore_bytes, by_restic["total_size"]);
}

#[tokio::test]
async fn an_empty_repository_has_nothing() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let stats = repository.stats(&Selection::default()).await.unwrap();
    assert_eq!((stats.snapshots_count, stats.entries, stats.packs), (0, 0, 0));
    assert!(stats.compression_ratio.abs() < f64::EPSILON);
}
