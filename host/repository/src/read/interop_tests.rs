//! What restic writes is read back whole, and every object prints as restic printed it.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use lockgate_storage::{Storage, StorageOptions};

use super::*;
use crate::ErrorKind;
use crate::format::{IndexFile, KeyFile, LockFile, Snapshot, Time, TreePrinter, Xattr, parse_tree};
use crate::layout::FileKind;
use crate::open::InitOptions;

struct Restic {
    folder: tempfile::TempDir,
    program: PathBuf,
}

impl Restic {
    fn new() -> Self {
        let program = match std::env::var_os("LOCKGATE_RESTIC") {
            Some(program) => PathBuf::from(program),
            None => lockgate_servers::restic().expect("restic can be built"),
        };
        Self { folder: tempfile::tempdir().unwrap(), program }
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    fn storage(&self) -> Storage {
        let url = format!("fs:{}", self.repository().display()).parse().unwrap();
        Storage::open(&url, &StorageOptions::default()).unwrap()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("RESTIC_REPOSITORY", self.repository()).env("RESTIC_PASSWORD", "secret");
        command.args(["--no-cache", "--quiet"]);
        command
    }

    fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) {
        let output = self.command().args(arguments).output().expect("restic starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    async fn open(&self) -> Repository {
        Repository::open(self.storage(), "secret").await.unwrap()
    }
}

fn odd_names() -> Vec<OsString> {
    let names: [&[u8]; 20] = [
        b"plain",
        b"with space ",
        b"<html>&\"quoted\"",
        b"back\\slash\\x41",
        b"new\nline\ttab\rreturn",
        b"\x01\x02\x07\x08\x0b\x0c\x1f\x7f",
        b"invalid\xff\xfe\xc3(",
        b"\xe2\x80",
        "line\u{2028}paragraph\u{2029}".as_bytes(),
        "\u{a0}\u{200b}\u{feff}\u{ad}\u{e000}\u{10ffff}".as_bytes(),
        "\u{85}\u{301}e\u{301}\u{fffd}".as_bytes(),
        "日本語 ünïcödé 😀".as_bytes(),
        b"'single' `back` $dollar",
        b"-dash",
        b".hidden",
        b"...",
        b"percent%41",
        b"a",
        b"a.b",
        b"a-b",
    ];
    let long = vec![b'l'; 255];
    names.iter().map(|name| name.to_vec()).chain([long]).map(OsString::from_vec).collect()
}

fn fill(folder: &Path) {
    std::fs::create_dir_all(folder.join("names/empty folder")).unwrap();
    for (number, name) in odd_names().into_iter().enumerate() {
        std::fs::write(folder.join("names").join(name), vec![b'x'; number * 100]).unwrap();
    }
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let set_id = file("set-id", b"s");
    std::fs::set_permissions(set_id, std::fs::Permissions::from_mode(0o6751)).unwrap();
    std::fs::create_dir(folder.join("sticky")).unwrap();
    std::fs::set_permissions(folder.join("sticky"), std::fs::Permissions::from_mode(0o1777))
        .unwrap();
    file("hard", b"linked");
    std::fs::hard_link(folder.join("hard"), folder.join("sticky/hard too")).unwrap();
    for (number, target) in [&b"hard"[..], b"../nowhere", b"\xff\xfe<&>", b"/"].iter().enumerate() {
        symlink(OsStr::from_bytes(target), folder.join(format!("link{number}"))).unwrap();
    }
    let sparse = std::fs::File::create(folder.join("sparse")).unwrap();
    sparse.set_len(30 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"data", 20 << 20).unwrap();
    let mut state = 1u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(9 << 20)
    .collect();
    let large = file("large", &noise);
    rustix::fs::setxattr(&large, "user.odd \"name\"", b"\x00\xff", rustix::fs::XattrFlags::empty())
        .unwrap();
    let old = file("old", b"o");
    let before_epoch = std::time::UNIX_EPOCH - std::time::Duration::from_nanos(1_500_000_001);
    std::fs::File::open(old).unwrap().set_modified(before_epoch).unwrap();
    std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    // Named pipes and devices where we may make them.
    for (name, arguments) in
        [("pipe", ["p", "", ""]), ("null", ["c", "1", "3"]), ("loop", ["b", "7", "0"])]
    {
        let arguments = arguments.iter().filter(|argument| !argument.is_empty());
        let _ = Command::new("mknod").arg(folder.join(name)).args(arguments).output();
    }
}

fn assert_node_is_of(node: &Node, path: &Path) {
    let found = std::fs::symlink_metadata(path).unwrap();
    let kind = found.file_type();
    let expected = match () {
        () if kind.is_dir() => NodeKind::Directory,
        () if kind.is_symlink() => NodeKind::Symlink,
        () if kind.is_fifo() => NodeKind::Fifo,
        () if kind.is_socket() => NodeKind::Socket,
        () if kind.is_char_device() => NodeKind::CharacterDevice,
        () if kind.is_block_device() => NodeKind::BlockDevice,
        () => NodeKind::File,
    };
    let entry = node.to_entry(EntryPath::root());
    let metadata = entry.metadata.clone().unwrap();
    assert_eq!(node.kind, expected, "{path:?}");
    assert_eq!(metadata.mode, found.mode() & 0o7777, "{path:?}");
    assert_eq!((metadata.owner, metadata.group), (found.uid(), found.gid()));
    assert_eq!(metadata.modified.seconds, found.mtime(), "{path:?}");
    assert_eq!(i64::from(metadata.modified.nanoseconds), found.mtime_nsec(), "{path:?}");
    assert_eq!(metadata.inode, found.ino());
    if expected == NodeKind::File {
        assert_eq!((metadata.size, metadata.links), (found.size(), found.nlink()), "{path:?}");
        assert_eq!(metadata.device, found.dev());
    }
    if expected == NodeKind::Symlink {
        let target = std::fs::read_link(path).unwrap();
        assert_eq!(metadata.link_target.as_deref(), Some(target.as_os_str().as_bytes()));
    }
    if matches!(expected, NodeKind::BlockDevice | NodeKind::CharacterDevice) {
        assert_eq!(metadata.device_number, found.rdev());
    }
    // From the entry back to the node. An entry does not keep the offset of the clock; newer versions of restic keep
    // the device of hard links only, as we do.
    let mut again = Node::from_entry(&entry);
    again.name = node.name.clone();
    again.content = node.content.clone();
    again.subtree = node.subtree;
    assert!(again.device_id == node.device_id || node.links < 2 || node.kind != NodeKind::File);
    again.device_id = node.device_id;
    for (new, old) in [
        (&mut again.mtime, node.mtime),
        (&mut again.atime, node.atime),
        (&mut again.ctime, node.ctime),
    ] {
        assert_eq!(new.timestamp, old.timestamp);
        *new = old;
    }
    assert_eq!(&again, node, "{path:?}");
}

async fn assert_snapshot_is_of(reader: &Reader, root: Digest, folder: &Path) {
    let prefix = EntryPath::new(folder.as_os_str().as_bytes()[1..].to_vec()).unwrap();
    let mut walk = reader.walk(root, prefix.clone(), None);
    let (mut files, mut copies, mut count) = (Vec::new(), Vec::new(), 0);
    while let Some((path, node)) = walk.next().await.unwrap() {
        let inside = path.strip_prefix(&prefix).unwrap();
        let original = folder.join(OsStr::from_bytes(inside.as_bytes()));
        assert_node_is_of(&node, &original);
        if original.ends_with("large") {
            let xattr = Xattr { name: "user.odd \"name\"".to_owned(), value: vec![0, 0xff] };
            assert_eq!(node.xattrs, [xattr]);
        }
        if node.kind == NodeKind::File {
            let file = tempfile::tempfile_in(folder.parent().unwrap()).unwrap();
            copies.push((original, file.try_clone().unwrap()));
            files.push((node, file, 0));
        }
        count += 1;
    }
    // All but the socket, which restic leaves out, and the devices where nobody may make them.
    assert!(count >= 34, "{count}");
    reader.extract_many(files).await.unwrap();
    for (original, mut copy) in copies {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut copy, &mut bytes).unwrap();
        assert!(bytes == std::fs::read(&original).unwrap(), "{original:?}");
        if original.ends_with("sparse") {
            assert!(copy.metadata().unwrap().blocks() * 512 < 1 << 20, "holes were written");
        }
    }
}

async fn load(repository: &Repository, kind: FileKind) -> Vec<(Digest, Vec<u8>)> {
    let mut found = Vec::new();
    for file in repository.list_files(kind).await.unwrap() {
        found.push((file.id, repository.load_file(kind, file).await.unwrap()));
    }
    found
}

fn assert_prints_as(printed: Vec<u8>, json: &[u8]) {
    assert_eq!(String::from_utf8(printed).unwrap(), String::from_utf8_lossy(json));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_restic_writes_is_read_and_prints_as_it_printed_it() {
    let restic = Restic::new();
    let folder = restic.folder.path().join("source");
    fill(&folder);
    restic.run(["init"]);
    restic.run([
        OsStr::new("backup"),
        "--tag=a,<b>".as_ref(),
        "--exclude=*.o".as_ref(),
        folder.as_ref(),
    ]);
    restic.run([
        OsStr::new("backup"),
        "--compression=off".as_ref(),
        "--force".as_ref(),
        folder.as_ref(),
    ]);

    let wrong = Repository::open(restic.storage(), "wrong").await.unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::WrongPassword);
    let repository = restic.open().await;
    let snapshots = repository.snapshots().await.unwrap();
    assert_eq!(snapshots.len(), 2);
    assert_eq!(repository.snapshot("latest~1").await.unwrap(), snapshots[0]);
    assert_eq!(snapshots[0].tags, ["a", "<b>"]);
    for (id, json) in load(&repository, FileKind::Snapshot).await {
        assert_prints_as(Snapshot::parse(id, &json).unwrap().print(), &json);
    }
    let mut trees = HashMap::new();
    for (_, json) in load(&repository, FileKind::Index).await {
        let index = IndexFile::parse(&json).unwrap();
        assert_prints_as(index.print(), &json);
        let blobs = index.packs.iter().flat_map(|pack| &pack.blobs);
        trees.extend(blobs.filter(|blob| blob.kind == BlobKind::Tree).map(|blob| (blob.id, ())));
    }
    for file in repository.list_files(FileKind::Key).await.unwrap() {
        let json = repository.storage().get(&FileKind::Key.name(&file.id)).await.unwrap();
        assert_prints_as(KeyFile::parse(&json).unwrap().print(), &json);
    }
    let reader = repository.reader().await.unwrap();
    assert!(trees.len() >= 5);
    for id in trees.keys() {
        let json = reader.fetch_tree(*id).await.unwrap();
        let mut printer = TreePrinter::new();
        for node in parse_tree(&json).unwrap() {
            printer.add(&node).unwrap();
        }
        assert_prints_as(printer.finish(), &json);
    }
    for snapshot in &snapshots {
        assert_snapshot_is_of(&reader, snapshot.tree, &folder).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_are_respected_both_ways() {
    let restic = Restic::new();
    let options = InitOptions { scrypt_n: 1 << 10 };
    let repository = Repository::init(restic.storage(), "secret", options).await.unwrap();
    let again = Repository::init(restic.storage(), "secret", InitOptions::default()).await;
    assert_eq!(again.unwrap_err().kind(), ErrorKind::RepositoryExists);
    let excluded = |arguments: &[&str]| {
        let output = restic.command().args(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            assert!(told.contains("already locked"), "{told}");
        }
        !output.status.success()
    };
    let shared = repository.lock_shared().await.unwrap();
    shared.ensure_held().unwrap();
    assert!(excluded(&["prune"]));
    assert!(!excluded(&["snapshots"]));
    for (_, json) in load(&repository, FileKind::Lock).await {
        assert_prints_as(LockFile::parse(&json).unwrap().print(), &json);
    }
    let other = repository.lock_shared().await.unwrap();
    assert_eq!(repository.lock_exclusive().await.unwrap_err().kind(), ErrorKind::Locked);
    other.release().await.unwrap();
    shared.release().await.unwrap();
    let exclusive = repository.lock_exclusive().await.unwrap();
    assert!(excluded(&["snapshots"]));
    let error = repository.lock_shared().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains("locked exclusively by process"), "{error}");
    exclusive.release().await.unwrap();
    assert!(repository.list_files(FileKind::Lock).await.unwrap().is_empty());
    assert!(!excluded(&["prune"]));

    // What a run left behind that was killed half an hour ago, elsewhere.
    let mut time = Time::now();
    time.timestamp.seconds -= 31 * 60;
    let (hostname, username) = ("elsewhere".to_owned(), "u".to_owned());
    let left = LockFile {
        time,
        exclusive: true,
        hostname,
        username,
        pid: 1,
        uid: 0,
        gid: 0,
        lockgate: None,
    };
    let id = repository.save_file(FileKind::Lock, left.print()).await.unwrap();
    // The storage says that it came just now, whatever the clock of its machine was.
    assert_eq!(repository.lock_shared().await.unwrap_err().kind(), ErrorKind::Locked);
    let file = std::fs::File::open(restic.repository().join(FileKind::Lock.name(&id))).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(31 * 60)).unwrap();
    repository.lock_exclusive().await.unwrap().release().await.unwrap();
}
