//! What the databases are filled with, and what must not be left beside them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use lockgate_conformance::Content;
use lockgate_servers::{ACCOUNTS, Sqlite};

/// Longest value of SQLite, less what the rest of its row needs (<https://www.sqlite.org/limits.html>).
const VALUE_BYTES_MAX: u64 = 999_000_000;
/// Bytes of the values of [`Content::Bulk`].
const VALUE_BYTES: u64 = 4000;
/// Databases of [`Content::Bulk`].
const BULK_DATABASES: u64 = 4;

pub fn fill(sqlite: &Sqlite, content: Content) -> Result<()> {
    match content {
        Content::Usual => usual(sqlite),
        Content::Huge { bytes } => {
            let bytes = bytes.min(VALUE_BYTES_MAX);
            statements(
                sqlite,
                "huge.db",
                &format!(
                    "PRAGMA journal_mode=WAL; CREATE TABLE a(b); INSERT INTO a VALUES (randomblob({bytes}));"
                ),
            )
        }
        Content::Many { count } => statements(
            sqlite,
            "many.db",
            &format!(
                "PRAGMA journal_mode=WAL; CREATE TABLE a(b INTEGER PRIMARY KEY, c TEXT);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
                 INSERT INTO a SELECT i, 'v' || i FROM n;"
            ),
        ),
        Content::Bulk { bytes } => bulk(sqlite, bytes),
        Content::Odd => odd(sqlite),
    }
}

fn statements(sqlite: &Sqlite, name: &str, statements: &str) -> Result<()> {
    let path = sqlite.data().join(name);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    sqlite.sql(path, statements).map(drop)
}

/// All journal modes, sizes of pages, encodings, and kinds of tables.
fn usual(sqlite: &Sqlite) -> Result<()> {
    statements(sqlite, "bank.db", &format!("PRAGMA journal_mode=WAL; {ACCOUNTS}"))?;
    statements(
        sqlite,
        "deep/er/small.sqlite",
        "PRAGMA page_size=512; PRAGMA auto_vacuum=incremental; PRAGMA encoding='UTF-16le'; PRAGMA user_version=-7;
         CREATE TABLE a(b TEXT UNIQUE, c REAL, d BLOB) ; CREATE INDEX i ON a(c) WHERE c > 0;
         INSERT INTO a VALUES ('ä', 1.5, x'00ff'), (NULL, -1e300, zeroblob(5000)); DELETE FROM a WHERE c < 0;",
    )?;
    statements(
        sqlite,
        "full text.sqlite3",
        "PRAGMA page_size=65536; PRAGMA journal_mode=WAL; PRAGMA application_id=305419896;
         CREATE VIRTUAL TABLE words USING fts5(text); INSERT INTO words VALUES ('one two'), ('three');
         CREATE VIRTUAL TABLE boxes USING rtree(id, x, y); INSERT INTO boxes VALUES (1, 0, 1);",
    )?;
    statements(
        sqlite,
        "plain.db",
        "PRAGMA journal_mode=PERSIST; PRAGMA auto_vacuum=full;
         CREATE TABLE a(b TEXT PRIMARY KEY, c) WITHOUT ROWID; CREATE TABLE log(b);
         CREATE VIEW v AS SELECT b FROM a; CREATE TRIGGER t AFTER INSERT ON a BEGIN INSERT INTO log VALUES (new.b); END;
         INSERT INTO a VALUES ('x', 1), ('y', 2);",
    )
}

fn bulk(sqlite: &Sqlite, bytes: u64) -> Result<()> {
    let count = (bytes / BULK_DATABASES).div_ceil(VALUE_BYTES);
    for number in 1..=BULK_DATABASES {
        let mode = if number % 2 == 0 { "WAL" } else { "DELETE" };
        let rows = format!(
            "PRAGMA journal_mode={mode}; PRAGMA synchronous=OFF; CREATE TABLE a(b INTEGER PRIMARY KEY, c BLOB);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO a SELECT i, randomblob({VALUE_BYTES}) FROM n;"
        );
        statements(sqlite, &format!("bulk{number}.db"), &rows)?;
    }
    Ok(())
}

/// Names of files and tables, and values.
fn odd(sqlite: &Sqlite) -> Result<()> {
    let values = "CREATE TABLE \"a \"\"b' [c] ; -- ü\"(\"\" , \"..\" TEXT, [x/y]);
        INSERT INTO \"a \"\"b' [c] ; -- ü\" VALUES
            ('', NULL, char(0)), ('a' || char(0) || 'b', '..', x''), (9223372036854775807, -9223372036854775808, 9e999),
            (CAST(x'ff80fe' AS TEXT), 0.1, -0.0), (char(0x10ffff), char(27) || '[31m', char(10, 13, 9)),
            (replace(hex(zeroblob(32768)), '0', '''%'), randomblob(65536), zeroblob(1));";
    let long = format!("{}.db", "long".repeat(50));
    let names = [
        "..db",
        "a b.db",
        "100%.db",
        "%41.db",
        "quote'\".db",
        "new\nline.db",
        "\u{1b}[31mred.db",
        "ünïcode 漢字 🦀.sqlite",
        "-rf.db",
        "a-wal.db",
        "back\\slash.db",
        "deep/../deep2/\u{301}.db",
        "x.db.d/y.db",
        "*?.sqlite3",
        &long,
    ];
    for name in names {
        // What a path of SQLite's program cannot have, the file has afterwards.
        statements(sqlite, "made.db", &format!("PRAGMA journal_mode=WAL; {values}"))?;
        put(sqlite, Path::new(&name.replace("../", "")))?;
    }
    statements(sqlite, "made.db", "PRAGMA user_version=5;")?;
    put(sqlite, Path::new(OsStr::from_bytes(b"latin-\xe4\xff.db")))?;
    fs::write(sqlite.data().join("empty.db"), "")?;
    // Beside databases, and none of them.
    fs::write(sqlite.data().join("notes.txt"), "not saved")?;
    Ok(())
}

fn put(sqlite: &Sqlite, name: &Path) -> Result<()> {
    let to = sqlite.data().join(name);
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::rename(sqlite.data().join("made.db"), to)?)
}

/// Locks that the worker did not give back, and files that were on their way.
pub fn leftovers(sqlite: &Sqlite) -> Result<Vec<String>> {
    let mut files = Vec::new();
    let mut pending: Vec<PathBuf> = vec![sqlite.data()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let status = entry.metadata()?;
            if status.is_dir() {
                pending.push(entry.path());
            }
            files.push((entry.path(), status.ino()));
        }
    }
    // `1: OFDLCK ADVISORY READ -1 fe:00:12345 123 123` (`proc_locks(5)`): locks as only the worker takes them.
    let locks = fs::read_to_string("/proc/locks")?;
    let locked: Vec<u64> = locks
        .lines()
        .filter(|line| line.contains(" OFDLCK "))
        .filter_map(|line| line.split(' ').find(|it| it.matches(':').count() == 2))
        .filter_map(|place| place.rsplit(':').next()?.parse().ok())
        .collect();
    let left = files.into_iter().filter_map(|(path, inode)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match () {
            () if name.starts_with(".lockgate") => Some(format!("the file {name}")),
            () if locked.contains(&inode) => Some(format!("a lock on {name}")),
            () => None,
        }
    });
    Ok(left.collect())
}
