//! Several repositories that hold the same: copies, healing, and backups that go to all of them. restic is the referee.

mod copy;
mod fan;
mod heal;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use lockgate_repository::{
    InitOptions, Node, Repository, Snapshot, SnapshotDraft, Time, WriteOptions, Writer,
};
use lockgate_servers::S3Server;
use lockgate_storage::fault::Faults;
use lockgate_storage::{Storage, StorageOptions};
use lockgate_types::EntryPath;

/// A repository on this disk with a password of its own.
struct Place {
    folder: tempfile::TempDir,
    faults: Faults,
    password: &'static str,
}

impl Place {
    async fn new(password: &'static str) -> (Self, Repository) {
        let folder = tempfile::tempdir().unwrap();
        let place = Self { folder, faults: Faults::new(), password };
        let repository = init(place.storage(), password).await;
        (place, repository)
    }

    fn url(&self) -> String {
        format!("fs:{}", self.folder.path().display())
    }

    fn storage(&self) -> Storage {
        let options = StorageOptions::new().with("retries", "0");
        self.faults.open(&self.url().parse().unwrap(), &options).unwrap()
    }

    /// Opened anew, without faults.
    async fn open(&self) -> Repository {
        let storage =
            Storage::open(&self.url().parse().unwrap(), &StorageOptions::default()).unwrap();
        Repository::open(storage, self.password).await.unwrap()
    }

    fn restic(&self) -> Restic {
        let location = self.folder.path().display().to_string();
        Restic { location, password: self.password.to_owned(), variables: Vec::new() }
    }

    fn packs(&self) -> Vec<PathBuf> {
        let mut packs = Vec::new();
        for folder in std::fs::read_dir(self.folder.path().join("data")).unwrap() {
            let files = std::fs::read_dir(folder.unwrap().path()).unwrap();
            packs.extend(files.map(|file| file.unwrap().path()));
        }
        packs.sort();
        packs
    }
}

struct Restic {
    location: String,
    password: String,
    variables: Vec<(&'static str, String)>,
}

impl Restic {
    fn run(&self, arguments: &[&str]) -> String {
        let program = match std::env::var_os("LOCKGATE_RESTIC") {
            Some(program) => PathBuf::from(program),
            None => lockgate_servers::restic().expect("restic can be built"),
        };
        let output = Command::new(program)
            .args(["--no-cache", "-r", &self.location])
            .args(arguments)
            .env("RESTIC_PASSWORD", &self.password)
            .envs(self.variables.iter().map(|(name, value)| (*name, value.as_str())))
            .output()
            .expect("restic starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "restic {arguments:?}: {text}{errors}");
        text + &errors
    }

    fn check(&self) {
        self.run(&["check", "--read-data"]);
    }
}

async fn init(storage: Storage, password: &str) -> Repository {
    let mut options = InitOptions::default();
    options.scrypt_n = 1 << 4;
    Repository::init(storage, password, options).await.unwrap()
}

fn s3(server: &S3Server, prefix: &str) -> Storage {
    let options = StorageOptions::new()
        .with("access-key-id", &server.access_key)
        .with("secret-access-key", &server.secret_key);
    Storage::open(&server.location(prefix).parse().unwrap(), &options).unwrap()
}

fn options() -> WriteOptions {
    let mut options = WriteOptions::default();
    (options.cpu_threads, options.pack_bytes, options.memory_bytes) = (2, 1 << 20, 0);
    options
}

fn path(text: &str) -> EntryPath {
    EntryPath::try_from(text).unwrap()
}

/// Bytes that do not shrink, different for every seed.
fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn write(writer: &Writer, name: &str, bytes: &[u8]) -> lockgate_repository::Result<u64> {
    let mut stream = writer.stream();
    stream.write(&mut Cursor::new(bytes), bytes.len() as u64)?;
    let time = "2024-01-02T03:04:05Z".parse::<Time>().unwrap();
    let node = Node { mtime: time, atime: time, ctime: time, ..Node::default() };
    stream.finish(path(name), node)
}

/// Files `from` to `to`, each with the content of its number.
fn write_files(writer: &Writer, from: u64, to: u64) -> lockgate_repository::Result<()> {
    (from..to).try_for_each(|number| {
        let name = format!("folder{}/file{number}", number % 3);
        write(writer, &name, &content(number, 300_000)).map(drop)
    })
}

async fn snapshot(repository: &Repository, from: u64, to: u64) -> Snapshot {
    let writer = repository.writer(options()).await.unwrap();
    write_files(&writer, from, to).unwrap();
    writer.commit(draft(from)).await.unwrap()
}

fn draft(number: u64) -> SnapshotDraft {
    let paths = vec!["/data".to_owned()];
    let tags = vec![format!("made:{number}")];
    SnapshotDraft { paths, tags, hostname: "host".to_owned(), ..SnapshotDraft::default() }
}

/// Compares what restic restores with what was written.
fn restored(restic: &Restic, snapshot: &str, from: u64, to: u64) {
    let target = tempfile::tempdir().unwrap();
    restic.run(&["restore", snapshot, "--target", &target.path().display().to_string()]);
    for number in from..to {
        let file = target.path().join(format!("folder{}/file{number}", number % 3));
        assert!(std::fs::read(&file).unwrap() == content(number, 300_000), "{}", file.display());
    }
}

/// The moments of `calls` at which something dies: all of them, or a few when there is little time.
fn sampled(calls: u64) -> impl Iterator<Item = u64> {
    let step = if std::env::var_os("LOCKGATE_TEST_SCALE").is_some() {
        1
    } else {
        calls.div_ceil(3).max(1)
    };
    (1..=calls).rev().step_by(step as usize)
}

fn flip(file: &Path, at: usize) {
    use std::os::unix::fs::PermissionsExt as _;
    let mut bytes = std::fs::read(file).unwrap();
    bytes[at] ^= 0x40;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(file, bytes).unwrap();
}
