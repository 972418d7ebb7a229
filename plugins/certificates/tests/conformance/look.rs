//! What is in a folder, by the standard library alone.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Result;
use lockgate_conformance::Contents;

/// Each name with mode, owner, time of modification, target of a link, and a digest of its content.
pub fn contents(top: &Path) -> Result<Contents> {
    let mut contents = Contents::new();
    add(top, top, &mut contents)?;
    Ok(contents)
}

fn add(top: &Path, folder: &Path, contents: &mut Contents) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let metadata = path.symlink_metadata()?;
        let content = if metadata.is_symlink() {
            format!("{:?}", fs::read_link(&path)?)
        } else if metadata.is_dir() {
            String::new()
        } else {
            let bytes = fs::read(&path)?;
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            format!("{} bytes {:016x}", bytes.len(), hasher.finish())
        };
        let text = format!(
            "{:o} {}:{} {}.{:09} {content}",
            metadata.mode(),
            metadata.uid(),
            metadata.gid(),
            metadata.mtime(),
            metadata.mtime_nsec()
        );
        let name = path.strip_prefix(top)?.as_os_str().as_bytes().escape_ascii().to_string();
        contents.insert(name, text);
        if metadata.is_dir() {
            add(top, &path, contents)?;
        }
    }
    Ok(())
}
