//! Compares two trees of files by every means a backup promises to keep.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// One name of a tree: everything but its content.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    size: u64,
    modified: (i64, i64),
    link: Option<PathBuf>,
    colour: Option<Vec<u8>>,
    /// The first name with the same inode, where there are several.
    same_as: Option<PathBuf>,
}

/// Demands that `left` and `right` hold the same names with the same content, modes, owners, times, links, hard links and
/// extended attributes.
///
/// # Errors
/// At the first difference, which it names.
pub fn equal(left: &Path, right: &Path) -> Result<u64> {
    let (ours, theirs) = (look(left)?, look(right)?);
    let missing = ours.keys().find(|path| !theirs.contains_key(*path));
    ensure!(
        missing.is_none(),
        "{} is missing in {}",
        missing.context("")?.display(),
        right.display()
    );
    let extra = theirs.keys().find(|path| !ours.contains_key(*path));
    ensure!(extra.is_none(), "{} is too much in {}", extra.context("")?.display(), right.display());
    for (path, seen) in &ours {
        ensure!(
            theirs.get(path) == Some(seen),
            "{}: {seen:?} is now {:?}",
            path.display(),
            theirs.get(path)
        );
        if seen.kind == "file" {
            ensure!(
                same_content(&left.join(path), &right.join(path))?,
                "{}: the content differs",
                path.display()
            );
        }
    }
    Ok(u64::try_from(ours.len())?)
}

/// Demands that `left` and `right` hold the same files with the same bytes; nothing else of them is looked at.
///
/// # Errors
/// At the first difference, which it names.
pub fn same_files(left: &Path, right: &Path) -> Result<()> {
    let names = |folder: &Path| -> Result<Vec<std::ffi::OsString>> {
        let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
        let mut names = entries.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    };
    let ours = names(left)?;
    ensure!(ours == names(right)?, "{}: other names", right.display());
    for name in ours {
        let (left, right) = (left.join(&name), right.join(&name));
        if left.is_dir() {
            same_files(&left, &right)?;
        } else {
            ensure!(same_content(&left, &right)?, "{}: the content differs", right.display());
        }
    }
    Ok(())
}

fn look(root: &Path) -> Result<BTreeMap<PathBuf, Seen>> {
    let mut seen = BTreeMap::new();
    let mut inodes = BTreeMap::new();
    let mut waiting = vec![PathBuf::new()];
    while let Some(folder) = waiting.pop() {
        let mut names: Vec<PathBuf> = fs::read_dir(root.join(&folder))
            .with_context(|| root.join(&folder).display().to_string())?
            .map(|entry| Ok(folder.join(entry?.file_name())))
            .collect::<Result<_>>()?;
        names.sort();
        for path in names {
            let metadata = root.join(&path).symlink_metadata()?;
            let links = metadata.is_file() && metadata.nlink() > 1;
            let first = inodes.entry(metadata.ino()).or_insert_with(|| path.clone());
            let same_as = (links && *first != path).then(|| first.clone());
            seen.insert(path.clone(), describe(&root.join(&path), &metadata, same_as)?);
            if metadata.is_dir() {
                waiting.push(path);
            }
        }
    }
    Ok(seen)
}

fn describe(path: &Path, metadata: &fs::Metadata, same_as: Option<PathBuf>) -> Result<Seen> {
    let file_type = metadata.file_type();
    let kind = if file_type.is_dir() {
        "folder"
    } else if file_type.is_symlink() {
        "link"
    } else if file_type.is_fifo() {
        "pipe"
    } else {
        "file"
    };
    let mut colour = [0; 64];
    let length = rustix::fs::lgetxattr(path, c"user.colour", &mut colour[..]).ok();
    Ok(Seen {
        kind,
        mode: metadata.mode(),
        owner: (metadata.uid(), metadata.gid()),
        size: if kind == "file" { metadata.size() } else { 0 },
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        link: if kind == "link" { Some(fs::read_link(path)?) } else { None },
        colour: length.map(|length| colour[..length].to_vec()),
        same_as,
    })
}

fn same_content(left: &Path, right: &Path) -> Result<bool> {
    use std::io::Read as _;
    let (mut left, mut right) = (fs::File::open(left)?, fs::File::open(right)?);
    let (mut ours, mut theirs) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let length = left.read(&mut ours)?;
        if length == 0 {
            return Ok(right.read(&mut theirs)? == 0);
        }
        if right.read_exact(&mut theirs[..length]).is_err() || ours[..length] != theirs[..length] {
            return Ok(false);
        }
    }
}
