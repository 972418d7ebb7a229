//! What only folders of this machine have: modes, links, temporary files, full and read-only disks.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lockgate_storage::{ErrorKind, Storage, StorageOptions};

fn open(root: &Path) -> Storage {
    Storage::open(&root.display().to_string().parse().unwrap(), &StorageOptions::new()).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn objects_are_read_only_and_folders_private() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("new/repository");
    let storage = open(&root);
    storage.create_folders(&["data/ab", "data"]).await.unwrap();
    storage.put("data/ab/object", vec![Bytes::from("x")]).await.unwrap();
    assert_eq!(mode(&root), 0o700);
    assert_eq!(mode(&root.join("data/ab")), 0o700);
    assert_eq!(mode(&root.join("data/ab/object")), 0o400);
    // Nothing but the object is left.
    assert_eq!(fs::read_dir(root.join("data/ab")).unwrap().count(), 1);
}

#[tokio::test]
async fn a_draft_is_seen_only_under_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    assert!(storage.draft("data").unwrap().is_none(), "there is no such folder yet");
    storage.create_folders(&["data"]).await.unwrap();
    let mut draft = storage.draft("data").unwrap().unwrap();
    draft.append(b"content").unwrap();
    assert_eq!(fs::read_dir(folder.path().join("data")).unwrap().count(), 0);
    draft.finish("data/ab/object").await.unwrap();
    assert_eq!(storage.get("data/ab/object").await.unwrap(), "content");
    assert_eq!(mode(&folder.path().join("data/ab/object")), 0o400);
}

#[tokio::test]
async fn only_what_this_machine_keeps_is_listed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    assert!(!storage.lists_at_once("locks").await, "there is no such folder yet");
    storage.create_folders(&["locks"]).await.unwrap();
    assert!(
        storage.lists_at_once("locks").await,
        "the test's folder is on a file system of this machine"
    );
    let memory = Storage::open(&"memory:".parse().unwrap(), &StorageOptions::new()).unwrap();
    assert!(!memory.lists_at_once("locks").await);
    for told in [true, false] {
        let options = StorageOptions::new().with("consistent-listings", told.to_string());
        let url = format!("fs:{}", folder.path().display()).parse().unwrap();
        let storage = Storage::open(&url, &options).unwrap();
        assert_eq!(
            storage.lists_at_once("locks").await,
            told,
            "whoever runs the storage knows best"
        );
    }
}

#[tokio::test]
async fn what_is_sent_as_a_whole_has_no_drafts() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().display().to_string().parse().unwrap();
    let slow = StorageOptions::new().with("limit-upload-kib", "1000");
    let memory = Storage::open(&"memory:".parse().unwrap(), &StorageOptions::new()).unwrap();
    for storage in [Storage::open(&url, &slow).unwrap(), memory] {
        storage.create_folders(&["data"]).await.unwrap();
        assert!(storage.draft("data").unwrap().is_none());
    }
}

#[tokio::test]
async fn a_repository_that_is_not_mounted_is_never_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("unmounted");
    let storage = open(&root);
    let error = storage.put("data/ab/object", vec![]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert_eq!(storage.delete("config").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!root.exists());
}

#[tokio::test]
async fn a_missing_folder_is_not_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    storage.put("config", vec![]).await.unwrap();
    assert_eq!(storage.list("snapshots").await.unwrap_err().kind(), ErrorKind::NotFound);
    storage.create_folders(&["snapshots"]).await.unwrap();
    assert_eq!(storage.list("snapshots").await.unwrap(), []);
}

#[tokio::test]
async fn links_do_not_lead_out_of_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (root, outside) = (folder.path().join("root"), folder.path().join("outside"));
    fs::create_dir(&root).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "x").unwrap();
    symlink(&outside, root.join("data")).unwrap();
    symlink(outside.join("secret"), root.join("config")).unwrap();
    let storage = open(&root);
    assert!(storage.get("data/secret").await.is_err());
    assert!(storage.get("config").await.is_err());
    assert!(storage.list("data").await.is_err());
    assert!(storage.list("").await.is_err());
    assert!(storage.put("data/new", vec![]).await.is_err());
    assert!(storage.delete("data/secret").await.is_err());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[tokio::test]
async fn a_link_to_a_folder_does_not_make_a_listing_short() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    storage.put("data/object", vec![]).await.unwrap();
    symlink("data", folder.path().join("more")).unwrap();
    assert!(storage.list("").await.is_err());
    assert_eq!(storage.list("data").await.unwrap().len(), 1);
}

#[tokio::test]
async fn temporary_files_are_not_listed_and_go_when_they_are_old() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    storage.put("data/object", vec![]).await.unwrap();
    let (fresh, old) = (".lockgate-tmp-1-0-a", ".lockgate-tmp-1-1-b");
    let foreign = "somebody-elses-tmp";
    let day = Duration::from_secs(25 * 60 * 60);
    for name in [fresh, old, foreign] {
        let file = fs::File::create(folder.path().join("data").join(name)).unwrap();
        if name != fresh {
            file.set_modified(SystemTime::now() - day).unwrap();
        }
    }
    let names: Vec<String> =
        storage.list("data").await.unwrap().into_iter().map(|object| object.name).collect();
    assert_eq!(names, ["data/object", "data/somebody-elses-tmp"]);
    assert!(folder.path().join("data").join(fresh).exists());
    assert!(folder.path().join("data").join(foreign).exists());
    assert!(!folder.path().join("data").join(old).exists());
}

#[tokio::test]
async fn a_file_without_a_last_name_is_not_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let storage = open(folder.path());
    storage.create_folders(&["data"]).await.unwrap();
    assert_eq!(storage.get("data").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(storage.put("data", vec![]).await.is_err());
    assert!(storage.delete("data").await.is_err());
    assert!(folder.path().join("data").is_dir());
}
