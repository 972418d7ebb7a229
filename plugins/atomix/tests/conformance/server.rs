//! One agent with two partition groups, as the suite drives it. A source runs while it is backed up; a target is started only to be
//! filled and to be looked into.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lockgate_conformance::{
    Content, Contents, Disguise, Renaming, Role, Selection, Server, Source, Writer,
};
use lockgate_servers::{Atomix, AtomixClient, AtomixOptions};
use serde_json::Value;

use crate::primitives::{self, HUGE_BYTES, USUAL_BYTES, create, noise, put_all};

/// The folder that `rename` restores into.
const SPARE: &str = "spare";
/// Entries of a ledger, and how many there are: the writer adds an entry and then counts it.
const LEDGER: &str = "data.ledger";
const LAST: &str = "data.last";
/// More than the suite asks for: two packs, so that a backup that is stopped late has some of its content ahead of it.
const SPARE_BYTES: u64 = 8 << 20;
/// How often one change is tried, and the pause between.
const WRITES_MAX: u32 = 60;
const WRITE_PAUSE: Duration = Duration::from_millis(500);

pub struct Agent {
    atomix: Atomix,
    role: Role,
    spare: tempfile::TempDir,
}

impl Agent {
    pub fn start(role: Role, options: AtomixOptions) -> Result<Self> {
        let atomix = Atomix::prepare(options)?;
        let mut agent = Self { atomix, role, spare: tempfile::tempdir()? };
        agent.clear()?;
        Ok(agent)
    }

    fn spare(&self) -> PathBuf {
        self.spare.path().join(SPARE)
    }

    /// Has the agent run for `work`; a target is stopped again.
    fn running<T>(&mut self, work: impl FnOnce(&Atomix) -> Result<T>) -> Result<T> {
        if !self.atomix.configuration(0).exists() {
            self.atomix.configure(0)?;
        }
        self.atomix.launch()?;
        let done = work(&self.atomix);
        if self.role == Role::Target {
            self.atomix.kill(0)?;
        }
        done
    }
}

/// Begins the ledger that [`Server::write`] goes on with.
pub fn begin_ledger(client: &mut AtomixClient) -> Result<()> {
    create(client, "atomic-map", LEDGER)?;
    create(client, "atomic-counter", LAST)?;
    client.send("PUT", &format!("/v1/atomic-map/{LEDGER}/1"), "entry 1")?;
    client.send("PUT", &format!("/v1/atomic-counter/{LAST}"), "1").map(drop)
}

/// The last entry of the ledger that was counted; also while it is written.
pub fn counted(client: &mut AtomixClient) -> Result<u64> {
    create(client, "atomic-counter", LAST)?;
    Ok(client.get(&format!("/v1/atomic-counter/{LAST}"))?.parse()?)
}

/// That the ledger has all entries up to the last that was counted, and at most one more.
pub fn check_ledger(client: &mut AtomixClient) -> Result<u64> {
    create(client, "atomic-map", LEDGER)?;
    let last = counted(client)?;
    let keys = primitives::keys(client, LEDGER)?;
    let mut entries: Vec<u64> = keys.iter().map(|key| key.parse()).collect::<Result<_, _>>()?;
    entries.sort_unstable();
    let count = entries.len() as u64;
    ensure!(entries == (1..=count).collect::<Vec<_>>(), "the ledger has a gap: {entries:?}");
    ensure!(count == last || count == last + 1, "{count} entries, and {last} were counted");
    let answer: Value =
        serde_json::from_str(&client.get(&format!("/v1/atomic-map/{LEDGER}/{count}"))?)?;
    ensure!(answer["value"] == format!("entry {count}"), "{answer}");
    Ok(last)
}

/// Writes until it is done: while a leader is elected, agents answer with 500.
fn persist(client: &mut AtomixClient, target: &str, text: &str) -> Result<()> {
    let mut refused = None;
    for _ in 0..WRITES_MAX {
        match client.send("PUT", target, text) {
            Ok(_) => return Ok(()),
            Err(error) => refused = Some(error),
        }
        std::thread::sleep(WRITE_PAUSE);
    }
    refused.map_or(Ok(()), Err)
}

/// Writes the ledger until it is stopped.
pub struct Scribe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64>>,
}

impl Scribe {
    pub fn start(mut client: AtomixClient) -> Result<Self> {
        let mut last = check_ledger(&mut client)?;
        let stop = Arc::new(AtomicBool::new(false));
        let is_stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut changes = 0;
            while !is_stopped.load(Ordering::Relaxed) {
                last += 1;
                let target = format!("/v1/atomic-map/{LEDGER}/{last}");
                persist(&mut client, &target, &format!("entry {last}"))?;
                persist(&mut client, &format!("/v1/atomic-counter/{LAST}"), &last.to_string())?;
                changes += 2;
            }
            Ok(changes)
        });
        Ok(Self { stop, thread })
    }

    pub fn finish(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the writer").context("the writer stopped by itself")
    }
}

impl Writer for Scribe {
    fn stop(self: Box<Self>) -> Result<u64> {
        self.finish()
    }
}

impl Server for Agent {
    fn source(&self) -> Source {
        let folder = |path: String| {
            let pairs = [("path", path), ("access", "read-write".to_owned())];
            toml::Table::from_iter(pairs.map(|(key, value)| (key.to_owned(), value.into())))
        };
        let own = folder(self.atomix.folder(0).display().to_string());
        let mut folders = toml::Table::from_iter([("m1".to_owned(), own.into())]);
        let mut config = toml::Table::new();
        if self.role == Role::Target {
            folders.insert(SPARE.to_owned(), folder(self.spare().display().to_string()).into());
            config.insert("members-stopped".to_owned(), true.into());
            let moved = [("m1".to_owned(), self.atomix.address(0).into())];
            config.insert("addresses".to_owned(), toml::Table::from_iter(moved).into());
        }
        let settings =
            [("folders".to_owned(), folders.into()), ("config".to_owned(), config.into())];
        Source { settings: toml::Table::from_iter(settings), ..Source::default() }
    }

    fn clear(&mut self) -> Result<()> {
        self.atomix.wipe(0)?;
        let spare = self.spare();
        if spare.exists() {
            fs::remove_dir_all(&spare)?;
        }
        fs::create_dir(spare)?;
        if self.role == Role::Source {
            self.atomix.configure(0)?;
            self.atomix.launch()?;
        }
        Ok(())
    }

    fn fill(&mut self, content: Content) -> Result<()> {
        self.running(|atomix| {
            let connect = || atomix.client(0);
            match content {
                Content::Usual => primitives::usual(&mut connect()),
                Content::Huge { bytes } => {
                    let bytes = usize::try_from(bytes)?.min(HUGE_BYTES);
                    put_all(&connect, "data.huge", &[("huge".to_owned(), noise(1, bytes))])
                }
                Content::Many { count } => {
                    let value = |number| (format!("key-{number}"), format!("{number}"));
                    put_all(&connect, "data.many", &(0..count).map(value).collect::<Vec<_>>())
                }
                Content::Bulk { bytes } => {
                    // Noise that is text has three quarters of its length in it.
                    let bytes = bytes + SPARE_BYTES;
                    for (seed, map) in [(1, "data.bulk"), (1 << 32, "more.bulk")] {
                        let count = bytes / 3 * 2 / USUAL_BYTES as u64 + 1;
                        let value = |number: u64| {
                            (format!("key-{number}"), noise(seed + number, USUAL_BYTES))
                        };
                        put_all(&connect, map, &(0..count).map(value).collect::<Vec<_>>())?;
                    }
                    Ok(())
                }
                Content::Odd => put_all(&connect, "data.odd", &odd()),
            }
        })
    }

    fn contents(&mut self) -> Result<Contents> {
        if fs::read_dir(self.spare())?.next().is_some() {
            // What was restored there is looked into where the agent runs.
            fs::remove_dir_all(self.atomix.folder(0))?;
            fs::rename(self.spare(), self.atomix.folder(0))?;
            fs::create_dir(self.spare())?;
        }
        // An agent that is started on an empty folder fills it, and would be in the way of a restore.
        if fs::read_dir(self.atomix.folder(0))?.next().is_none() {
            return Ok(Contents::new());
        }
        self.running(|atomix| primitives::contents(&|| atomix.client(0)))
    }

    fn selection(&self) -> Selection {
        let objects =
            ["atomic-map more.map", "atomic-value more.value", "atomic-counter more.counter"];
        let mut objects = objects.map(str::to_owned).to_vec();
        objects.push("atomic-document-tree more.tree".to_owned());
        let parts = ["member/m1/system/1", "member/m1/more/1"].map(str::to_owned).to_vec();
        Selection { parts, objects }
    }

    fn renaming(&self) -> Renaming {
        let same = |name: &str| (name.to_owned(), name.to_owned());
        Renaming {
            parts: Vec::new(),
            names: vec![("m1".to_owned(), SPARE.to_owned())],
            objects: vec![same("atomic-map data.map"), same("atomic-document-tree more.tree")],
        }
    }

    fn write(&mut self) -> Result<Box<dyn Writer>> {
        Ok(Box::new(Scribe::start(self.atomix.client(0))?))
    }

    fn check_invariant(&mut self) -> Result<()> {
        self.running(|atomix| check_ledger(&mut atomix.client(0)).map(drop))
    }

    fn kill(&mut self) -> Result<()> {
        self.atomix.kill(0)
    }

    fn restart(&mut self) -> Result<()> {
        self.atomix.restart(0)
    }

    fn revoke(&mut self) -> Result<()> {
        anyhow::bail!("there are no credentials")
    }

    fn disguise(&mut self) -> Result<Disguise> {
        let path = self.atomix.storage(0).join("data/partitions/1/data-partition-1-1.log");
        let segment = fs::OpenOptions::new().write(true).open(path)?;
        segment.write_all_at(&9_u32.to_be_bytes(), 0)?;
        Ok(Disguise::Stored)
    }

    fn leftovers(&mut self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut pending = vec![self.atomix.folder(0)];
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(folder)? {
                let path = entry?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if path.is_dir() {
                    pending.push(path);
                } else if !name.contains("-partition-") && name != "atomix.conf" {
                    found.push(path.display().to_string());
                }
            }
        }
        Ok(found)
    }
}

/// Keys and values that go wrong elsewhere, as far as a path of REST can name them.
fn odd() -> Vec<(String, String)> {
    let names = [
        "a b",
        "a/b",
        "..",
        "%",
        "%2F",
        "\"quoted\"",
        "'",
        "ü",
        "名前",
        "🙂",
        "a\nb",
        "\u{0}",
        "\u{1b}[2J",
        "-",
        "null",
        "{",
        "${x}",
    ];
    let mut odd: Vec<_> =
        names.iter().map(|name| ((*name).to_owned(), format!("value of {name}"))).collect();
    odd.push(("long".repeat(500), "long".repeat(16_384)));
    odd.push(("controls".to_owned(), (1..32).map(|it| char::from(it as u8)).collect()));
    odd
}
