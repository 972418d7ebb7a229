//! Objects are shown as restic shows them, and the master key never is.

use std::fs;

use crate::referee::{Bench, fill, noise, write};
use lockgate_repository::{ErrorKind, ObjectKind};
use serde_json::Value;

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[tokio::test]
async fn objects_are_those_that_restic_shows() {
    let bench = Bench::new();
    let repository = bench.init().await;
    let source = bench.subfolder("source");
    fill(&source, 1);
    bench.backup(&source, "2024-01-01 00:00:00", &["--tag", "one"]);
    let config = repository.object(ObjectKind::Config, "").await.unwrap();
    assert_eq!(json(&config.bytes), bench.restic_json(["cat", "config"]));

    for (kind, name) in
        [(ObjectKind::Snapshot, "snapshot"), (ObjectKind::Index, "index"), (ObjectKind::Key, "key")]
    {
        let ids = repository.objects(kind).await.unwrap();
        assert_eq!(ids.len(), 1, "{name}");
        let object = repository.object(kind, &ids[0].short()).await.unwrap();
        let by_restic = bench.restic_json(["cat", name, &ids[0].to_string()]);
        let mut own = json(&object.bytes);
        // Restic leaves out what is empty, and names the file apart.
        if kind == ObjectKind::Key {
            own.as_object_mut().unwrap().retain(|key, _| by_restic.get(key).is_some());
        }
        assert_eq!(own, by_restic, "{name}");
    }
    let snapshot = repository.snapshot("latest").await.unwrap();
    let folder = source.to_str().unwrap();
    let tree = repository.object(ObjectKind::Tree, &format!("latest:{folder}")).await.unwrap();
    let by_restic = bench.restic_json(["cat", "tree", &format!("{}:{folder}", snapshot.id)]);
    assert_eq!(json(&tree.bytes), by_restic);
    let same = repository.object(ObjectKind::Tree, &tree.id.to_string()).await.unwrap();
    assert_eq!(same, tree);
    let root = repository.object(ObjectKind::Tree, &snapshot.id.short()).await.unwrap();
    assert_eq!(root.id, snapshot.tree);

    for id in repository.objects(ObjectKind::Blob).await.unwrap() {
        let blob = repository.object(ObjectKind::Blob, &id.to_string()).await.unwrap();
        let output = bench.run(["cat", "blob", &id.to_string()]);
        assert!(output.status.success() && output.stdout == blob.bytes, "{id}");
    }
}

#[tokio::test]
async fn keys_stay_sealed_and_a_damaged_pack_is_shown_as_such() {
    let bench = Bench::new();
    let repository = bench.init().await;
    write(&repository, &[("file", noise(1, 50_000))]).await.unwrap();
    let master = bench.restic_json(["cat", "masterkey"]);
    let secrets = [&master["encrypt"], &master["mac"]["k"], &master["mac"]["r"]];
    for kind in [ObjectKind::Config, ObjectKind::Key, ObjectKind::Snapshot, ObjectKind::Index] {
        let id = repository.objects(kind).await.unwrap()[0].to_string();
        let shown = repository.object(kind, &id).await.unwrap();
        let text = String::from_utf8(shown.bytes.to_vec()).unwrap();
        assert!(secrets.iter().all(|it| !text.contains(it.as_str().unwrap())), "{kind:?}");
    }
    for (kind, selector, expected) in [
        (ObjectKind::Index, "zz", ErrorKind::Invalid),
        (ObjectKind::Blob, &"0".repeat(64), ErrorKind::NotFound),
        (ObjectKind::Tree, "latest:nowhere", ErrorKind::NotFound),
        (ObjectKind::Lock, "00", ErrorKind::NotFound),
    ] {
        let error = repository.object(kind, selector).await.unwrap_err();
        assert_eq!(error.kind(), expected, "{kind:?} {selector}");
    }
    let pack = repository.objects(ObjectKind::Pack).await.unwrap()[0];
    let whole = repository.object(ObjectKind::Pack, &pack.to_string()).await.unwrap();
    assert!(whole.is_intact);
    let path = bench.repository_path().join(format!("data/{:02x}/{pack}", pack.0[0]));
    let mut bytes = fs::read(&path).unwrap();
    bytes[5] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, &bytes).unwrap();
    let damaged = repository.object(ObjectKind::Pack, &pack.to_string()).await.unwrap();
    assert!(!damaged.is_intact && damaged.bytes == bytes);
}
