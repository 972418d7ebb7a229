//! lockgate beside restic, rustic, kopia, borg and plakar: the same data, the same steps, one after the other, round after round.
//!
//! All programs take part in a step before the data changes, so that they see the same bytes at the same path. The page cache is
//! warm, and what was written before is on the disk when a step begins. A unit is one kind of data on one storage in one round: it
//! is measured for all programs or for none.

mod data;
mod picture;
mod results;
mod tools;
mod watch;

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lockgate_servers::S3Server;
use serde_json::json;

use crate::measure::{self, Figures};
use data::Set;
use results::{Run, STEPS};
use tools::{Bucket, Tool};

/// The sets that are measured on S3 too, where each request takes its time.
const ON_S3: [Set; 2] = [Set::Text, Set::Small];

/// `peers [SCALE] [ROUNDS]`: measures, and prints.
pub fn run(lockgate: &Path, arguments: &[String]) -> Result<()> {
    let scale: f64 = arguments.first().map_or(Ok(0.25), |text| text.parse())?;
    let rounds: u32 = arguments.get(1).map_or(Ok(3), |text| text.parse())?;
    ensure!(scale > 0.0 && rounds > 0, "SCALE and ROUNDS are more than nothing");
    let folder =
        std::env::var_os("BENCH_RESULTS").map_or_else(|| PathBuf::from("."), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    let (lines, picture) = (folder.join("peers.jsonl"), folder.join("peers.svg"));
    if lines.exists() {
        std::fs::rename(&lines, folder.join("peers-before.jsonl"))?;
    }
    let site = crate::site()?;
    let bench = Bench { lockgate, site: site.path(), scale, lines: &lines };
    results::append(
        &lines,
        &json!({"machine": measure::machine(), "scale": scale, "rounds": rounds}),
    )?;
    bench.all(rounds)?;
    println!("size {scale} of the full, up to {rounds} rounds, {}", measure::machine());
    report(&lines, &picture)?;
    println!("\n{} has every run, {} the sums over all data", lines.display(), picture.display());
    Ok(())
}

/// `report FILE [PICTURE]`: prints the tables of results once more.
pub fn again(arguments: &[String]) -> Result<()> {
    let lines = arguments.first().context("the file with the results")?;
    let picture = arguments.get(1).map_or("peers.svg", String::as_str);
    report(Path::new(lines), Path::new(picture))
}

fn report(lines: &Path, picture: &Path) -> Result<()> {
    let rows = results::read(lines)?;
    results::print(&rows);
    Ok(std::fs::write(picture, picture::draw(&rows))?)
}

struct Bench<'a> {
    lockgate: &'a Path,
    site: &'a Path,
    scale: f64,
    lines: &'a Path,
}

/// One kind of data on one storage in one round.
struct Unit<'a> {
    bench: &'a Bench<'a>,
    storage: &'static str,
    set: Set,
    round: u32,
    data: PathBuf,
    bucket: Option<(Bucket, PathBuf)>,
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// Whether `name` is one of the words of a variable.
fn chooses(words: &str, name: &str) -> bool {
    words.split_whitespace().any(|word| word == name)
}

/// lockgate, and the programs that are measured beside it.
fn tools(lockgate: &Path, bucket: Option<&Bucket>) -> Vec<Tool> {
    let peers = variable("BENCH_PEERS", "restic rustic kopia borg plakar");
    let compression = variable("BENCH_COMPRESSION", "on off");
    let settings =
        [("on", true), ("off", false)].into_iter().filter(|(name, _)| chooses(&compression, name));
    settings.flat_map(|(_, compresses)| tools::all(lockgate, &peers, compresses, bucket)).collect()
}

impl Bench<'_> {
    /// Goes on until all rounds are done, or until `BENCH_MINUTES` are over: then it ends with the unit that is under way.
    fn all(&self, rounds: u32) -> Result<()> {
        let minutes: f64 = variable("BENCH_MINUTES", "1440").parse().context("BENCH_MINUTES")?;
        // Built before the time begins.
        let mut named = HashSet::new();
        for tool in tools(self.lockgate, None).iter().filter(|tool| named.insert(tool.name)) {
            let verifies = if tool.verifies { "every new chunk" } else { "nothing" };
            println!("{} {}, verifies {verifies} before it is stored", tool.name, tool.version);
        }
        ensure!(!named.is_empty(), "BENCH_COMPRESSION says neither on nor off");
        let (start, limit) = (Instant::now(), Duration::from_secs_f64(60.0 * minutes));
        let wanted = variable("BENCH_SETS", "random text small shifted stream");
        let storages = variable("BENCH_STORAGES", "disk s3");
        for round in 1..=rounds {
            for set in Set::ALL.into_iter().filter(|set| chooses(&wanted, set.name())) {
                for storage in ["disk", "s3"] {
                    let is_left_out = storage == "s3" && !ON_S3.contains(&set);
                    if is_left_out || !chooses(&storages, storage) {
                        continue;
                    }
                    if start.elapsed() > limit {
                        eprintln!("{minutes} minutes are over: no more in round {round}");
                        return Ok(());
                    }
                    eprintln!(
                        "round {round}, {storage}, {} after {:.0?}",
                        set.name(),
                        start.elapsed()
                    );
                    self.unit(storage, set, round)?;
                }
            }
        }
        Ok(())
    }

    fn unit(&self, storage: &'static str, set: Set, round: u32) -> Result<()> {
        let work = self.site.join(format!("{round}-{storage}-{}", set.name()));
        let server = if storage == "s3" { Some(S3Server::start()?) } else { None };
        let bucket = server.as_ref().map(|server| {
            let bucket = Bucket {
                endpoint: server.endpoint.clone(),
                name: server.bucket.clone(),
                access_key: server.access_key.clone(),
                secret_key: server.secret_key.clone(),
            };
            (bucket, server.objects())
        });
        let data = work.join("data");
        set.make(&data, self.scale)?;
        let mut tools = tools(self.lockgate, bucket.as_ref().map(|(bucket, _)| bucket));
        // Nobody is always the first.
        let length = tools.len();
        tools.rotate_left(round as usize % length);
        let unit = Unit { bench: self, storage, set, round, data, bucket };
        let folder = |tool: &Tool| {
            let suffix = if tool.compresses { "on" } else { "off" };
            work.join(format!("{}-{suffix}", tool.name.replace(", ", "-")))
        };
        self.each(&mut tools, "init", |tool| unit.prepare(tool, &folder(tool)))?;
        let steps = if set == Set::Stream { &STEPS[5..] } else { &STEPS[..5] };
        for step in steps {
            if *step == STEPS[2] {
                set.change(&unit.data)?;
            }
            self.each(&mut tools, step, |tool| unit.measure(tool, &folder(tool), step))?;
        }
        data::empty(&work)
    }

    /// Has every tool do a step. One that fails is named, and left out of the rest; lockgate must not.
    fn each(
        &self,
        tools: &mut Vec<Tool>,
        step: &str,
        work: impl Fn(&Tool) -> Result<()>,
    ) -> Result<()> {
        let mut ours = Ok(());
        tools.retain(|tool| match work(tool) {
            Ok(()) => true,
            Err(error) => {
                eprintln!("{step}: {} is left out: {error:#}", tool.name);
                if tool.name.starts_with("lockgate") {
                    ours = Err(error);
                }
                false
            }
        });
        ours
    }
}

impl Unit<'_> {
    /// `text` with what its words stand for.
    fn fill(&self, text: &str, folder: &Path, step: &str) -> String {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let text = text
            .replace("{data}", &self.data.display().to_string())
            .replace("{folder}", &folder.display().to_string())
            .replace("{folder-name}", &name)
            .replace("{step}", step);
        let Some((bucket, _)) = &self.bucket else { return text };
        text.replace("{endpoint}", bucket.endpoint.trim_start_matches("http://"))
            .replace("{bucket}", &bucket.name)
            .replace("{access-key}", &bucket.access_key)
            .replace("{secret-key}", &bucket.secret_key)
    }

    fn prepare(&self, tool: &Tool, folder: &Path) -> Result<()> {
        for below in ["restored", "stream", "configuration"] {
            std::fs::create_dir_all(folder.join(below))?;
        }
        for (name, text) in &tool.files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
            std::fs::write(path, self.fill(text, folder, ""))?;
        }
        tool.init.iter().try_for_each(|words| self.run(tool, words, folder, "init", None).map(drop))
    }

    fn measure(&self, tool: &Tool, folder: &Path, step: &str) -> Result<()> {
        let content = self.data.join("stream");
        let (words, input) = match (step, &tool.stream) {
            ("restore", _) => (&tool.restore, None),
            ("check", _) => (&tool.check, None),
            ("stream", Some(words)) => (words, Some(content.as_path())),
            _ => (&tool.backup, None),
        };
        // borg drops what it has read from the page cache.
        data::warm(&self.data)?;
        rustix::fs::sync();
        let figures = self.run(tool, words, folder, step, input)?;
        if step == "restore" {
            let restored = folder.join("restored");
            let below = self.data.strip_prefix("/").unwrap_or(&self.data);
            let places = [restored.join(below), restored.join("data"), restored.clone()];
            let place = places.iter().find(|place| place.exists()).unwrap_or(&restored);
            lockgate_tests::tree::same_files(&self.data, place)
                .with_context(|| format!("{} restored something else", tool.name))?;
            data::empty(&restored)?;
        }
        let run = Run {
            storage: self.storage.to_owned(),
            set: self.set.name().to_owned(),
            compresses: tool.compresses,
            verifies: tool.verifies,
            step: step.to_owned(),
            tool: tool.name.to_owned(),
            figures,
            stored: self.stored(folder)?,
        };
        results::append(self.bench.lines, &run.json(tool.version, self.round))
    }

    fn stored(&self, folder: &Path) -> Result<u64> {
        let repository = match &self.bucket {
            Some((_, objects)) => objects.join(folder.file_name().unwrap_or_default()),
            None => folder.join("repository"),
        };
        measure::folder_bytes(&repository)
    }

    fn run(
        &self,
        tool: &Tool,
        words: &[&str],
        folder: &Path,
        step: &str,
        input: Option<&Path>,
    ) -> Result<Figures> {
        let times = folder.join("time");
        let mut command = measure::timed(&tool.program, &times);
        command.args(words.iter().map(|word| self.fill(word, folder, step)));
        command.envs(
            tool.environment.iter().map(|(name, value)| (name, self.fill(value, folder, step))),
        );
        if let Some((bucket, _)) = &self.bucket {
            command.env("AWS_ACCESS_KEY_ID", &bucket.access_key);
            command.env("AWS_SECRET_ACCESS_KEY", &bucket.secret_key);
        }
        command.current_dir(if step == "restore" {
            folder.join("restored")
        } else {
            folder.to_owned()
        });
        command.stdin(input.map_or(Ok(Stdio::null()), |path| File::open(path).map(Stdio::from))?);
        command.stdout(Stdio::null()).stderr(File::create(folder.join("said"))?);
        let mut child =
            command.spawn().context("GNU time is not installed: apt-get install time")?;
        let (process, is_over) = (child.id(), AtomicBool::new(false));
        let (status, peak) = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| watch::peak_mib(process, &is_over));
            let status = child.wait();
            is_over.store(true, Ordering::Relaxed);
            (status, watcher.join().unwrap_or(0.0))
        });
        let said = std::fs::read_to_string(folder.join("said")).unwrap_or_default();
        ensure!(status?.success(), "{} {}: {said}", tool.name, words.join(" "));
        let mut figures = measure::read(&times)?;
        figures.peak_mib = figures.peak_mib.max(peak);
        Ok(figures)
    }
}
