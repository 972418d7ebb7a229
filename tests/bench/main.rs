//! lockgate measured beside other ways on the same machine in the same run.
//!
//! `bench LOCKGATE peers [SCALE] [ROUNDS]` beside other backup programs, `bench LOCKGATE report FILE [PICTURE]` their tables once more,
//! `bench LOCKGATE walls NATIVE [MIB] [ROUNDS]` for what the walls cost, `bench LOCKGATE vendors [NAME...]` for datastores and their
//! makers' own tools.

mod measure;
mod peers;
mod vendors;
mod walls;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let program = PathBuf::from(arguments.next().context("the path of the lockgate binary")?);
    let what = arguments.next().unwrap_or_else(|| "peers".to_owned());
    let rest: Vec<String> = arguments.collect();
    match what.as_str() {
        "peers" => peers::run(&program, &rest),
        "report" => peers::again(&rest),
        "vendors" => vendors::run(&program, &rest),
        "walls" => {
            let native = PathBuf::from(rest.first().context("the path of the native program")?);
            let mib: u64 = rest.get(1).map_or(Ok(1024), |text| text.parse())?;
            let rounds: u32 = rest.get(2).map_or(Ok(3), |text| text.parse())?;
            walls::run(&program, &native, mib, rounds)
        }
        other => bail!("{other} is none of peers, report, vendors, walls"),
    }
}

/// A temporary folder, where the environment says.
fn site() -> Result<tempfile::TempDir> {
    Ok(match std::env::var_os("BENCH_FOLDER") {
        Some(folder) => tempfile::TempDir::new_in(folder)?,
        None => tempfile::TempDir::new()?,
    })
}
