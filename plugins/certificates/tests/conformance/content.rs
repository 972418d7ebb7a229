//! What folders are filled with.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;

use anyhow::Result;
use lockgate_servers::{KeyKind, OpenSsl};

/// Names of the part `www`.
pub const WWW: [&str; 7] = [
    "www",
    "www/chain",
    "www/chain/ca.pem",
    "www/current.key",
    "www/keystore.p12",
    "www/www.crt",
    "www/www.key",
];

/// A little of everything: keys of all kinds, a keystore, lists of passwords, a link, modes and owners.
pub fn usual(top: &Path, openssl: &OpenSsl) -> Result<()> {
    let at = |name: &str| top.join(name);
    fs::create_dir_all(at("www/chain"))?;
    fs::create_dir_all(at("private"))?;
    openssl.pair(&at("www/www.key"), &at("www/www.crt"), KeyKind::Rsa, 400)?;
    openssl.pkcs12(&at("www/www.key"), &at("www/www.crt"), &at("www/keystore.p12"), "changeit")?;
    openssl.pair(&at("ca.key"), &at("www/chain/ca.pem"), KeyKind::P256, 400)?;
    openssl.pair(&at("private/mail.key"), &at("private/mail.crt"), KeyKind::Ed25519, 10)?;
    symlink("www.key", at("www/current.key"))?;
    fs::write(at("private/htpasswd"), "alice:$apr1$12345678$abcdefghijklmnopqrstuv\n")?;
    fs::write(at(".pgpass"), "db.example.org:5432:*:backup:hunter2\n")?;
    fs::write(at("openssl.cnf"), "[req]\nprompt = no\n")?;
    fs::set_permissions(at(".pgpass"), fs::Permissions::from_mode(0o600))?;
    fs::set_permissions(at("private"), fs::Permissions::from_mode(0o710))?;
    // Only root may give files away.
    chown(at("private"), Some(0), Some(33)).ok();
    chown(at("private/htpasswd"), Some(33), Some(33)).ok();
    Ok(())
}

/// One file of random bytes.
pub fn huge(top: &Path, bytes: u64) -> Result<()> {
    random(&top.join("huge.bin"), bytes)
}

/// Small files in folders of a thousand.
pub fn many(top: &Path, count: u64) -> Result<()> {
    for number in 0..count {
        let folder = top.join(format!("{:04}", number / 1000));
        if number % 1000 == 0 {
            fs::create_dir(&folder)?;
        }
        fs::write(folder.join(format!("{number}.secret")), number.to_string())?;
    }
    Ok(())
}

/// Random files of 256 KiB in four folders.
pub fn bulk(top: &Path, bytes: u64) -> Result<()> {
    const FILE_BYTES: u64 = 256 << 10;
    for number in 0..bytes.div_ceil(FILE_BYTES).max(4) {
        let folder = top.join(format!("bulk-{}", number % 4));
        fs::create_dir_all(&folder)?;
        random(&folder.join(format!("{number}.bin")), FILE_BYTES)?;
    }
    Ok(())
}

fn random(path: &Path, bytes: u64) -> Result<()> {
    use std::io::Read as _;
    let mut source = fs::File::open("/dev/urandom")?.take(bytes);
    std::io::copy(&mut source, &mut fs::File::create(path)?)?;
    Ok(())
}

/// Names and contents that mislead.
pub fn odd(top: &Path, openssl: &OpenSsl) -> Result<()> {
    let names: [&[u8]; 14] = [
        b"a.age",
        b"a.age%",
        b"a",
        b"%40files",
        b"@files.txt",
        b"...",
        b"-rf",
        b" ",
        b"new\nline",
        b"\x1b[2J",
        b"\xff\xfe",
        "schl\u{fc}ssel".as_bytes(),
        b"quote'\"\\",
        b"*?[x]",
    ];
    for name in names {
        let name = OsStr::from_bytes(name);
        fs::write(top.join(name), b"secret")?;
        let folder = top.join("inner").join(name);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), b"")?;
    }
    // Folders at the top are parts of their own.
    for name in [&b"@files"[..], b"dir.age", b"%", b"\xffdir", b"..dir", "\u{202e}evil".as_bytes()]
    {
        let folder = top.join(OsStr::from_bytes(name));
        fs::create_dir(&folder)?;
        fs::write(folder.join("key.age"), b"AGE-SECRET-KEY-1")?;
    }
    let long = "n".repeat(250);
    fs::create_dir(top.join("contents"))?;
    fs::write(top.join("contents").join(&long), vec![0; 64 << 10])?;
    symlink("../../../../etc/shadow", top.join("contents/out"))?;
    symlink("key.age", top.join("contents/link.age"))?;
    fs::write(top.join("contents/link"), b"secret beside a link of its sealed name")?;
    // A key in disguise, and what only looks like a certificate.
    openssl.pair(
        &top.join("contents/innocent.txt"),
        &top.join("contents/a.crt"),
        KeyKind::P256,
        1,
    )?;
    let mut broken = fs::read(top.join("contents/a.crt"))?;
    broken.truncate(200);
    fs::write(top.join("contents/broken.crt"), broken)?;
    let mut both = fs::File::create(top.join("contents/both.pem"))?;
    both.write_all(&fs::read(top.join("contents/a.crt"))?)?;
    both.write_all(&fs::read(top.join("contents/innocent.txt"))?)?;
    fs::set_permissions(top.join("contents/both.pem"), fs::Permissions::from_mode(0o6751))?;
    fs::set_permissions(top.join("contents/broken.crt"), fs::Permissions::from_mode(0o000))?;
    Ok(())
}
