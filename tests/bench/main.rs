//! lockgate, restic and rustic on the same data, one after the other, round after round.
//!
//! The page cache is warm, repositories are on the local disk, each program has its defaults. CPU seconds are the steadier
//! figure; wall time is what a person waits for. Each figure is the median of the rounds.
//!
//! `bench LOCKGATE [MIB] [ROUNDS]`, or `bench LOCKGATE NATIVE [MIB] [ROUNDS]` for what the walls cost, or
//! `bench LOCKGATE vendors [NAME...]` for datastores and their makers' own tools.

mod measure;
mod rivals;
mod vendors;
mod walls;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use lockgate_tests::{folder, tree};
use measure::{Figures, Table};
use rivals::Rival;

/// Files in the data set: a tenth are large, as in a home folder.
const SMALL_FILES: u64 = 4_000;
const LARGE_FILES: u64 = 24;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    let program = PathBuf::from(arguments.next().context("the path of the lockgate binary")?);
    if arguments.next_if(|text| text == "vendors").is_some() {
        return vendors::run(&program, &arguments.collect::<Vec<String>>());
    }
    let native = arguments.next_if(|text| text.parse::<u64>().is_err()).map(PathBuf::from);
    let mib: u64 = arguments.next().map_or(Ok(1024), |text| text.parse())?;
    let rounds: u32 = arguments.next().map_or(Ok(3), |text| text.parse())?;
    if let Some(native) = native {
        return walls::run(&program, &native, mib, rounds);
    }
    let site = site()?;
    let data = site.path().join("data");
    folder::fill(&data.join("small"), SMALL_FILES, (mib << 20) / 4, 41)?;
    folder::fill(&data.join("large"), LARGE_FILES, (mib << 20) / 4 * 3, 42)?;

    let mut rivals = vec![rivals::lockgate(&program)];
    let wanted = std::env::var("BENCH_RIVALS").unwrap_or_else(|_| "restic rustic".to_owned());
    for name in wanted.split_whitespace() {
        rivals.push(match name {
            "restic" => rivals::restic()?,
            "rustic" => rivals::rustic()?,
            other => anyhow::bail!("BENCH_RIVALS: {other} is none of restic, rustic"),
        });
    }
    let mut table = Table::default();
    for round in 1..=rounds {
        for rival in &rivals {
            eprintln!("round {round}: {}", rival.name);
            one(rival, &data, site.path(), &mut table)?;
        }
    }
    println!("{mib} MiB, {rounds} rounds, {}", measure::machine());
    table.print("lockgate");
    Ok(())
}

/// A temporary folder, where the environment says.
fn site() -> Result<tempfile::TempDir> {
    Ok(match std::env::var_os("BENCH_FOLDER") {
        Some(folder) => tempfile::TempDir::new_in(folder)?,
        None => tempfile::TempDir::new()?,
    })
}

fn one(rival: &Rival, data: &Path, site: &Path, table: &mut Table) -> Result<()> {
    let folder = site.join(rival.name);
    std::fs::create_dir_all(&folder)?;
    if let Some(prepare) = &rival.prepare {
        rival.run(prepare, data, &folder)?;
    }
    rival.run(&rival.init, data, &folder)?;
    let steps = [
        ("first backup", &rival.backup),
        ("unchanged backup", &rival.backup),
        ("restore", &rival.restore),
    ];
    for (step, command) in steps {
        let figures: Figures = rival.run(command, data, &folder)?;
        table.add(rival.name, step, figures);
    }
    table.stored(rival.name, measure::folder_bytes(&folder.join("repository"))?);
    let restored = rival.restored(data, &folder);
    tree::equal(data, &restored)
        .with_context(|| format!("{} restored something else", rival.name))?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
