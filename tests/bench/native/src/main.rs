//! Backs up with a plugin's own code, but as an ordinary program: no WebAssembly, no worker, no jail. What is written is
//! written by the same code to the same kind of repository, so that the difference to `lockgate backup` is what the two
//! walls cost.
//!
//! `native files FOLDER` or `native mariadb ADDRESS USER PASSWORD DATABASE`; the repository and its password come from
//! `LOCKGATE_REPOSITORY` and `LOCKGATE_PASSWORD`.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use lockgate_bench_sdk as sdk;
use lockgate_bench_sdk::{Backup, BackupRequest, Outcome, Part, Plugin};
use lockgate_engine::configuration::{Repository as Settings, Secret};
use lockgate_engine::repositories::Location;
use lockgate_repository::{SnapshotDraft, Writer};
use tokio::runtime::Runtime;

/// Parts that are exported at once, as in a source that says nothing else.
const PARALLEL: usize = 4;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["files", folder] => {
            sdk::grant(Path::new(folder));
            backup::<lockgate_bench_files::Files>("{}")
        }
        ["mariadb", address, user, password, database] => {
            sdk::listen_at(address);
            sdk::sign_in(user, password);
            let config = format!("{{\"include\": [\"{database}\"], \"users\": false}}");
            backup::<lockgate_bench_mariadb::MariaDb>(&config)
        }
        _ => bail!("native files FOLDER | native mariadb ADDRESS USER PASSWORD DATABASE"),
    }
}

fn backup<P: Plugin<Backup: Send>>(config: &str) -> Result<()> {
    let runtime = Runtime::new()?;
    let repository = std::env::var("LOCKGATE_REPOSITORY").context("LOCKGATE_REPOSITORY")?;
    let mut location = Location::new(Settings::at(repository));
    location.password = Some(Secret::Variable("LOCKGATE_PASSWORD".to_owned()));
    let repository = runtime.block_on(location.open())?;
    let writer = Arc::new(runtime.block_on(repository.writer(location.write_options()?))?);

    let config = || serde_json::from_str::<P::Config>(config);
    let (mut coordinator, plan) = P::Backup::begin(config()?, BackupRequest::default())?;
    ensure!(!plan.parts.is_empty(), "there is nothing to export");
    let count = PARALLEL.min(plan.parts.len());
    let workers = (0..count)
        .map(|_| Ok(P::Backup::join(config()?, plan.mark.clone())?))
        .collect::<Result<Vec<_>>>()?;
    coordinator.release()?;
    let parts = Mutex::new(plan.parts.into_iter());
    thread::scope(|scope| {
        let (parts, writer) = (&parts, &writer);
        let running: Vec<_> = workers
            .into_iter()
            .map(|worker| scope.spawn(move || export::<P>(worker, parts, writer)))
            .collect();
        running.into_iter().try_for_each(|it| it.join().unwrap_or_else(|_| bail!("a panic")))
    })?;
    coordinator.end(Outcome::Completed)?;
    let writer = Arc::into_inner(writer).context("an entry is still being written")?;
    runtime.block_on(writer.commit(SnapshotDraft::default()))?;
    Ok(())
}

fn export<P: Plugin>(
    mut worker: P::Backup,
    parts: &Mutex<impl Iterator<Item = Part>>,
    writer: &Arc<Writer>,
) -> Result<()> {
    let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
    while let Some(part) = next() {
        sdk::enter(Arc::clone(writer), part.id.as_str().try_into()?);
        worker.export(part)?;
    }
    Ok(())
}
