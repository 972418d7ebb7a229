use std::collections::BTreeMap;
use std::sync::Arc;

use lockgate_sandbox::Instance;
use lockgate_types::Part;

use super::selection::SelectedPart;
use super::source::{PartSource, Waiting};
use super::{RestoredPart, Run};
use crate::lanes::share;
use crate::progress::{Event, planned};
use crate::{Error, ErrorKind, Result};

impl Run<'_> {
    /// Imports the stages one after the other, the parts of a stage in parallel.
    pub(super) fn import_stages(&self, stages: &[Vec<Part>]) -> Result<Vec<RestoredPart>> {
        let known: BTreeMap<&str, &SelectedPart> = self
            .selected
            .parts
            .iter()
            .map(|selected| (selected.part.id.as_str(), selected))
            .collect();
        self.review(stages, &known)?;
        let parts = self.selected.parts.iter().map(|selected| &selected.part);
        self.host.observer.event(&planned(parts));
        self.host.observer.event(&Event::Stage("import"));
        let widest = stages.iter().map(Vec::len).max().unwrap_or(0);
        let mut instances = self.join(widest)?;
        let stop = || self.placed.session.cancel();
        let mut done = Vec::new();
        for stage in stages {
            let import = |instance: &mut Instance, part: &Part| self.import(instance, part, &known);
            done.extend(share(&mut instances, stage, import, stop)?);
        }
        if !self.verify {
            return Ok(done);
        }
        self.host.observer.event(&Event::Stage("compare"));
        let parts: Vec<Part> = stages.iter().flatten().cloned().collect();
        let compare = |instance: &mut Instance, part: &Part| self.compare(instance, part, &known);
        share(&mut instances, &parts, compare, stop)
    }

    fn join(&self, parts: usize) -> Result<Vec<Instance>> {
        let mut instances = Vec::new();
        for number in 1..=self.placed.parallel.min(parts) {
            let mut instance = self.placed.session.instance(&format!("worker {number}"))?;
            instance.restore_join(self.request.clone())?;
            instances.push(instance);
        }
        Ok(instances)
    }

    /// Fails when the operator wishes to stop.
    fn go_on(&self) -> Result<()> {
        if !self.host.cancel.is_cancelled() {
            return Ok(());
        }
        let message = "stopped by the operator; the target is incomplete";
        Err(Error::new(ErrorKind::Interrupted, message)
            .with_hint("run the restore again with --overwrite"))
    }

    fn review(&self, stages: &[Vec<Part>], known: &BTreeMap<&str, &SelectedPart>) -> Result<()> {
        let mut missing: BTreeMap<&str, ()> = known.keys().map(|id| (*id, ())).collect();
        for part in stages.iter().flatten() {
            if missing.remove(part.id.as_str()).is_none() {
                let message = format!(
                    "source {}: the plugin wants to import part {}, which was not asked for or twice",
                    self.name, part.id
                );
                return Err(Error::new(ErrorKind::Failed, message));
            }
        }
        match missing.keys().next() {
            None => Ok(()),
            Some(id) => {
                let message = format!("source {}: the plugin leaves out part {id}", self.name);
                Err(Error::new(ErrorKind::Failed, message))
            }
        }
    }

    fn import(
        &self,
        instance: &mut Instance,
        part: &Part,
        known: &BTreeMap<&str, &SelectedPart>,
    ) -> Result<RestoredPart> {
        self.go_on()?;
        let selected = find(known, part)?;
        self.host.observer.event(&Event::PartStarted { part: &part.id });
        let waiting =
            Waiting { runtime: self.host.runtime.clone(), cancel: self.host.cancel.clone() };
        let mut source = PartSource::new(
            self.reader.clone(),
            waiting,
            self.selected.snapshot.tree,
            selected.folder.clone(),
            Arc::clone(&self.progress),
        );
        instance.import(part, &mut source)?;
        self.progress.add_part();
        self.host.observer.event(&Event::PartDone { part: &part.id });
        Ok(RestoredPart { id: part.id.clone(), is_equal: None })
    }

    fn compare(
        &self,
        instance: &mut Instance,
        part: &Part,
        known: &BTreeMap<&str, &SelectedPart>,
    ) -> Result<RestoredPart> {
        self.go_on()?;
        let is_equal = match &find(known, part)?.fingerprint {
            None => None,
            Some(archived) => Some(&instance.fingerprint(part)? == archived),
        };
        Ok(RestoredPart { id: part.id.clone(), is_equal })
    }
}

fn find<'a>(known: &BTreeMap<&str, &'a SelectedPart>, part: &Part) -> Result<&'a SelectedPart> {
    let unknown =
        || Error::new(ErrorKind::Failed, format!("the plugin names the unknown part {}", part.id));
    known.get(part.id.as_str()).copied().ok_or_else(unknown)
}
