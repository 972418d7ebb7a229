//! Keys and signature files on disk.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use lockgate_trust::{PublicKey, SecretKey, Signature, Signatures, Statement};
use zeroize::Zeroizing;

use crate::{Error, ErrorKind, Plugin, Result, signatures_path};

/// Makes a key and writes it into a new file that only its owner can read.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn new_key(path: &Path) -> Result<PublicKey> {
    let key = SecretKey::generate().map_err(|error| at(path, ErrorKind::Failed, &error))?;
    let mut options = fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => at(path, ErrorKind::Conflict, &"exists already")
            .with_hint("name another file: a key that is overwritten is gone"),
        _ => at(path, ErrorKind::Failed, &error),
    })?;
    let written = file
        .write_all(key.text().as_bytes())
        .and_then(|()| file.write_all(b"\n"))
        .and_then(|()| file.sync_all());
    written.map_err(|error| at(path, ErrorKind::Failed, &error))?;
    Ok(key.public())
}

/// Signs a plugin and adds the signature to the file beside it; signatures of other components go out of that file.
///
/// # Errors
/// When the key cannot be read, is open to others, or the signature file cannot be written.
pub fn sign(plugin: &Plugin, key: &Path) -> Result<Signature> {
    let key = read_key(key)?;
    let statement = Statement {
        name: plugin.name.clone(),
        version: plugin.declaration.version.clone(),
        digest: plugin.admitted.digest,
        created: jiff::Timestamp::now(),
    };
    let signature = statement.sign(&key);
    let mut file = plugin.signatures.clone().unwrap_or_default();
    file.keep(plugin.admitted.digest);
    file.add(signature.clone());
    let path = signatures_path(&plugin.path);
    write(&path, &file).map_err(|error| at(&path, ErrorKind::Failed, &error))?;
    Ok(signature)
}

fn read_key(path: &Path) -> Result<SecretKey> {
    let wrong = |cause: &dyn std::fmt::Display| at(path, ErrorKind::Configuration, cause);
    let status = fs::metadata(path).map_err(|error| wrong(&error))?;
    if status.mode() & 0o077 != 0 {
        return Err(
            wrong(&"others may read it").with_hint("chmod 600, and think about whether it leaked")
        );
    }
    let text = Zeroizing::new(fs::read_to_string(path).map_err(|error| wrong(&error))?);
    text.trim_end().parse().map_err(|error| wrong(&error))
}

/// Renamed into place, so that nobody ever reads half of it.
fn write(path: &Path, signatures: &Signatures) -> std::io::Result<()> {
    let unfinished = path.with_extension("sig.tmp");
    fs::write(&unfinished, signatures.to_string())?;
    fs::rename(&unfinished, path)
}

fn at(path: &Path, kind: ErrorKind, cause: &dyn std::fmt::Display) -> Error {
    Error::new(kind, format!("{}: {cause}", path.display()))
}
