//! Uploads whose answer is lost, and the instrument that loses it.

use bytes::Bytes;
use lockgate_storage::fault::{Fault, Faults, Operation};
use lockgate_storage::{ErrorKind, Storage, StorageOptions};
use lockgate_types::Retry;

fn options(retries: &str) -> StorageOptions {
    StorageOptions::new().with("retries", retries)
}

fn memory(faults: &Faults, retries: &str) -> Storage {
    faults.open(&"memory:".parse().unwrap(), &options(retries)).unwrap()
}

fn data() -> Vec<Bytes> {
    vec![Bytes::from("by"), Bytes::from("tes")]
}

#[tokio::test(start_paused = true)]
async fn an_upload_whose_answer_was_lost_is_a_success() {
    for retries in ["0", "1", "5"] {
        let faults = Faults::new();
        faults.plan(Some(Operation::Put), 1, Fault::LoseAnswer);
        let storage = memory(&faults, retries);
        storage.put("object", data()).await.unwrap();
        assert_eq!(storage.get("object").await.unwrap(), "bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_object_is_never_taken_for_ours() {
    let faults = Faults::new();
    let storage = memory(&faults, "5");
    storage.put("same-length", vec![Bytes::from("other")]).await.unwrap();
    storage.put("longer", vec![Bytes::from("bytes and more")]).await.unwrap();
    for (call, name) in [(3, "same-length"), (5, "longer")] {
        // The first attempt fails before it is made, the second finds the object.
        faults.plan(Some(Operation::Put), call, Fault::Fail);
        let error = storage.put(name, data()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
        assert_eq!(error.retry(), Retry::Never);
    }
    assert_eq!(faults.calls(Some(Operation::Put)), 6);
}

#[tokio::test(start_paused = true)]
async fn passing_failures_are_tried_again_and_final_ones_are_not() {
    let faults = Faults::new();
    let storage = memory(&faults, "3");
    for call in 1..=3 {
        faults.plan(Some(Operation::Put), call, Fault::Fail);
        faults.plan(Some(Operation::Get), call, Fault::Fail);
        faults.plan(Some(Operation::List), call, Fault::Fail);
        faults.plan(Some(Operation::Delete), call, Fault::LoseAnswer);
    }
    storage.put("object", data()).await.unwrap();
    assert_eq!(storage.get("object").await.unwrap(), "bytes");
    assert_eq!(storage.list("").await.unwrap().len(), 1);
    storage.delete("object").await.unwrap();

    faults.plan(Some(Operation::Put), 5, Fault::Refuse);
    let error = storage.put("object", data()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
    assert_eq!(faults.calls(Some(Operation::Put)), 5);
}

#[tokio::test(start_paused = true)]
async fn when_every_attempt_fails_the_failure_is_told() {
    let faults = Faults::new();
    for call in 1..=3 {
        faults.plan(Some(Operation::Put), call, Fault::Fail);
    }
    let storage = memory(&faults, "2");
    let error = storage.put("object", data()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unreachable, Retry::Later), "{error}");
    assert_eq!(storage.get("object").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn after_death_nothing_works_and_what_was_done_stays() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string().parse().unwrap();
    for (fault, is_done) in [(Fault::DieBefore, false), (Fault::DieAfter, true)] {
        let faults = Faults::new();
        let storage = faults.open(&url, &options("0")).unwrap();
        storage
            .put("first", vec![])
            .await
            .or_else(
                |error| {
                    if error.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(error) }
                },
            )
            .unwrap();
        faults.plan(None, faults.calls(None) + 1, fault);
        storage.put("second", data()).await.unwrap_err();
        assert!(faults.is_dead());
        storage.get("first").await.unwrap_err();
        storage.list("").await.unwrap_err();
        storage.delete("first").await.unwrap_err();
        let alive = Storage::open(&url, &options("0")).unwrap();
        assert_eq!(alive.size("second").await.is_ok(), is_done);
        alive.size("first").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_gets_its_name_once_whatever_became_of_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    for (number, retries) in ["0", "1"].into_iter().enumerate() {
        let faults = Faults::new();
        let storage = local(&faults, folder.path(), retries);
        storage.create_folders(&["data"]).await.unwrap();
        faults.plan(Some(Operation::Put), 1, Fault::LoseAnswer);
        let name = format!("data/{number}/object");
        draft(&storage).finish(&name).await.unwrap();
        assert_eq!(storage.get(&name).await.unwrap(), "bytes");
        let error = draft(&storage).finish(&name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_could_not_be_stored_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::new();
    let storage = local(&faults, folder.path(), "0");
    storage.create_folders(&["data"]).await.unwrap();
    for (call, fault, kind) in [
        (1, Fault::Fail, ErrorKind::Unreachable),
        (2, Fault::Refuse, ErrorKind::NoSpace),
        (3, Fault::DieBefore, ErrorKind::Other),
    ] {
        faults.plan(Some(Operation::Put), call, fault);
        let error = draft(&storage).finish("data/object").await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    drop(draft(&local(&Faults::new(), folder.path(), "0")));
    assert_eq!(std::fs::read_dir(folder.path().join("data")).unwrap().count(), 0);
}

fn local(faults: &Faults, folder: &std::path::Path, retries: &str) -> Storage {
    let url = format!("fs:{}", folder.display()).parse().unwrap();
    faults.open(&url, &options(retries)).unwrap()
}

fn draft(storage: &Storage) -> lockgate_storage::Draft {
    let mut draft = storage.draft("data").unwrap().expect("the test's folder has unnamed files");
    draft.append(b"by").unwrap();
    draft.append(b"tes").unwrap();
    draft
}
