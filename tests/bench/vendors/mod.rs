//! Each plugin beside the way that its datastore's makers describe, piped into restic: the same server, the same data, one run.
//!
//! A datastore is a file here that implements [`Datastore`], and a line of [`DATASTORES`].

mod elasticsearch;
mod etcd;
mod mariadb;
mod postgresql;
mod redis;
mod shell;
mod sqlite;
mod table;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::measure;
use shell::{Shell, server_seconds};
use table::{Cost, Program, STEPS, Table};

/// Of the account that lockgate uses, where a datastore has accounts.
const PASSWORD: &str = "bench secret";

/// Starts the servers of a datastore and fills one of them.
type Open = fn(Size) -> Result<Box<dyn Datastore>>;

const DATASTORES: [(&str, Open); 6] = [
    ("mariadb", mariadb::open),
    ("postgresql", postgresql::open),
    ("redis", redis::open),
    ("etcd", etcd::open),
    ("elasticsearch", elasticsearch::open),
    ("sqlite", sqlite::open),
];

/// How much data, as a share of what a datastore has by default.
#[derive(Clone, Copy)]
struct Size(f64);

impl Size {
    /// That share of `count`, and at least one.
    fn of(self, count: u64) -> u64 {
        ((count as f64 * self.0) as u64).max(1)
    }
}

/// Which of the two servers.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    /// It has the data.
    Source,
    /// It is empty, and is restored into.
    Target,
}

/// One of something on each side.
struct Sides<T> {
    source: T,
    target: T,
}

impl<T> Sides<T> {
    fn of(&self, side: Side) -> &T {
        if side == Side::Source { &self.source } else { &self.target }
    }
}

/// A server with data, an empty one, and the way in which their makers save and restore.
trait Datastore {
    /// That way, in a few words.
    fn way(&self) -> &'static str;

    /// The settings of lockgate's source; the file `secret` has [`PASSWORD`].
    fn source(&self, side: Side, secret: &Path) -> String;

    /// Before the first of two backups into a new repository.
    fn begin(&mut self) -> Result<()> {
        Ok(())
    }

    /// Saves the source by the makers' way into restic's repository.
    fn save(&mut self, shell: &mut Shell) -> Result<()>;

    /// Restores the target by the makers' way, until it answers.
    fn restore(&mut self, shell: &mut Shell) -> Result<()>;

    /// Makes the target empty again.
    fn empty(&mut self) -> Result<()>;

    /// How many objects there are, and checksums of all that they hold, as the makers' client tells it.
    fn contents(&self, side: Side) -> Result<String>;

    /// Changes one value in the target, for the comparison to notice.
    fn change(&mut self) -> Result<()>;

    /// The server's process, where there is one.
    fn process(&self, side: Side) -> Option<u32>;
}

/// Measures the named datastores, or all, and prints a table of each.
pub fn run(lockgate: &Path, names: &[String]) -> Result<()> {
    let known: Vec<&str> = DATASTORES.iter().map(|(name, _)| *name).collect();
    for name in names {
        ensure!(known.contains(&name.as_str()), "{name} is none of {}", known.join(", "));
    }
    let size = Size(number("BENCH_SCALE", 1.0)?);
    let rounds = number("BENCH_ROUNDS", 3.0)? as u32;
    ensure!(size.0 > 0.0 && rounds > 0, "BENCH_SCALE and BENCH_ROUNDS are above 0");
    println!("size {} of the default, {rounds} rounds, {}", size.0, measure::machine());
    for (name, open) in DATASTORES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            eprintln!("{name}: filling a server");
            let site = crate::site()?;
            let datastore = open(size).with_context(|| name.to_owned())?;
            let bench = Bench { name, lockgate, site: site.path(), datastore };
            bench.run(rounds).with_context(|| name.to_owned())?;
        }
    }
    Ok(())
}

fn number(variable: &str, default: f64) -> Result<f64> {
    let text = std::env::var(variable).ok();
    text.map_or(Ok(default), |text| text.parse().with_context(|| format!("{variable}={text}")))
}

struct Bench<'a> {
    name: &'static str,
    lockgate: &'a Path,
    site: &'a Path,
    datastore: Box<dyn Datastore>,
}

impl Bench<'_> {
    fn run(mut self, rounds: u32) -> Result<()> {
        let expected = self.datastore.contents(Side::Source)?;
        ensure!(!self.is_as(&expected), "a server without data passes for one that was restored");
        self.configure()?;
        let mut table = Table::default();
        // The first round fills caches: those of servers and files, and that of compiled plugins. It does not count.
        for round in 0..=rounds {
            // Who comes first takes turns, too.
            let mut programs = [Program::Lockgate, Program::Vendor];
            programs.rotate_left(usize::from(round % 2 == 0));
            for program in programs {
                self.one(program, &expected, &mut table)
                    .with_context(|| format!("round {round}, {}", program.name(self.way())))?;
            }
            if round == 0 {
                table = Table::default();
            }
        }
        table.print(self.name, self.way());
        Ok(())
    }

    fn way(&self) -> &'static str {
        self.datastore.way()
    }

    /// A program's backups into a new repository, and what it restores from there.
    fn one(&mut self, program: Program, expected: &str, table: &mut Table) -> Result<()> {
        let folder = self.site.join("program");
        std::fs::create_dir_all(&folder)?;
        let mut shell = self.shell(&folder)?;
        let is_ours = program == Program::Lockgate;
        shell.run(if is_ours { "lockgate init" } else { "restic init" })?;
        self.datastore.begin()?;
        for step in [0, 1] {
            let before = repository_bytes(&folder)?;
            let mut cost = self.cost(Side::Source, &mut shell, |datastore, shell| {
                if is_ours { shell.run("lockgate backup source") } else { datastore.save(shell) }
            })?;
            cost.stored = Some(repository_bytes(&folder)?.saturating_sub(before));
            self.add(table, step, program, cost);
        }
        let restores = if is_ours {
            vec![(program, ""), (Program::Uncompared, " --no-verify")]
        } else {
            vec![(program, "")]
        };
        for (program, option) in restores {
            let line = format!("lockgate restore latest --into target{option}");
            let cost = self.cost(Side::Target, &mut shell, |datastore, shell| {
                if is_ours { shell.run(&line) } else { datastore.restore(shell) }
            })?;
            self.compare(expected)?;
            self.add(table, 2, program, cost);
        }
        std::fs::remove_dir_all(&folder)?;
        Ok(())
    }

    /// The restored contents must be the source's; then one value is changed, and they must not be any more.
    fn compare(&mut self, expected: &str) -> Result<()> {
        let restored = self.datastore.contents(Side::Target)?;
        ensure!(restored == expected, "restored:\n{restored}\nand not:\n{expected}");
        self.datastore.change()?;
        ensure!(!self.is_as(expected), "the comparison does not see a value that was changed");
        self.datastore.empty()
    }

    /// An empty target may have nothing to look at.
    fn is_as(&self, expected: &str) -> bool {
        self.datastore.contents(Side::Target).is_ok_and(|contents| contents == expected)
    }

    fn add(&self, table: &mut Table, step: usize, program: Program, cost: Cost) {
        eprintln!("{}: {}: {}: {cost:?}", self.name, STEPS[step], program.name(self.way()));
        table.add(step, program, cost);
    }

    /// What `work` takes here and in the server.
    fn cost(
        &mut self,
        side: Side,
        shell: &mut Shell,
        work: impl FnOnce(&mut dyn Datastore, &mut Shell) -> Result<()>,
    ) -> Result<Cost> {
        shell.reset();
        let process = self.datastore.process(side);
        let before = process.map_or(0.0, server_seconds);
        let began = Instant::now();
        work(&mut *self.datastore, shell)?;
        let wall_s = began.elapsed().as_secs_f64();
        let now = self.datastore.process(side);
        // One that was started in between has a time of its own.
        let before = if now == process { before } else { 0.0 };
        let server_s = now.map_or(0.0, server_seconds) - before;
        Ok(Cost { wall_s, cpu_s: shell.cpu_s, server_s, peak_mib: shell.peak_mib, stored: None })
    }

    fn shell(&self, folder: &Path) -> Result<Shell> {
        let restic = lockgate_servers::restic()?;
        let programs = [restic.as_path(), self.lockgate].map(|program| program.with_file_name(""));
        let mut shell = Shell::new(folder, &programs)?;
        let repository = folder.join("repository").display().to_string();
        shell.set("LOCKGATE_REPOSITORY", format!("fs:{repository}"));
        shell.set("LOCKGATE_PASSWORD", "bench");
        shell.set("LOCKGATE_CONFIG", self.site.join("lockgate.toml"));
        shell.set("LOCKGATE_CACHE", self.site.join("code"));
        shell.set("LOCKGATE_AUDIT", self.site.join("audit.jsonl"));
        shell.set("RESTIC_REPOSITORY", &repository);
        shell.set("RESTIC_PASSWORD", "bench");
        shell.set("RESTIC_CACHE_DIR", folder.join("cache"));
        Ok(shell)
    }

    /// Writes lockgate's configuration, and accepts its plugin.
    fn configure(&self) -> Result<()> {
        let secret: PathBuf = self.site.join("secret");
        std::fs::write(&secret, PASSWORD)?;
        let mut text = String::new();
        for (name, side) in [("source", Side::Source), ("target", Side::Target)] {
            let settings = self.datastore.source(side, &secret);
            text.push_str(&format!("[sources.{name}]\nplugin = \"{}\"\n{settings}\n", self.name));
        }
        std::fs::write(self.site.join("lockgate.toml"), text)?;
        self.shell(self.site)?.run("lockgate plugin lock")
    }
}

fn repository_bytes(folder: &Path) -> Result<u64> {
    measure::folder_bytes(&folder.join("repository"))
}
