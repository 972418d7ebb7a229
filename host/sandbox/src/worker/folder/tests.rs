use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use lockgate_types::{ExtendedAttribute, Timestamp};

use super::*;

fn folder(path: &Path, writable: bool) -> Folder {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(path, flags, Mode::empty()).unwrap();
    Folder::new("data".to_owned(), writable, root)
}

fn path(text: &str) -> EntryPath {
    EntryPath::try_from(text).unwrap()
}

fn failure<T: fmt::Debug>(reply: Reply<T>) -> Failure {
    match reply {
        Err(Fault::Failure(failure) | Fault::Missing(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

fn metadata(kind: Kind) -> Metadata {
    let time = |seconds| Timestamp { seconds, nanoseconds: 5 };
    Metadata {
        kind,
        mode: 0o751,
        owner: rustix::process::geteuid().as_raw(),
        group: rustix::process::getegid().as_raw(),
        owner_name: String::new(),
        group_name: String::new(),
        size: 0,
        modified: time(-7),
        accessed: time(1_000),
        changed: time(0),
        inode: 0,
        device: 0,
        links: 1,
        device_number: 0,
        link_target: (kind == Kind::Symlink).then(|| b"nowhere/\xff".to_vec()),
        extended_attributes: Vec::new(),
    }
}

#[test]
fn no_symbolic_link_leads_out_or_in() {
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let inside = tempfile::tempdir().unwrap();
    fs::create_dir(inside.path().join("real")).unwrap();
    fs::write(inside.path().join("real/file"), "").unwrap();
    symlink(outside.path(), inside.path().join("out")).unwrap();
    symlink(outside.path().join("secret"), inside.path().join("file")).unwrap();
    symlink("real", inside.path().join("in")).unwrap();
    let folder = folder(inside.path(), true);
    let denied = |failure: Failure| assert!(matches!(failure, Failure::Denied(_)), "{failure:?}");
    for name in ["out/secret", "file", "in/file"] {
        denied(failure(folder.open(&path(name))));
    }
    denied(failure(folder.create(&path("out/new"), true)));
    denied(failure(folder.make(&path("in/new"), &metadata(Kind::Directory), false)));
    denied(failure(folder.remove(&path("out/secret"))));
    denied(failure(folder.link(&path("copy"), &path("out/secret"), false)));
    denied(failure(folder.apply(&path("out/secret"), &metadata(Kind::Regular))));
    denied(failure(folder.status(&path("out/secret"), &Owners::default())));
    denied(failure(list(&folder, &path("out"), 1000)));
    assert!(outside.path().join("secret").exists());

    // The link itself may be looked at, linked and removed.
    let status = folder.status(&path("file"), &Owners::default()).unwrap();
    assert_eq!(status.kind, Kind::Symlink);
    folder.link(&path("link"), &path("file"), false).unwrap();
    folder.remove(&path("file")).unwrap();
    assert!(fs::symlink_metadata(inside.path().join("link")).unwrap().is_symlink());
    assert!(outside.path().join("secret").exists());
}

#[test]
fn only_regular_files_are_opened_and_a_fifo_does_not_hang() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path(), true);
    folder.make(&path("fifo"), &metadata(Kind::Fifo), false).unwrap();
    folder.make(&path("folder"), &metadata(Kind::Directory), false).unwrap();
    for (name, word) in [("fifo", "a fifo"), ("folder", "a directory")] {
        let Failure::Unsupported(text) = failure(folder.open(&path(name))) else { panic!() };
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn a_folder_for_reading_is_not_changed() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("file"), "content").unwrap();
    let folder = folder(root.path(), false);
    folder.open(&path("file")).unwrap();
    let about = metadata(Kind::Directory);
    let refusals = [
        failure(folder.create(&path("new"), true)),
        failure(folder.make(&path("new"), &about, true)),
        failure(folder.link(&path("new"), &path("file"), true)),
        failure(folder.apply(&path("file"), &about)),
        failure(folder.remove(&path("file"))),
    ];
    for refusal in refusals {
        let Failure::Denied(text) = refusal else { panic!("{refusal:?}") };
        assert!(text.contains("access = \"read-write\""), "{text}");
    }
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn names_come_in_the_order_of_their_bytes_with_all_that_is_known() {
    use std::os::unix::ffi::OsStrExt;
    let root = tempfile::tempdir().unwrap();
    for name in [&b"b"[..], b"a-", b"a", b"a.b", b"\xff\xfe", b"Z"] {
        fs::write(root.path().join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    symlink("to nowhere", root.path().join("link")).unwrap();
    let file = root.path().join("a");
    rustix::fs::setxattr(&file, "user.lockgate", b"v\0", rustix::fs::XattrFlags::empty()).unwrap();
    let folder = folder(root.path(), false);
    let names = list(&folder, &EntryPath::root(), 1000).unwrap();
    fs::remove_file(root.path().join("b")).unwrap();
    let mut seen = Vec::new();
    for index in 0.. {
        let Some(name) = names.get(index) else { break };
        seen.extend(stat_named(&names, name, &Owners::load()).unwrap());
    }
    let order: Vec<&[u8]> = seen.iter().map(|named| named.name.as_slice()).collect();
    assert_eq!(order, [&b"Z"[..], b"a", b"a-", b"a.b", b"link", b"\xff\xfe"], "b is gone");
    let about = &seen[1].metadata;
    let expected = fs::metadata(&file).unwrap();
    assert_eq!(about.inode, expected.ino());
    assert_eq!((about.modified.seconds, about.size), (expected.mtime(), 1));
    assert_eq!(
        about.extended_attributes,
        [ExtendedAttribute { name: "user.lockgate".to_owned(), value: b"v\0".to_vec() }]
    );
    assert_eq!(seen[4].metadata.link_target.as_deref(), Some(&b"to nowhere"[..]));
    let status = folder.status(&path("a"), &Owners::load()).unwrap();
    assert_eq!(&status, about, "both ways to look agree");
    let mut status = folder.status(&path("link"), &Owners::load()).unwrap();
    // Reading the target is an access.
    status.accessed = seen[4].metadata.accessed;
    assert_eq!(status, seen[4].metadata);
}

#[test]
fn what_is_in_the_way_is_replaced_only_when_asked() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path(), true);
    let conflict =
        |failure: Failure| assert!(matches!(failure, Failure::Conflict(_)), "{failure:?}");
    folder.create(&path("file"), false).unwrap();
    conflict(failure(folder.create(&path("file"), false)));
    folder.create(&path("file"), true).unwrap();
    symlink("file", root.path().join("link")).unwrap();
    conflict(failure(folder.create(&path("link"), false)));
    folder.create(&path("link"), true).unwrap();
    assert!(fs::symlink_metadata(root.path().join("link")).unwrap().is_file(), "replaced itself");

    for kind in [Kind::Symlink, Kind::Fifo, Kind::Socket, Kind::Directory] {
        let name = path(&format!("{kind:?}"));
        folder.make(&name, &metadata(kind), false).unwrap();
        if kind == Kind::Directory {
            folder.make(&name, &metadata(kind), false).unwrap();
        } else {
            conflict(failure(folder.make(&name, &metadata(kind), false)));
            folder.make(&name, &metadata(kind), true).unwrap();
        }
    }
    conflict(failure(folder.make(&path("file"), &metadata(Kind::Directory), false)));
    conflict(failure(folder.create(&path("Directory"), true)));
    assert!(fs::metadata(root.path().join("Fifo")).unwrap().file_type().is_fifo());

    conflict(failure(folder.link(&path("Fifo"), &path("file"), false)));
    folder.link(&path("Fifo"), &path("file"), true).unwrap();
    folder.link(&path("Fifo"), &path("file"), true).unwrap();
    assert_eq!(fs::metadata(root.path().join("file")).unwrap().nlink(), 2);

    folder.create(&path("Directory/inner"), false).unwrap();
    conflict(failure(folder.remove(&path("Directory"))));
    folder.remove(&path("Directory/inner")).unwrap();
    folder.remove(&path("Directory")).unwrap();
    assert!(folder.remove(&EntryPath::root()).is_err());
}

#[test]
fn what_was_archived_is_applied() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path(), true);
    for kind in [Kind::Regular, Kind::Directory, Kind::Fifo, Kind::Symlink] {
        let name = path(&format!("{kind:?}"));
        let mut about = metadata(kind);
        match kind {
            Kind::Regular => {
                let value = ExtendedAttribute { name: "user.kept".to_owned(), value: vec![1] };
                about.extended_attributes.push(value);
                folder.create(&name, false).map(drop).unwrap();
            }
            _ => folder.make(&name, &about, false).unwrap(),
        }
        assert_eq!(folder.apply(&name, &about).unwrap(), Vec::<String>::new(), "{kind:?}");
        let now = folder.status(&name, &Owners::default()).unwrap();
        assert_eq!((now.modified, now.accessed), (about.modified, about.accessed), "{kind:?}");
        assert_eq!(now.extended_attributes, about.extended_attributes);
        assert_eq!(now.link_target, about.link_target);
        if kind != Kind::Symlink {
            assert_eq!(now.mode, 0o751, "{kind:?}");
        }
    }
    let mut impossible = metadata(Kind::Regular);
    impossible.owner = u32::MAX;
    let name = ExtendedAttribute { name: "nonsense".to_owned(), value: Vec::new() };
    impossible.extended_attributes.push(name);
    let refused = folder.apply(&path("Regular"), &impossible).unwrap();
    assert_eq!(refused.len(), 2, "{refused:?}");
    let mode = fs::metadata(root.path().join("Regular")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o751, "the rest is applied all the same");
}

#[test]
fn an_owner_that_cannot_be_set_is_reported() {
    let root = tempfile::tempdir().unwrap();
    let folder = folder(root.path(), true);
    folder.create(&path("file"), false).unwrap();
    let mut about = metadata(Kind::Regular);
    about.owner = 12_345;
    let refused = folder.apply(&path("file"), &about).unwrap();
    let now = fs::metadata(root.path().join("file")).unwrap().uid();
    assert_eq!(refused.is_empty(), now == 12_345, "{refused:?}");
    assert_eq!(refused.is_empty(), rustix::process::geteuid().is_root());
}
