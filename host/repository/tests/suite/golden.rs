//! Repositories that earlier versions wrote, kept as text in `tests/golden`: they are read, checked and written on for ever.
//!
//! A version that changes what it writes adds a file and takes none away: `cargo test -p lockgate-repository --test suite --
//! --ignored --nocapture prints_a_golden_repository`. What a file holds cannot be made again later, because a later version
//! writes with its own code; that is why the bytes themselves are kept, and why there are so few of them.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use lockgate_repository::format::{decode_base64, encode_base64};
use lockgate_repository::{CheckOptions, InitOptions, ReadData, Repository};

use crate::history::{Files, restored};
use crate::referee::{Bench, PASSWORD, noise, storage, write};
use crate::tamper::{memory, objects};

/// Characters of a line of bytes.
const LINE_CHARACTERS: usize = 120;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// What the two snapshots of every golden repository hold.
fn content() -> [Vec<(&'static str, Vec<u8>)>; 2] {
    let text = "an old sentence, often said; ".repeat(60).into_bytes();
    let shared = noise(2, 700);
    let first = vec![("first", noise(1, 500)), ("below/shared", shared.clone()), ("text", text)];
    let second = vec![("below/it/shared", shared), ("new", noise(3, 600)), ("empty", Vec::new())];
    [first, second]
}

/// Writes the objects of a golden repository below `to`.
fn unpack(text: &str, to: &Path) {
    let mut name: Option<(PathBuf, String)> = None;
    let store = |name: Option<(PathBuf, String)>| {
        let Some((path, base64)) = name else { return };
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, decode_base64(&base64).unwrap()).unwrap();
    };
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match (line.strip_prefix("object "), &mut name) {
            (Some(object), _) => store(name.replace((to.join(object), String::new()))),
            (None, Some((_, base64))) => base64.push_str(line),
            (None, None) => panic!("{line:?} belongs to no object"),
        }
    }
    store(name);
    std::fs::create_dir_all(to.join("locks")).unwrap();
}

#[tokio::test]
async fn repositories_of_earlier_versions_are_read_and_written_on() {
    let mut tried = 0;
    for file in std::fs::read_dir(folder()).unwrap() {
        let file = file.unwrap().path();
        let bench = Bench::new();
        unpack(&std::fs::read_to_string(&file).unwrap(), &bench.repository_path());
        let repository =
            Repository::open(storage(&bench.repository_path()), PASSWORD).await.unwrap();
        write(&repository, &[("newer", noise(7, 3000)), ("shared", noise(2, 700))]).await.unwrap();
        let mut options = CheckOptions::default();
        options.read_data = ReadData::All;
        let report = repository.check(options).await.unwrap();
        assert_eq!(report.findings, [], "{}", file.display());
        let snapshots = repository.snapshots().await.unwrap();
        assert_eq!(snapshots.len(), 3);
        for (snapshot, files) in snapshots.iter().zip(content()) {
            let files: Files =
                files.into_iter().map(|(path, bytes)| (path.to_owned(), bytes)).collect();
            assert!(restored(&repository, snapshot).await.unwrap() == files, "{}", file.display());
        }
        bench.restic_checks_clean();
        tried += 1;
    }
    assert!(tried > 0, "there is no golden repository");
    println!("golden repositories: {tried}");
}

#[tokio::test]
#[ignore = "prints a new one"]
async fn prints_a_golden_repository() {
    let mut options = InitOptions::default();
    options.scrypt_n = 1 << 10;
    let storage = memory();
    let repository = Repository::init(storage.clone(), PASSWORD, options).await.unwrap();
    for files in content() {
        write(&repository, &files).await.unwrap();
    }
    println!(
        "# A repository as lockgate {} wrote it. tests/suite/golden.rs says what it holds.",
        env!("CARGO_PKG_VERSION")
    );
    for (name, bytes) in objects(&storage).await {
        println!("object {name}");
        let base64 = encode_base64(Bytes::as_ref(&bytes));
        for line in base64.as_bytes().chunks(LINE_CHARACTERS) {
            println!("{}", String::from_utf8_lossy(line));
        }
    }
}
