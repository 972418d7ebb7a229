//! The audit log: which plugin was let in with which grants, what it tried and did not get, which secrets it was shown,
//! and how each run ended. Written while it happens, whatever the run prints.

mod entry;
#[cfg(test)]
mod tests;
mod trail;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use crate::{Error, ErrorKind, IsolationRecord, Plugin, Result};

pub use entry::{AuditEvent, Entry};
use trail::Trail;
pub use trail::{Broken, Chain, follow};

/// Refusals of one run that are recorded one by one. A plugin decides how many there are, the host how much it writes.
const REFUSALS_MAX: u64 = 1000;

/// Where the audit log is.
#[derive(Clone, Debug)]
pub struct AuditFile {
    /// The file; made when it is not there.
    pub path: PathBuf,
    /// Whether a run that cannot be recorded is refused.
    pub is_required: bool,
}

/// The audit log of this machine.
#[derive(Debug)]
pub(crate) struct Audit {
    file: AuditFile,
    trail: Option<Trail>,
}

impl Audit {
    /// Opens the log.
    ///
    /// # Errors
    /// When it is required and cannot be opened.
    pub fn open(file: AuditFile) -> Result<Arc<Self>> {
        let trail = match Trail::open(&file.path) {
            Ok(trail) => Some(trail),
            Err(error) if file.is_required => return Err(unwritable(&file, &error)),
            Err(error) => {
                let path = file.path.display();
                tracing::warn!(%path, %error, "the audit log cannot be opened: nothing is recorded");
                None
            }
        };
        Ok(Arc::new(Self { file, trail }))
    }

    /// Records a run from its start to its end.
    ///
    /// # Errors
    /// Those of `work`, and when the log is required and cannot be written.
    pub fn record<T>(
        self: &Arc<Self>,
        purpose: &str,
        source: &str,
        work: impl FnOnce(&Arc<Run>) -> Result<T>,
    ) -> Result<T> {
        let run = self.begin(purpose, source);
        enclosed(std::slice::from_ref(&run), || work(&run))
    }

    /// Records what is done with several sources at once, as a run of each.
    ///
    /// # Errors
    /// Those of `work`, and when the log is required and cannot be written.
    pub fn record_each<T>(
        self: &Arc<Self>,
        purpose: &str,
        sources: &[&str],
        work: impl FnOnce(&[Arc<Run>]) -> Result<T>,
    ) -> Result<T> {
        let runs: Vec<_> = sources.iter().map(|source| self.begin(purpose, source)).collect();
        enclosed(&runs, || work(&runs))
    }

    fn begin(self: &Arc<Self>, purpose: &str, source: &str) -> Arc<Run> {
        let run = Arc::new(Run::new(Arc::clone(self), source));
        run.write(AuditEvent::Started {
            purpose: purpose.to_owned(),
            user: rustix::process::getuid().as_raw(),
            process: std::process::id(),
        });
        run
    }
}

/// Does the work of runs that have begun, and records its end in each.
fn enclosed<T>(runs: &[Arc<Run>], work: impl FnOnce() -> Result<T>) -> Result<T> {
    let check = || runs.iter().try_for_each(|run| run.check());
    check()?;
    let result = work();
    runs.iter().for_each(|run| run.end(&result));
    let value = result?;
    check()?;
    Ok(value)
}

fn unwritable(file: &AuditFile, error: &std::io::Error) -> Error {
    let message = format!("audit log {}: {error}", file.path.display());
    Error::new(ErrorKind::Failed, message).with_hint(
        "free the disk or correct `audit` in the configuration: what is not recorded does not run",
    )
}

/// One run, as the log knows it.
#[derive(Debug)]
pub(crate) struct Run {
    audit: Arc<Audit>,
    id: String,
    source: String,
    refused: AtomicU64,
    /// Refusals that are not recorded one by one.
    refused_more: AtomicU64,
    has_failed: AtomicBool,
}

impl Run {
    fn new(audit: Arc<Audit>, source: &str) -> Self {
        // Unique on this machine, which is all that a line needs to find the others of its run.
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = format!("{:x}-{}", started.as_nanos(), std::process::id());
        Self {
            audit,
            id,
            source: source.to_owned(),
            refused: AtomicU64::new(0),
            refused_more: AtomicU64::new(0),
            has_failed: AtomicBool::new(false),
        }
    }

    /// A plugin is let in.
    pub fn launched(&self, plugin: &Plugin, grants: Vec<String>, isolation: IsolationRecord) {
        self.write(AuditEvent::Launched {
            plugin: plugin.name.to_string(),
            version: plugin.declaration.version.to_string(),
            digest: plugin.admitted.digest,
            grants,
            isolation,
        });
    }

    /// The plugin did not get what it asked for.
    pub fn refused(&self, instance: &str, denied: bool, attempt: &str) {
        if self.refused.fetch_add(1, Ordering::Relaxed) >= REFUSALS_MAX {
            return self.refused_more(1);
        }
        let (instance, attempt) = (instance.to_owned(), attempt.to_owned());
        self.write(AuditEvent::Refused { instance, denied, attempt });
    }

    /// That many more requests were refused, of which no details are known.
    pub fn refused_more(&self, count: u64) {
        self.refused_more.fetch_add(count, Ordering::Relaxed);
    }

    /// The plugin was shown a secret.
    pub fn secret_shown(&self, instance: &str, credential: &str) {
        let (instance, credential) = (instance.to_owned(), credential.to_owned());
        self.write(AuditEvent::SecretShown { instance, credential });
    }

    fn end<T>(&self, result: &Result<T>) {
        let count = self.refused_more.load(Ordering::Relaxed);
        if count > 0 {
            self.write(AuditEvent::RefusedMore { count });
        }
        let error = result.as_ref().err();
        let outcome = match error.map(Error::kind) {
            None => "completed",
            Some(ErrorKind::Interrupted) => "cancelled",
            Some(_) => "failed",
        };
        let error = error.map(ToString::to_string);
        self.write(AuditEvent::Ended { outcome: outcome.to_owned(), error });
    }

    fn write(&self, event: AuditEvent) {
        let Some(trail) = &self.audit.trail else { return };
        let entry = Entry {
            time: Timestamp::now(),
            run: self.id.clone(),
            source: self.source.clone(),
            event,
            previous: None,
        };
        if let Err(error) = trail.append(entry)
            && !self.has_failed.swap(true, Ordering::Relaxed)
        {
            let path = self.audit.file.path.display();
            tracing::error!(%path, %error, "the audit log cannot be written");
        }
    }

    /// Whether everything so far is in the log, where that is demanded.
    fn check(&self) -> Result<()> {
        if self.has_failed.load(Ordering::Relaxed) && self.audit.file.is_required {
            let error = std::io::Error::other("it cannot be written");
            return Err(unwritable(&self.audit.file, &error));
        }
        Ok(())
    }
}
