use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_types::Digest;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;

use super::body::Closed;
use super::dedup::Written;
use super::line::Line;
use super::pack::PackFile;
use crate::error::{Error, ErrorKind, Result};
use crate::format::{IndexFile, IndexPack};
use crate::layout::{FileKind, off_reactor, pack_name};

/// Blobs after which an index file is written: as many as restic puts into one.
const INDEX_BLOBS: usize = 50_000;
/// Time after which an index file is written at the latest, when a pack becomes durable: what is indexed need not be
/// stored again when the run breaks off.
const INDEX_INTERVAL: Duration = Duration::from_secs(600);

/// Stores packs, a few at a time, and writes the index of those that are durable. Ends when nobody can send packs any
/// more; the names of what was stored.
pub(super) async fn run(line: Arc<Line>, mut packs: UnboundedReceiver<PackFile>) -> Written {
    let mut uploads = Uploads {
        running: JoinSet::new(),
        pending: Vec::new(),
        pending_blobs: 0,
        pending_since: Instant::now(),
        written: Written::default(),
        line,
    };
    let mut is_open = true;
    while is_open || !uploads.running.is_empty() {
        let has_room = uploads.running.len() < uploads.line.options.uploads;
        tokio::select! {
            pack = packs.recv(), if is_open && has_room => match pack {
                Some(pack) => uploads.begin(pack),
                None => is_open = false,
            },
            Some(done) = uploads.running.join_next() => uploads.end(done),
            () = uploads.line.failed.notified() => {}
        }
        if uploads.line.has_failed() || !uploads.line.is_storing() {
            // Nobody will refer to what is on its way.
            uploads.running.shutdown().await;
            break;
        }
        let is_last = !is_open && uploads.running.is_empty();
        uploads.write_index_when_due(is_last);
    }
    uploads.written
}

struct Uploads {
    line: Arc<Line>,
    running: JoinSet<Result<Done>>,
    pending: Vec<IndexPack>,
    pending_blobs: usize,
    pending_since: Instant,
    written: Written,
}

/// What has become durable.
enum Done {
    Pack(IndexPack),
    Index(Digest),
}

impl Uploads {
    fn begin(&mut self, pack: PackFile) {
        if self.line.has_failed() || !self.line.is_storing() {
            return;
        }
        let line = Arc::clone(&self.line);
        self.running.spawn(async move {
            let name = pack_name(&pack.index.id);
            match pack.data {
                Closed::Draft(draft, _waiting) => draft.finish(&name).await?,
                Closed::Pieces(pieces) => line.repository.storage().put(&name, pieces).await?,
            }
            line.counters.bytes_durable.add(pack.bytes);
            Ok(Done::Pack(pack.index))
        });
    }

    fn end(&mut self, done: std::result::Result<Result<Done>, tokio::task::JoinError>) {
        let done = done.unwrap_or_else(|error| {
            Err(Error::new(ErrorKind::Io, format!("an upload broke off: {error}")))
        });
        match done {
            Err(error) => self.line.lose(error),
            Ok(Done::Index(id)) => self.written.files.push(id),
            Ok(Done::Pack(pack)) => {
                if self.pending.is_empty() {
                    self.pending_since = Instant::now();
                }
                self.written.packs.push(pack.id);
                self.pending_blobs += pack.blobs.len();
                self.pending.push(pack);
            }
        }
    }

    fn write_index_when_due(&mut self, is_last: bool) {
        let is_due = self.pending_blobs >= INDEX_BLOBS
            || self.pending_since.elapsed() >= INDEX_INTERVAL
            || is_last;
        if self.pending.is_empty() || !is_due || self.line.has_failed() {
            return;
        }
        self.pending_blobs = 0;
        let packs = std::mem::take(&mut self.pending);
        let repository = self.line.repository.clone();
        self.running.spawn(async move {
            let json =
                off_reactor(move || IndexFile { packs, ..IndexFile::default() }.print()).await;
            Ok(Done::Index(repository.save_file(FileKind::Index, json).await?))
        });
    }
}
