//! A limit of speed holds for what goes up and what comes down, whole or in ranges, and for nothing else.

use std::time::{Duration, Instant};

use bytes::Bytes;
use lockgate_storage::{Storage, StorageOptions};

const KIB: usize = 1024;

fn open(folder: &std::path::Path, options: &[(&str, &str)]) -> Storage {
    let options: StorageOptions = options.iter().copied().collect();
    Storage::open(&folder.display().to_string().parse().unwrap(), &options).unwrap()
}

fn takes_a_second(since: Instant) {
    let took = since.elapsed();
    assert!(took >= Duration::from_millis(900), "{took:?}");
}

#[tokio::test]
async fn each_direction_has_its_own_limit() {
    let folder = tempfile::tempdir().unwrap();
    let data = Bytes::from(vec![7; 512 * KIB]);
    let slow_up = open(folder.path(), &[("limit-upload-kib", "512")]);
    let start = Instant::now();
    slow_up.put("a", vec![data.clone()]).await.unwrap();
    takes_a_second(start);
    let start = Instant::now();
    assert_eq!(slow_up.get("a").await.unwrap(), data);
    assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());

    let slow_down = open(folder.path(), &[("limit-download-kib", "512")]);
    for object in ["b", "c"] {
        slow_down.put(object, vec![data.clone()]).await.unwrap();
    }
    let start = Instant::now();
    assert_eq!(slow_down.get("b").await.unwrap(), data);
    takes_a_second(start);
    let start = Instant::now();
    let range = 0..512 * KIB as u64;
    assert_eq!(slow_down.get_range("c", range).await.unwrap(), data);
    takes_a_second(start);
}

#[tokio::test]
async fn uploads_share_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path(), &[("limit-upload-kib", "4096")]);
    let data = Bytes::from(vec![7; 2048 * KIB]);
    let start = Instant::now();
    let (first, second) =
        tokio::join!(storage.put("a", vec![data.clone()]), storage.put("b", vec![data.clone()]));
    first.and(second).unwrap();
    takes_a_second(start);
}
