use std::sync::Arc;
use std::sync::atomic::Ordering;

use lockgate_sandbox::Instance;
use lockgate_types::Part;

use super::Run;
use super::sink::{Counts, PartSink};
use crate::lanes::{lock, share};
use crate::manifest::{PartRecord, path, source_folder};
use crate::progress::Event;
use crate::{Error, Result};

impl Run<'_> {
    /// Exports all parts, as many at once as there are instances. The first failure stops the others.
    pub(super) fn export_parts(
        &self,
        mut instances: Vec<Instance>,
        parts: &[Part],
    ) -> Result<Vec<PartRecord>> {
        let work = |instance: &mut Instance, part: &Part| self.export_part(instance, part);
        let mut done = share(&mut instances, parts, work, || self.session.cancel())?;
        done.sort_by(|left, right| left.id.cmp(&right.id));
        Ok(done)
    }

    fn export_part(&self, instance: &mut Instance, part: &Part) -> Result<PartRecord> {
        self.host.observer.event(&Event::PartStarted { part: &part.id });
        let counts = Arc::new(Counts { progress: Arc::clone(&self.progress), ..Counts::default() });
        let mut sink = PartSink {
            writer: Arc::clone(self.writer),
            folder: source_folder(self.job.name)?
                .join(&path(&part.id)?)
                .map_err(|error| Error::new(crate::ErrorKind::Failed, error.to_string()))?,
            parent: self.parent.as_ref().map(super::Parent::folders),
            counts: Arc::clone(&counts),
        };
        let result = instance.export(part, &mut sink);
        drop(sink);
        if let Some(error) = lock(&counts.failure).take() {
            return Err(error);
        }
        let summary = result?;
        self.progress.add_part();
        self.host.observer.event(&Event::PartDone { part: &part.id });
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
}
