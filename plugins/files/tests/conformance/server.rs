use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, bail, ensure};
use lockgate_conformance::{
    Content, Contents, Disguise, Renaming, Selection, Server, Source, Writer,
};
use tempfile::TempDir;

use crate::{content, look};

/// Granted folders; the last one is empty but for a restore under another name.
const FOLDERS: [&str; 3] = ["docs", "media", "copy"];
/// Files that the program changes, and lines of each.
const COUNTERS: usize = 8;
const LINES: usize = 5000;

/// Granted folders of a temporary one.
pub struct Folders {
    top: TempDir,
}

impl Folders {
    pub fn new() -> Result<Self> {
        let mut folders = Self { top: TempDir::new()? };
        folders.clear()?;
        Ok(folders)
    }
}

impl Server for Folders {
    fn source(&self) -> Source {
        let grant = |name: &&str| {
            let path = self.top.path().join(name).display().to_string();
            let grant = toml::toml! { access = "read-write" };
            let mut grant = grant;
            grant.insert("path".to_owned(), path.into());
            ((*name).to_owned(), toml::Value::Table(grant))
        };
        let mut settings = toml::toml! { config = { fingerprint = true } };
        let folders: toml::Table = FOLDERS.iter().map(grant).collect();
        settings.insert("folders".to_owned(), folders.into());
        Source { endpoints: BTreeMap::new(), settings }
    }

    fn clear(&mut self) -> Result<()> {
        for name in FOLDERS {
            let folder = self.top.path().join(name);
            if folder.exists() {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir(&folder)?;
        }
        Ok(())
    }

    fn fill(&mut self, content: Content) -> Result<()> {
        content::fill(self.top.path(), content)
    }

    fn contents(&mut self) -> Result<Contents> {
        let mut contents = Contents::new();
        for name in FOLDERS {
            look::below(self.top.path(), Path::new(name), &mut contents)?;
        }
        Ok(contents)
    }

    fn selection(&self) -> Selection {
        let objects = ["song", "cover", "deep", "deep/er", "deep/er/leaf"];
        Selection {
            parts: vec!["media".to_owned()],
            objects: objects.iter().map(|name| format!("media/{name}")).collect(),
        }
    }

    fn renaming(&self) -> Renaming {
        let names = ["plain", "empty", "link", "deep/er/still/leaf"];
        let pair = |name: &&str| (format!("docs/{name}"), format!("copy/{name}"));
        Renaming {
            parts: vec!["docs".to_owned()],
            names: vec![("docs".to_owned(), "copy".to_owned())],
            objects: names.iter().map(pair).collect(),
        }
    }

    /// Files are replaced one by one, as careful programs do; within each, all lines are the same.
    fn write(&mut self) -> Result<Box<dyn Writer>> {
        let stop = Arc::new(AtomicBool::new(false));
        let (folder, beside, asked) =
            (self.top.path().join("docs"), self.top.path().join("new"), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut number = 0;
            while !asked.load(Ordering::Relaxed) {
                fs::write(&beside, format!("{number}\n").repeat(LINES))?;
                fs::rename(&beside, counter(&folder, number % COUNTERS))?;
                number += 1;
            }
            Ok(number)
        });
        Ok(Box::new(Replacing { stop, thread }))
    }

    fn check_invariant(&mut self) -> Result<()> {
        let mut seen = 0;
        for number in 0..COUNTERS {
            let path = counter(&self.top.path().join("docs"), number);
            if !path.exists() {
                continue;
            }
            let text = fs::read_to_string(&path)?;
            let first = text.lines().next().context("the file is empty")?;
            ensure!(text.lines().all(|line| line == first), "{} is of two moments", path.display());
            ensure!(text.lines().count() == LINES, "{} is cut off", path.display());
            seen += 1;
        }
        ensure!(seen > 0, "none of the files is there");
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        bail!("there is no server")
    }

    fn restart(&mut self) -> Result<()> {
        bail!("there is no server")
    }

    fn revoke(&mut self) -> Result<()> {
        bail!("there is no credential")
    }

    fn disguise(&mut self) -> Result<Disguise> {
        bail!("there is no version")
    }

    /// Names that lockgate made for itself.
    fn leftovers(&mut self) -> Result<Vec<String>> {
        let mut left: Vec<String> = self
            .contents()?
            .into_keys()
            .filter(|name| name.contains("lockgate") || name.contains(".tmp"))
            .collect();
        for entry in fs::read_dir(self.top.path())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !FOLDERS.contains(&name.as_str()) && name != "new" {
                left.push(name);
            }
        }
        Ok(left)
    }
}

fn counter(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("counter-{number}"))
}

struct Replacing {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<std::io::Result<usize>>,
}

impl Writer for Replacing {
    fn stop(self: Box<Self>) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.join().map_err(|_| anyhow::anyhow!("the writer panicked"))?;
        Ok(u64::try_from(ended?)?)
    }
}
