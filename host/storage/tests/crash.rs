//! Processes that are killed while they write, and disks that are full. The test program runs itself again for both.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use lockgate_storage::{ErrorKind, Storage, StorageOptions};

/// Names the folder to the test that runs inside the other process.
const FOLDER: &str = "LOCKGATE_TEST_FOLDER";
const ROUNDS: u64 = 20;

fn open(root: &Path) -> Storage {
    Storage::open(&root.display().to_string().parse().unwrap(), &StorageOptions::new()).unwrap()
}

/// What an object of that number holds; about 40 KiB.
fn content(number: u64) -> Bytes {
    number.to_le_bytes().repeat(5000 + usize::try_from(number % 100).unwrap()).into()
}

fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command
}

#[tokio::test]
async fn a_writer_that_is_killed_leaves_whole_objects_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for round in 0..ROUNDS {
        let mut writer = again("writer_that_is_killed")
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        tokio::time::sleep(Duration::from_millis(20 + 37 * round % 300)).await;
        writer.kill().unwrap();
        writer.wait().unwrap();
        let storage = open(folder.path());
        let objects = match storage.list("data").await {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            objects => objects.unwrap(),
        };
        for object in &objects {
            let number = object.name.rsplit('/').next().unwrap().parse().unwrap();
            assert_eq!(
                storage.get(&object.name).await.unwrap(),
                content(number),
                "{}",
                object.name
            );
            assert_eq!(object.size, content(number).len() as u64);
        }
        assert!(objects.len() >= seen, "objects of earlier rounds are gone");
        seen = objects.len();
    }
    assert!(seen > 0, "no round wrote anything");
}

#[tokio::test]
#[ignore = "runs in the process that is killed"]
async fn writer_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let storage = open(Path::new(&folder));
    let puts = futures::stream::iter(0..u64::MAX).map(|number| {
        let storage = &storage;
        async move {
            let name = format!("data/{:02x}/{number}", number % 4);
            let draft = if number % 2 == 0 { None } else { storage.draft("data").unwrap() };
            let stored = match draft {
                Some(mut draft) => {
                    draft.append(&content(number)).unwrap();
                    draft.finish(&name).await
                }
                None => storage.put(&name, vec![content(number)]).await,
            };
            match stored {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => panic!("{error}"),
                _ => {}
            }
        }
    });
    puts.buffer_unordered(4).collect::<()>().await;
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_behind() {
    on_a_disk_of_its_own("", "writer_on_a_full_disk");
}

/// A small disk of its own, which ordinary users may mount in a name space of their own.
fn on_a_disk_of_its_own(below: &str, test: &str) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join(below)).unwrap();
    let mount =
        format!("mount -t tmpfs -o size=1m none \"$LOCKGATE_TEST_FOLDER/{below}\" && exec \"$@\"");
    let inside = again(test);
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &mount, "sh"])
        .arg(inside.get_program())
        .args(inside.get_args())
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_draft_reaches_a_folder_on_another_disk_once() {
    on_a_disk_of_its_own("data/ab", "writer_across_disks");
}

#[tokio::test]
#[ignore = "runs where a folder is on another disk"]
async fn writer_across_disks() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let storage = open(Path::new(&folder));
    let draft = |bytes: &'static [u8]| {
        let mut draft = storage.draft("data").unwrap().unwrap();
        draft.append(bytes).unwrap();
        draft.append(b" and more").unwrap();
        draft
    };
    draft(b"bytes").finish("data/ab/object").await.unwrap();
    assert_eq!(storage.get("data/ab/object").await.unwrap(), "bytes and more");
    let error = draft(b"other").finish("data/ab/object").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    assert_eq!(storage.get("data/ab/object").await.unwrap(), "bytes and more");
    assert_eq!(std::fs::read_dir(Path::new(&folder).join("data/ab")).unwrap().count(), 1);
}

#[tokio::test]
#[ignore = "runs where the disk is small"]
async fn writer_on_a_full_disk() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let storage = open(Path::new(&folder));
    storage.create_folders(&["data"]).await.unwrap();
    let most = vec![Bytes::from(vec![1; 600 * 1024])];
    storage.put("data/first", most.clone()).await.unwrap();
    for _ in 0..2 {
        let error = storage.put("data/second", most.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
        assert!(error.hint().unwrap().contains("free space"));
        assert_eq!(std::fs::read_dir(Path::new(&folder).join("data")).unwrap().count(), 1);
    }
    // With space again, the name is still free.
    storage.delete("data/first").await.unwrap();
    storage.put("data/second", most).await.unwrap();
    assert_eq!(storage.size("data/second").await.unwrap(), 600 * 1024);
}
