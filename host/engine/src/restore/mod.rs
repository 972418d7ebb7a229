//! Restore: select → verify → admit → launch → preview → import → compare → end.

mod archived;
mod import;
mod selection;
mod source;
mod target;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_repository::{Reader, Snapshot};
use lockgate_sandbox::Instance;
use lockgate_trust::Granted;
use lockgate_types::{Finding, Name, Outcome, RestoreRequest, Step};

use crate::configuration::Source;
use crate::manifest::{IsolationRecord, Manifest};
use crate::progress::{Event, Progress, Totals, with_ticker};
use crate::{Error, ErrorKind, Host, Result, audit};

pub use archived::Archived;
pub use selection::Selected;
use selection::select;
use target::Placed;

/// What is restored, and where to.
pub struct RestoreJob<'a> {
    /// From which snapshot.
    pub archived: &'a Archived,
    /// Which source of it; may be left out when it holds one, or goes into a folder as one tree.
    pub source: Option<&'a Name>,
    /// Where to.
    pub target: Target<'a>,
    /// Only these parts; empty for all.
    pub parts: Vec<String>,
    /// From archived name to new name, in the plugin's own terms.
    pub rename: Vec<(String, String)>,
    /// Whether what is in the way may be replaced.
    pub overwrite: bool,
    /// The target is fresh and has not the old cluster's identity.
    pub disaster_recovery: bool,
    /// Compute the fingerprints of what was restored and compare them with the backup's.
    pub verify: bool,
}

/// Where a restore goes.
pub enum Target<'a> {
    /// Into a datastore, by its plugin.
    Source {
        /// Name of the source.
        name: &'a Name,
        /// The source.
        source: &'a Source,
    },
    /// Into a folder, as files.
    Folder(PathBuf),
}

impl Target<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Source { name, .. } => name.as_str(),
            Self::Folder(_) => target::FILES_PLUGIN,
        }
    }
}

/// What a restore would do.
#[derive(Debug)]
pub struct RestorePlan {
    /// From which snapshot.
    pub snapshot: Snapshot,
    /// What the snapshot says of the source; none of a tree of files.
    pub manifest: Option<Manifest>,
    /// The plugin that would restore, with its version.
    pub plugin: String,
    /// The steps in the plugin's words, in the order in which they would be done.
    pub steps: Vec<Step>,
}

/// What a restore did.
#[derive(Debug)]
pub struct RestoreReport {
    /// From which snapshot.
    pub snapshot: Snapshot,
    /// Which source of it; none of a tree of files.
    pub source: Option<Name>,
    /// The parts that were restored.
    pub parts: Vec<RestoredPart>,
    /// What the plugin noticed while it ended.
    pub findings: Vec<Finding>,
    /// What kept the plugin in.
    pub isolation: IsolationRecord,
    /// What was granted and not used: the configuration could give less.
    pub unused: Vec<Granted>,
    /// Bytes, entries and parts.
    pub totals: Totals,
    /// From the first stage to the last.
    pub duration: Duration,
}

/// One part after its restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredPart {
    /// As it was archived.
    pub id: String,
    /// Whether the live data has the fingerprint of the backup; none when it was not compared.
    pub is_equal: Option<bool>,
}

/// What the stages of one restore share.
struct Run<'a> {
    host: &'a Host,
    /// Of the source, for messages.
    name: &'a str,
    placed: &'a Placed,
    reader: &'a Reader,
    selected: &'a Selected,
    request: &'a RestoreRequest,
    verify: bool,
    progress: Arc<Progress>,
}

/// Says what a restore would do, and changes nothing.
///
/// # Errors
/// When the snapshot cannot be read, or the plugin sees that the restore is impossible.
pub fn preview(host: &Host, job: &RestoreJob<'_>) -> Result<RestorePlan> {
    host.audit.record("preview", job.target.name(), |run| recorded_preview(host, job, run))
}

fn recorded_preview(
    host: &Host,
    job: &RestoreJob<'_>,
    run: &Arc<audit::Run>,
) -> Result<RestorePlan> {
    let selected = select(job)?;
    let placed = target::place(host, job, &selected, run, target::Purpose::Preview)?;
    let canceller = placed.session.canceller();
    let _listening = host.cancel.listen(move || canceller.cancel());
    host.observer.event(&Event::Stage("preview"));
    let request = request(job, &selected);
    let steps = placed.coordinator()?.restore_preview(request)?;
    let plugin = placed.plugin_shown();
    Ok(RestorePlan { snapshot: selected.snapshot, manifest: selected.manifest, plugin, steps })
}

/// Previews several restores that belong together, so that none of them is begun when one cannot be done.
///
/// # Errors
/// When one is impossible, or would replace what is there without being allowed to.
pub fn rehearse(host: &Host, jobs: &[RestoreJob<'_>]) -> Result<()> {
    for job in jobs {
        let plan = preview(host, job)?;
        let Some(step) = plan.steps.iter().find(|step| step.overwrites) else { continue };
        if !job.overwrite {
            let message = format!("source {}: {} is not empty", job.target.name(), step.target);
            return Err(Error::new(ErrorKind::Conflict, message).with_hint(
                "nothing was restored; allow the replacement with --overwrite, or restore the sources one by one",
            ));
        }
    }
    Ok(())
}

/// Restores a snapshot.
///
/// # Errors
/// Whatever goes wrong; the message says which part it was.
pub fn restore(host: &Host, job: &RestoreJob<'_>) -> Result<RestoreReport> {
    host.audit.record("restore", job.target.name(), |run| recorded(host, job, run))
}

fn recorded(host: &Host, job: &RestoreJob<'_>, run: &Arc<audit::Run>) -> Result<RestoreReport> {
    let started = Instant::now();
    let selected = select(job)?;
    let placed = target::place(host, job, &selected, run, target::Purpose::Restore)?;
    let canceller = placed.session.canceller();
    let listening = host.cancel.listen(move || canceller.cancel());
    let request = request(job, &selected);
    let run = Run {
        host,
        name: job.target.name(),
        placed: &placed,
        reader: &job.archived.reader,
        selected: &selected,
        request: &request,
        verify: job.verify,
        progress: Arc::new(Progress::default()),
    };
    let result = with_ticker(&host.observer, &run.progress, || run.restore_all());
    let totals = run.progress.totals();
    let isolation = IsolationRecord::new(placed.session.jail());
    drop(listening);
    let unused = placed.session.unused();
    placed.session.close();
    let (parts, findings) = result?;
    Ok(RestoreReport {
        snapshot: selected.snapshot,
        source: selected.manifest.map(|manifest| manifest.source),
        parts,
        findings,
        isolation,
        unused,
        totals,
        duration: started.elapsed(),
    })
}

fn request(job: &RestoreJob<'_>, selected: &Selected) -> RestoreRequest {
    RestoreRequest {
        parts: selected.parts.iter().map(|part| part.part.clone()).collect(),
        rename: job.rename.clone(),
        disaster_recovery: job.disaster_recovery,
        overwrite: job.overwrite,
        ..RestoreRequest::default()
    }
}

impl Run<'_> {
    fn restore_all(&self) -> Result<(Vec<RestoredPart>, Vec<Finding>)> {
        let mut coordinator = self.placed.coordinator()?;
        self.host.observer.event(&Event::Stage("begin"));
        let stages = coordinator.restore_begin(self.request.clone())?;
        let result = self.import_stages(&stages);
        let outcome = match &result {
            Ok(_) => Outcome::Completed,
            Err(error) if error.kind() == ErrorKind::Interrupted => Outcome::Cancelled,
            Err(error) => Outcome::Failed(error.to_string()),
        };
        self.host.observer.event(&Event::Stage("end"));
        let ended = end(&mut coordinator, outcome);
        let parts = result?;
        let findings = ended?;
        differing(self.name, &parts)?;
        Ok((parts, findings))
    }
}

fn end(coordinator: &mut Instance, outcome: Outcome) -> Result<Vec<Finding>> {
    Ok(coordinator.restore_end(outcome)?)
}

fn differing(name: &str, parts: &[RestoredPart]) -> Result<()> {
    let differing: Vec<&str> = parts
        .iter()
        .filter(|part| part.is_equal == Some(false))
        .map(|part| part.id.as_str())
        .collect();
    if differing.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Damaged,
        format!(
            "source {name}: restored, but the fingerprint differs from the backup's in part {}",
            differing.join(", ")
        ),
    )
    .with_hint(
        "something wrote to the target during the restore, or the target changes what it stores",
    ))
}
