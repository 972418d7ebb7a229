//! What a folder holds, by the system's own calls.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use lockgate_conformance::Contents;
use sha2::{Digest as _, Sha256};

/// Adds everything below `folder`, which is relative to `top`. The folder itself is the operator's.
pub fn below(top: &Path, folder: &Path, contents: &mut Contents) -> Result<()> {
    for entry in fs::read_dir(top.join(folder))? {
        let path = folder.join(entry?.file_name());
        let metadata = top.join(&path).symlink_metadata()?;
        let text = describe(top, &path, &metadata)
            .with_context(|| format!("look at {}", path.display()))?;
        contents.insert(path.as_os_str().as_bytes().escape_ascii().to_string(), text);
        if metadata.is_dir() {
            below(top, &path, contents)?;
        }
    }
    Ok(())
}

/// Everything that a restore has to bring back.
fn describe(top: &Path, path: &Path, metadata: &fs::Metadata) -> Result<String> {
    let full = top.join(path);
    let (owner, group, modified) = (metadata.uid(), metadata.gid(), metadata.mtime());
    let mut text = format!(
        "mode {:o}, owner {owner}:{group}, modified {modified}.{}",
        metadata.mode(),
        metadata.mtime_nsec()
    );
    if metadata.is_file() {
        let mut digest = Sha256::new();
        let content = fs::read(&full)?;
        digest.update(&content);
        let sum: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        text.push_str(&format!(", {} bytes, {sum}, {} names", content.len(), metadata.nlink()));
    }
    if metadata.is_symlink() {
        let target = fs::read_link(&full)?;
        text.push_str(&format!(", to {}", target.as_os_str().as_bytes().escape_ascii()));
    }
    for name in ["user.colour", "user.empty", "trusted.mark"] {
        let mut value = [0; 256];
        if let Ok(length) = rustix::fs::lgetxattr(&full, name, &mut value[..]) {
            text.push_str(&format!(", {name} {}", value[..length].escape_ascii()));
        }
    }
    Ok(text)
}
