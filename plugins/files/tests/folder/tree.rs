//! A folder with everything that a file system can hold, and a description of folders to compare.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};

/// Fills `top`.
pub fn plant(top: &Path) {
    fs::create_dir_all(top.join("deep/er/most")).unwrap();
    fs::create_dir(top.join("empty")).unwrap();
    fs::write(top.join("a"), "content of a").unwrap();
    fs::write(top.join("deep/b"), "").unwrap();
    fs::write(top.join("deep/er/most/large"), vec![7; 3 << 20]).unwrap();
    fs::write(top.join(OsStr::from_bytes(b"odd \xff\n\x1b[2J 'name' ")), "odd").unwrap();
    for number in 0..300 {
        fs::write(top.join(format!("deep/er/{number}.txt")), format!("{number}")).unwrap();
    }
    fs::hard_link(top.join("a"), top.join("deep/hard")).unwrap();
    fs::hard_link(top.join("a"), top.join("z-hard")).unwrap();
    symlink("nowhere/../at all", top.join("dangling")).unwrap();
    symlink("deep", top.join("to-folder")).unwrap();
    let node = |name: &str, kind| {
        rustix::fs::mknodat(CWD, top.join(name), kind, Mode::from_raw_mode(0o640), 0).unwrap();
    };
    node("fifo", FileType::Fifo);
    node("socket", FileType::Socket);
    let sparse = fs::File::create(top.join("sparse")).unwrap();
    sparse.write_all_at(b"end", 8 << 20).unwrap();
    let attribute =
        rustix::fs::setxattr(top.join("a"), "user.note", b"\0bytes\xff", XattrFlags::empty());
    // Some file systems have no attributes of users.
    assert!(attribute.is_ok() || attribute == Err(rustix::io::Errno::NOTSUP));
    fs::set_permissions(top.join("a"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(top.join("deep/er"), fs::Permissions::from_mode(0o555)).unwrap();
    for (name, seconds, nanoseconds) in [
        ("deep/b", -86_400, 123_456_789),
        ("dangling", 1_000_000_000, 1),
        ("deep/er/most", 5, 999_999_999),
        ("deep/er", 1_234_567_890, 0),
        ("fifo", 7, 7),
    ] {
        set_modified(&top.join(name), seconds, nanoseconds);
    }
}

pub fn set_modified(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// What can be compared of all names below `top`.
pub fn describe(top: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut described = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    walk(top, top, &mut described, &mut inodes);
    described
}

fn walk(
    top: &Path,
    folder: &Path,
    described: &mut BTreeMap<Vec<u8>, String>,
    inodes: &mut BTreeMap<u64, Vec<u8>>,
) {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()).collect();
    names.sort();
    for path in names {
        let name = path.strip_prefix(top).unwrap().as_os_str().to_owned().into_vec();
        let status = fs::symlink_metadata(&path).unwrap();
        let kind = status.file_type();
        let first = match kind.is_dir() {
            true => name.clone(),
            false => inodes.entry(status.ino()).or_insert_with(|| name.clone()).clone(),
        };
        let content = if kind.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let target = fs::read_link(&path).ok();
        let mut note = vec![0; 100];
        let length = match kind.is_file() {
            true => rustix::fs::getxattr(&path, "user.note", &mut note).unwrap_or(0),
            false => 0,
        };
        let text = format!(
            "{:o} {} {} {}.{:09} {} {target:?} {:?} {}",
            status.mode(),
            status.uid(),
            status.gid(),
            status.mtime(),
            status.mtime_nsec(),
            first.escape_ascii(),
            &note[..length],
            short(&content),
        );
        described.insert(name, text);
        if kind.is_dir() {
            walk(top, &path, described, inodes);
        }
    }
}

fn short(content: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("{} {:x}", content.len(), hasher.finish())
}
