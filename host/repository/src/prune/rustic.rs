//! The only place that names `rustic_core` (0.13.0, pinned: its interface changes with every release).
//!
//! Traps of it that are dealt with here or in the rules:
//! - A listing that fails or is short would make it delete what is in use: the bridge gives no such listing.
//! - Its AES-CTR counts in 64 bits where the format has 128 (aes256ctr_poly1305aes 0.2.1), so that it garbles one message
//!   in 2^64 divided by the message's blocks of 16 bytes. Packs are repacked by copying sealed blobs as they are, so that
//!   no content passes its cipher; the headers and indexes that it seals, and every copied blob, are opened again with our
//!   own cipher before they are stored. What it fails to open ends the prune.
//! - It counts the blobs of a pack in 16 bits, and takes a pack for all trees or all content: the rules refuse other packs.
//! - It panics on trees that no writer makes: it runs on a thread of its own, and a panic is an error.
//! - It does not wait for its uploading threads when it fails: the bridge closes a gate.
//! - It looks for a cache in the home directory: switched off.

use std::sync::Arc;

use bytes::Bytes;
use lockgate_types::Digest;
use rustic_core::jiff::Span;
use rustic_core::repofile::MasterKey;
use rustic_core::{
    BytesList, Credentials, FileType, Id, LimitOption, Progress, ProgressBars, ProgressType,
    PruneStats, ReadBackend, RepositoryBackends, RepositoryOptions, RusticError, RusticProgress,
    RusticResult, WriteBackend,
};

use super::bridge::{Bridge, Object};
use super::progress::{Observed, Step};
use super::{PruneLimit, PruneOptions, PruneReport};
use crate::error::{Error, ErrorKind, Result};
use crate::format::MasterKeyJson;
use crate::layout::FileKind;

/// Plans a prune and, unless it is a dry run, does it. Blocks.
pub(super) fn prune(bridge: &Arc<Bridge>, options: &PruneOptions) -> Result<PruneReport> {
    let repository = open(bridge, Observed::new(options.observer.clone()))?;
    let settings = settings(options)?;
    let plan = repository.prune_plan(&settings).map_err(|error| failed("plan", &error))?;
    let (seen, there) = (plan.stats.index_files, bridge.rules().indexes.len() as u64);
    if seen < there {
        let text = format!("the prune engine saw {seen} of {there} indexes");
        return Err(Error::new(ErrorKind::Maintenance, text));
    }
    let mut report = report(&plan.stats);
    report.snapshots = bridge.rules().snapshots.len() as u64;
    report.dry_run = options.dry_run;
    if !options.dry_run {
        repository.prune(&settings, plan).map_err(|error| failed("do", &error))?;
    }
    Ok(report)
}

fn open(
    bridge: &Arc<Bridge>,
    observed: Observed,
) -> Result<rustic_core::Repository<rustic_core::OpenStatus>> {
    let key = bridge.repository().key();
    let json = MasterKeyJson::new(key.encrypt(), key.mac_k(), key.mac_r()).print();
    // The text of the error could show the key.
    let key: MasterKey = serde_json::from_slice(&zeroize::Zeroizing::new(json)).map_err(|_| {
        Error::new(ErrorKind::Maintenance, "the prune engine does not take the master key")
    })?;
    let backends = RepositoryBackends::new(Arc::new(Backend(Arc::clone(bridge))), None);
    let options = RepositoryOptions::default().no_cache(true);
    rustic_core::Repository::new_with_progress(&options, &backends, observed)
        .and_then(|repository| repository.open(&Credentials::Masterkey(key)))
        .map_err(|error| failed("start", &error))
}

fn settings(options: &PruneOptions) -> Result<rustic_core::PruneOptions> {
    let seconds = i64::try_from(options.keep_marked.as_secs()).unwrap_or(i64::MAX);
    let keep_delete = Span::new().try_seconds(seconds).map_err(|_| {
        Error::new(ErrorKind::Invalid, "the time that marked packs stay is too long")
    })?;
    Ok(rustic_core::PruneOptions::default()
        .keep_delete(keep_delete)
        .max_unused(limit(options.max_unused)?)
        .max_repack(limit(options.max_repack)?)
        .no_resize(!options.merge_small)
        .fast_repack(true)
        .instant_delete(false)
        .early_delete_index(false))
}

fn limit(limit: PruneLimit) -> Result<LimitOption> {
    match limit {
        // From 100 on the engine divides by zero.
        PruneLimit::Percent(percent) => Ok(LimitOption::Percentage(u64::from(percent.min(99)))),
        PruneLimit::Unlimited => Ok(LimitOption::Unlimited),
        PruneLimit::Bytes(bytes) => {
            let parsed = format!("{bytes}b").parse();
            parsed.map_err(|error: Box<RusticError>| failed("set up", &error))
        }
    }
}

fn report(stats: &PruneStats) -> PruneReport {
    let (size, marks) = (stats.size_sum(), &stats.packs_to_delete);
    PruneReport {
        packs_kept: stats.packs.keep,
        packs_repacked: stats.packs.repack,
        packs_marked: stats.packs.unused.saturating_add(stats.packs_unref),
        packs_waiting: marks.keep,
        packs_recovered: marks.recover,
        packs_removed: marks.remove,
        bytes_used: size.used,
        bytes_unused: size.unused,
        bytes_unused_after: size.unused.saturating_sub(size.remove).saturating_sub(size.repackrm),
        bytes_repacked: size.repack.saturating_sub(size.repackrm),
        bytes_marked: size.remove.saturating_add(size.repack).saturating_add(stats.size_unref),
        bytes_waiting: stats.size_to_delete.keep,
        bytes_removed: stats.size_to_delete.remove,
        indexes: stats.index_files,
        indexes_rewritten: stats.index_files_rebuild,
        ..PruneReport::default()
    }
}

fn failed(action: &str, error: &RusticError) -> Error {
    // Its texts have several lines.
    let cause = error.display_log().split_whitespace().collect::<Vec<_>>().join(" ");
    Error::new(ErrorKind::Maintenance, format!("the prune engine could not {action}: {cause}"))
}

/// The bridge in the types of the engine.
struct Backend(Arc<Bridge>);

fn object(kind: FileType, id: &Id) -> Result<Object> {
    let digest = id.to_hex().as_str().parse::<Digest>();
    let digest = digest.map_err(|error| Error::new(ErrorKind::Maintenance, error.to_string()))?;
    Ok(match kind {
        FileType::Config => Object::Config,
        FileType::Index => Object::File(FileKind::Index, digest),
        FileType::Key => Object::File(FileKind::Key, digest),
        FileType::Snapshot => Object::File(FileKind::Snapshot, digest),
        FileType::Pack => Object::Pack(digest),
    })
}

fn told(error: Error) -> Box<RusticError> {
    RusticError::with_source(rustic_core::ErrorKind::Backend, error.to_string(), error)
}

impl Backend {
    fn list(&self, kind: FileType) -> Result<Vec<(Digest, u64)>> {
        match kind {
            FileType::Config => Ok(vec![(Digest([0; 32]), self.0.config_size()?)]),
            FileType::Index => self.0.list_files(FileKind::Index),
            FileType::Key => self.0.list_files(FileKind::Key),
            FileType::Snapshot => self.0.list_files(FileKind::Snapshot),
            FileType::Pack => self.0.list_packs(),
        }
    }
}

impl ReadBackend for Backend {
    fn location(&self) -> String {
        self.0.repository().storage().location().to_owned()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        let sized = |(digest, size): (Digest, u64)| {
            let size = u32::try_from(size).map_err(|_| {
                let text = format!("object {digest} has {size} bytes, more than the format allows");
                told(Error::new(ErrorKind::Limit, text))
            })?;
            Ok((Id::new(digest.0), size))
        };
        self.list(kind).map_err(told)?.into_iter().map(sized).collect()
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        object(kind, id).and_then(|object| self.0.read(object)).map_err(told)
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        let read = |object| self.0.read_range(object, u64::from(offset), u64::from(length));
        object(kind, id).and_then(read).map_err(told)
    }

    fn warmup_path(&self, _kind: FileType, id: &Id) -> String {
        id.to_hex().to_string()
    }
}

impl WriteBackend for Backend {
    fn write_bytes(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        content: BytesList,
    ) -> RusticResult<()> {
        let bytes = Bytes::from(content.slice().concat());
        object(kind, id).and_then(|object| self.0.write(object, bytes)).map_err(told)
    }

    fn remove(&self, kind: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        object(kind, id).and_then(|object| self.0.remove(object)).map_err(told)
    }
}

impl ProgressBars for Observed {
    fn progress(&self, kind: ProgressType, prefix: &str) -> Progress {
        Progress::new(self.step(prefix, matches!(kind, ProgressType::Bytes)))
    }
}

impl RusticProgress for Step {
    fn is_hidden(&self) -> bool {
        !self.is_watched()
    }

    fn set_length(&self, length: u64) {
        self.set_total(length);
    }

    fn set_title(&self, _title: &str) {}

    fn inc(&self, by: u64) {
        self.advance(by);
    }

    fn finish(&self) {}
}
