//! Programs that we did not write judge what we write, and write what we read: restic and rustic_core.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lockgate_repository::{
    InitOptions, Node, Reader, Repository, Snapshot, SnapshotDraft, WriteOptions,
};
use lockgate_storage::{Storage, StorageOptions, StorageUrl};
use lockgate_types::EntryPath;

pub const PASSWORD: &str = "a password for tests";

/// A repository in a temporary folder, and restic for it.
pub struct Bench {
    pub folder: tempfile::TempDir,
    program: PathBuf,
}

impl Bench {
    pub fn new() -> Self {
        let program = match std::env::var_os("LOCKGATE_RESTIC") {
            Some(program) => PathBuf::from(program),
            None => lockgate_servers::restic().expect("restic can be built"),
        };
        Self { folder: tempfile::tempdir().unwrap(), program }
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    pub fn repository_path(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// A folder in the temporary folder.
    pub fn subfolder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    pub fn storage(&self) -> Storage {
        storage(&self.repository_path())
    }

    /// Makes a repository; the cost of the key is low, because tests open many.
    pub async fn init(&self) -> Repository {
        let mut options = InitOptions::default();
        options.scrypt_n = 1 << 10;
        Repository::init(self.storage(), PASSWORD, options).await.unwrap()
    }

    pub async fn open(&self) -> Repository {
        Repository::open(self.storage(), PASSWORD).await.unwrap()
    }

    /// Runs restic on the repository, whatever comes of it.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        self.command().args(arguments).output().expect("restic starts")
    }

    /// Starts restic with an open pipe as its input.
    pub fn start<S: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> std::process::Child {
        let piped = std::process::Stdio::piped;
        self.command().args(arguments).stdin(piped()).spawn().expect("restic starts")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("TMPDIR", self.folder.path())
            .env("RESTIC_REPOSITORY", self.repository_path())
            .env("RESTIC_PASSWORD", PASSWORD)
            .env("RESTIC_CACHE_DIR", self.folder.path().join("cache"))
            .args(["--no-cache", "--quiet"]);
        command
    }

    /// Runs restic, which must succeed, and gives what it wrote.
    pub fn restic<S: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> String {
        let arguments: Vec<std::ffi::OsString> =
            arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        let output = self.run(&arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "restic {arguments:?}: {told}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same, and the JSON it wrote.
    pub fn restic_json<S: AsRef<std::ffi::OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> serde_json::Value {
        serde_json::from_str(&self.restic(arguments)).expect("restic writes JSON")
    }

    /// Backs `folder` up with restic at `time` (`2024-01-31 12:00:00`).
    pub fn backup(&self, folder: &Path, time: &str, more: &[&str]) {
        let mut arguments = vec!["backup", "--host", "referee", "--time", time];
        arguments.extend_from_slice(more);
        let folder = folder.to_str().unwrap();
        arguments.push(folder);
        self.restic(arguments);
    }

    /// Restic finds nothing wrong.
    pub fn restic_checks_clean(&self) {
        self.restic(["check", "--read-data"]);
    }
}

pub fn storage(path: &Path) -> Storage {
    let url: StorageUrl = format!("fs:{}", path.display()).parse().unwrap();
    Storage::open(&url, &StorageOptions::default()).unwrap()
}

/// Bytes that do not compress and differ for every seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A folder with a few files and folders of the given seed.
pub fn fill(folder: &Path, seed: u64) {
    let below = folder.join("folder/deeper");
    std::fs::create_dir_all(&below).unwrap();
    std::fs::write(folder.join("noise"), noise(seed, 300_000)).unwrap();
    std::fs::write(folder.join("text"), "words words words ".repeat(5_000)).unwrap();
    std::fs::write(folder.join("empty"), "").unwrap();
    std::fs::write(folder.join("folder/names & <odd> \"é\""), noise(seed + 1, 10_000)).unwrap();
    std::fs::write(below.join("file"), noise(seed + 2, 700_000)).unwrap();
}

/// Every object of a repository folder with its bytes, locks apart.
pub fn objects(folder: &Path) -> std::collections::BTreeMap<PathBuf, Vec<u8>> {
    let mut objects = std::collections::BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        for entry in std::fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("locks") {
                    open.push(path);
                }
            } else {
                objects.insert(path.clone(), std::fs::read(&path).unwrap());
            }
        }
    }
    objects
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Both folders hold the same names and bytes.
pub fn assert_same(left: &Path, right: &Path) {
    let relative = |root: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        let strip = |(path, bytes): (PathBuf, Vec<u8>)| {
            (path.strip_prefix(root).unwrap().to_owned(), bytes)
        };
        objects(root).into_iter().map(strip).collect()
    };
    let (left, right) = (relative(left), relative(right));
    let names = |objects: &[(PathBuf, Vec<u8>)]| -> Vec<PathBuf> {
        objects.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&left), names(&right));
    for ((name, left), (_, right)) in left.iter().zip(&right) {
        assert!(left == right, "{} differs", name.display());
    }
}

/// Backs `files` up with our own writer, several streams at a time; paths are relative to the root of the snapshot.
pub async fn write(
    repository: &Repository,
    files: &[(&str, Vec<u8>)],
) -> lockgate_repository::Result<Snapshot> {
    write_with(repository, files, WriteOptions::default()).await
}

/// The same, with options.
pub async fn write_with(
    repository: &Repository,
    files: &[(&str, Vec<u8>)],
    options: WriteOptions,
) -> lockgate_repository::Result<Snapshot> {
    write_as(repository, files, options, SnapshotDraft::default()).await
}

/// The same, with what the snapshot tells of itself.
pub async fn write_as(
    repository: &Repository,
    files: &[(&str, Vec<u8>)],
    options: WriteOptions,
    draft: SnapshotDraft,
) -> lockgate_repository::Result<Snapshot> {
    let writer = repository.writer(options).await?;
    let added = std::thread::scope(|scope| {
        let add = |path: &str, bytes: &[u8]| {
            let mut stream = writer.stream();
            stream.write(&mut &*bytes, bytes.len() as u64)?;
            stream.finish(EntryPath::try_from(path).unwrap(), node(path)).map(drop)
        };
        let threads: Vec<_> =
            files.iter().map(|(path, bytes)| scope.spawn(move || add(path, bytes))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    match added.into_iter().find_map(Result::err) {
        None => writer.commit(draft).await,
        Some(error) => {
            writer.abort().await;
            Err(error)
        }
    }
}

/// A file with something in every field that restic keeps.
fn node(path: &str) -> Node {
    Node {
        name: path.rsplit('/').next().unwrap_or_default().as_bytes().to_vec(),
        mode: 0o640,
        mtime: "2024-02-29T01:02:03.456789012+01:00".parse().unwrap(),
        ..Node::default()
    }
}

/// What our reader gives for the file at `path`.
pub async fn read(repository: &Repository, snapshot: &Snapshot, path: &str) -> Option<Vec<u8>> {
    read_from(&repository.reader().await.unwrap(), snapshot, path).await
}

/// The same with an index that was loaded before.
pub async fn read_from(reader: &Reader, snapshot: &Snapshot, path: &str) -> Option<Vec<u8>> {
    let path = EntryPath::try_from(path).unwrap();
    let node = reader.node(&snapshot.tree, &path).await.unwrap()?;
    let mut content = reader.content(&node);
    let mut bytes = Vec::new();
    loop {
        let piece = content.read(1 << 20).await.unwrap();
        if piece.is_empty() {
            return Some(bytes);
        }
        bytes.extend_from_slice(&piece);
    }
}

/// What an operator does after a crash: the locks of processes that are gone go.
pub fn unlock(repository: &Path) {
    for lock in std::fs::read_dir(repository.join("locks")).unwrap() {
        std::fs::remove_file(lock.unwrap().path()).unwrap();
    }
}
