use std::sync::Arc;
use std::sync::atomic::Ordering;

use lockgate_sandbox::{Instance, Session};
use lockgate_trust::{Granted, Grants};
use lockgate_types::{BackupPlan, BackupRequest, Descriptor, Name, Part};

use super::parent::Parent;
use super::sink::{Counts, PartSink};
use super::{BackupJob, Run, plan};
use crate::cancel::Listening;
use crate::configuration::Source;
use crate::host::Launch;
use crate::lanes::{lock, share};
use crate::manifest::{PartRecord, path, source_folder};
use crate::progress::Event;
use crate::trust::both_sides;
use crate::{Error, ErrorKind, Host, Plugin, Result, audit};

/// One source of a backup, with its plugin running.
pub(super) struct Member<'a> {
    pub name: &'a Name,
    pub source: &'a Source,
    pub plugin: Plugin,
    pub grants: Grants,
    pub session: Session,
    pub parent: Option<Parent>,
}

/// plan → admit → launch, each for all sources.
pub(super) fn launch<'a>(
    host: &Host,
    job: &BackupJob<'a>,
    runs: &[Arc<audit::Run>],
) -> Result<Vec<Member<'a>>> {
    let stage = |stage| host.observer.event(&Event::Stage(stage));
    stage("plan");
    let parent = |(name, _): &(&Name, &Source)| plan::parent(host, job, name);
    let parents = job.sources.iter().map(parent).collect::<Result<Vec<_>>>()?;
    stage("admit");
    let admit = |(name, source): &(&'a Name, &'a Source)| {
        let plugin = host.admit(&source.plugin)?;
        // A backup has no business changing what it saves.
        let given = source.grants().read_only();
        let (grants, limits) = both_sides(&plugin, name.as_str(), &given, &source.limits)?;
        Ok((*name, *source, plugin, grants, limits))
    };
    let admitted = job.sources.iter().map(admit).collect::<Result<Vec<_>>>()?;
    stage("launch");
    let mut members = Vec::with_capacity(admitted.len());
    for (((name, source, plugin, grants, limits), parent), run) in
        admitted.into_iter().zip(parents).zip(runs)
    {
        let (called, config) = (name.to_string(), source.config_json());
        let launch = Launch { run, name: called, grants: &grants, limits, config };
        let session = host.launch(&plugin, launch)?;
        members.push(Member { name, source, plugin, grants, session, parent });
    }
    Ok(members)
}

impl Member<'_> {
    /// Stops this source when the operator stops the run, as long as the result lives.
    pub fn listen(&self, host: &Host) -> Listening {
        let canceller = self.session.canceller();
        host.cancel.listen(move || canceller.cancel())
    }

    /// The instance that leads the backup, and what it says of itself.
    pub fn coordinator(&self) -> Result<(Instance, Descriptor)> {
        let mut coordinator = self.session.instance("coordinator")?;
        let descriptor = coordinator.describe()?;
        self.plugin.check_descriptor(&descriptor)?;
        Ok((coordinator, descriptor))
    }

    /// What it is asked for.
    pub fn request(&self, run: &Run<'_>) -> BackupRequest {
        BackupRequest {
            parts: run.job.parts.clone(),
            since: self.parent.as_ref().and_then(Parent::mark),
            ..BackupRequest::default()
        }
    }

    /// One instance per part, at most as many as may work at once; an instance that took part in the consistent point then
    /// exports several parts one after the other.
    pub fn join(&self, plan: &BackupPlan) -> Result<Vec<Instance>> {
        let wanted = usize::try_from(self.source.parallel).unwrap_or(1).min(plan.parts.len());
        let max = plan::workers_max(self.name, &plan.attributes)?;
        let wanted = max.map_or(wanted, |max| wanted.min(max));
        let mut instances = Vec::with_capacity(wanted);
        for number in 1..=wanted {
            let mut instance = self.session.instance(&format!("worker {number}"))?;
            instance.backup_join(&plan.mark)?;
            instances.push(instance);
        }
        Ok(instances)
    }

    /// Exports all parts, as many at once as there are workers. The first failure stops the others.
    pub fn export_parts(
        &self,
        run: &Run<'_>,
        mut workers: Vec<Instance>,
        parts: &[Part],
    ) -> Result<Vec<PartRecord>> {
        let work = |worker: &mut Instance, part: &Part| self.export_part(run, worker, part);
        let mut done = share(&mut workers, parts, work, || self.session.cancel())?;
        done.sort_by(|left, right| left.id.cmp(&right.id));
        Ok(done)
    }

    fn export_part(&self, run: &Run<'_>, worker: &mut Instance, part: &Part) -> Result<PartRecord> {
        run.host.observer.event(&Event::PartStarted { part: &part.id });
        let counts = Arc::new(Counts { progress: Arc::clone(&run.progress), ..Counts::default() });
        let mut sink = PartSink {
            writer: Arc::clone(run.writer),
            folder: source_folder(self.name)?
                .join(&path(&part.id)?)
                .map_err(|error| Error::new(ErrorKind::Failed, error.to_string()))?,
            parent: self.parent.as_ref().map(Parent::folders),
            counts: Arc::clone(&counts),
        };
        let result = worker.export(part, &mut sink);
        drop(sink);
        if let Some(error) = lock(&counts.failure).take() {
            return Err(error);
        }
        let summary = result?;
        run.progress.add_part();
        run.host.observer.event(&Event::PartDone { part: &part.id });
        Ok(PartRecord {
            id: part.id.clone(),
            kind: part.kind.clone(),
            items: summary.items,
            entries: counts.entries.load(Ordering::Relaxed),
            bytes: counts.bytes.load(Ordering::Relaxed),
            fingerprint: summary.fingerprint,
            attributes: part.attributes.clone(),
            summary: summary.attributes,
        })
    }

    /// Ends the worker process. Gives what was granted and not used.
    pub fn close(self) -> Vec<Granted> {
        let unused = self.session.unused();
        self.session.close();
        unused
    }
}
