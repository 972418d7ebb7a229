//! The rules of the house that a machine can keep.

mod dependencies;
mod layout;
mod security;
mod text;

use std::path::{Path, PathBuf};

/// The top of the workspace.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Files that git tracks, relative to the top.
fn tracked() -> Vec<PathBuf> {
    let output = std::process::Command::new("git")
        .arg("ls-files")
        .current_dir(top())
        .output()
        .expect("git lists the tracked files");
    assert!(output.status.success(), "git ls-files failed");
    String::from_utf8(output.stdout)
        .expect("tracked names are UTF-8")
        .lines()
        .map(PathBuf::from)
        .collect()
}

/// The text of a tracked file; none when it is not UTF-8 or gone.
fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(top().join(path)).ok()
}
