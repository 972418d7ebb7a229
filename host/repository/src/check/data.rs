//! Every byte of every pack: fetched ahead, a few at a time, and verified on the threads for CPU work.

use std::pin::pin;
use std::sync::Arc;

use futures::stream::{self, StreamExt};
use tokio::task::JoinSet;

use super::finding::{Finding, Findings, Trouble};
use super::pack::{FetchedPack, Verifier, batch_bytes};
use super::scan::Source;
use super::structure::is_about_object;
use crate::buffers::Buffers;
use crate::error::{Error, ErrorKind, Result};
use crate::format::PackedBlob;
use crate::hash::Engine;
use crate::layout::pack_name;
use crate::limits;
use crate::open::Repository;

/// Packs that are fetched at a time.
const FETCHES: usize = 3;
/// Threads that verify, at most: each holds a batch and what it expands to.
const THREADS_MAX: usize = 16;

/// A pack to read.
pub(super) struct Chosen {
    /// Its place in the inventory.
    pub number: usize,
    pub size: u64,
}

/// Threads that verify, with what they find.
struct Work {
    threads: usize,
    engine: Engine,
    buffers: Arc<Buffers>,
    tasks: JoinSet<Result<(Vec<Finding>, u64)>>,
}

/// Reads `packs` whole and verifies all in them; `report` is told the bytes that were verified since the last time.
pub(super) async fn read(
    source: &Source,
    packs: Vec<Chosen>,
    findings: &mut Findings,
    mut report: impl FnMut(u64),
) -> Result<()> {
    let threads = limits::cpus().min(THREADS_MAX);
    let (engine, buffers) = (Engine::detect(), Arc::default());
    let mut work = Work { threads, engine, buffers, tasks: JoinSet::new() };
    let storage = source.repository.storage();
    let fetch = |pack: Chosen| async move {
        let record = source.inventory.packs().get(pack.number)?;
        let object = pack_name(&record.id);
        let bytes = storage.get_range(&object, 0..pack.size).await.map_err(Error::from);
        let entries = source.inventory.entries(record);
        let blobs: Vec<PackedBlob> = entries.iter().map(|entry| entry.blob).collect();
        Some((record.id, object, blobs, bytes))
    };
    let fetches = stream::iter(packs).map(fetch).buffer_unordered(FETCHES);
    let mut fetches = pin!(fetches.filter_map(std::future::ready));
    let mut batch = Vec::new();
    let mut waiting_bytes = 0;
    while let Some((id, object, blobs, fetched)) = fetches.next().await {
        match fetched {
            Ok(bytes) => {
                waiting_bytes += bytes.len();
                batch.push(FetchedPack { id, object, bytes, blobs });
            }
            Err(error) if !is_about_object(&error) => return Err(error),
            Err(error) => {
                let finding = Finding::new(Trouble::PackUnreadable, object, error);
                findings.push_with_blobs(finding, blobs.iter().map(|blob| blob.id));
            }
        }
        if waiting_bytes >= batch_bytes(work.engine) {
            work.make_room(findings, &mut report).await?;
            work.start(&source.repository, std::mem::take(&mut batch));
            waiting_bytes = 0;
        }
    }
    work.start(&source.repository, batch);
    while work.collect(findings, &mut report).await? {}
    Ok(())
}

impl Work {
    fn start(&mut self, repository: &Repository, batch: Vec<FetchedPack>) {
        let (repository, engine) = (repository.clone(), self.engine);
        let buffers = Arc::clone(&self.buffers);
        self.tasks.spawn_blocking(move || {
            let bytes = batch.iter().map(|pack| pack.bytes.len() as u64).sum();
            Ok((Verifier::new(repository.key(), engine, &buffers)?.verify(&batch), bytes))
        });
    }

    async fn make_room(
        &mut self,
        findings: &mut Findings,
        report: &mut impl FnMut(u64),
    ) -> Result<()> {
        while self.tasks.len() >= self.threads {
            self.collect(findings, report).await?;
        }
        Ok(())
    }

    /// Waits for one task; whether there was one.
    async fn collect(
        &mut self,
        findings: &mut Findings,
        report: &mut impl FnMut(u64),
    ) -> Result<bool> {
        let Some(done) = self.tasks.join_next().await else { return Ok(false) };
        let done = done.map_err(|error| {
            Error::new(ErrorKind::Cancelled, format!("a thread of the check stopped: {error}"))
        })?;
        let (found, bytes) = done?;
        findings.extend(found);
        report(bytes);
        Ok(true)
    }
}
