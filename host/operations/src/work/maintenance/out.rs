use lockgate_api::Maintenance;
use lockgate_types::Name;

use super::subject::Subject;
use super::{entry, put_back, tell};
use crate::work::Work;
use crate::{Error, Result};

/// What a job took out of service. It is put back when it lets go, whatever happened in between.
pub(in crate::work) struct OutOfService<'a> {
    work: &'a Work,
    names: Vec<Name>,
}

impl<'a> OutOfService<'a> {
    /// Takes all out of service that can be, in this order. What has no such mode stays as it is, which is noted; so does what
    /// an operator took out.
    ///
    /// # Errors
    /// When a plugin or a program fails; then all are put back.
    pub(in crate::work) fn enter(work: &'a Work, names: &[Name]) -> Result<Self> {
        let mut out = Self { work, names: Vec::new() };
        for name in names {
            let held = work.wait(work.store.maintenance())?;
            if is_operators(&held, name) {
                work.recorder.note(format!(
                    "{name} is out of service already, and stays so: an operator did that"
                ));
            } else if !out.take(name)? {
                work.recorder.note(format!(
                    "{name} stays in service: its plugin has no maintenance mode, and the configuration no commands"
                ));
            }
        }
        Ok(out)
    }

    /// Takes one out; false when it has nothing to take out.
    pub(super) fn take(&mut self, name: &Name) -> Result<bool> {
        let work = self.work;
        let subject = Subject::of(&work.site, name)?;
        let host = work.host()?;
        // Before it is done, so that it is undone also when the process ends in between.
        work.wait(work.store.maintenance_on(&entry(name, Some(work.job.id))))?;
        self.names.push(name.clone());
        if subject.enter(&work.site, &host, Some(work.job.id), &work.cancel)? {
            tell(work, name, true);
            return Ok(true);
        }
        self.names.pop();
        work.wait(work.store.maintenance_off(name))?;
        Ok(false)
    }

    /// Nothing was taken out yet.
    pub(super) fn nothing(work: &'a Work) -> Self {
        Self { work, names: Vec::new() }
    }

    /// Leaves them out of service for an operator who will put them back.
    pub(super) fn keep(mut self) -> Result<Vec<Name>> {
        for name in &self.names {
            self.work.wait(self.work.store.maintenance_on(&entry(name, None)))?;
        }
        Ok(std::mem::take(&mut self.names))
    }

    /// Puts them back, the last one first. What `result` was is told with what stays out of service.
    ///
    /// # Errors
    /// That of `result`, or when one of them stays out of service.
    pub(in crate::work) fn leave<T>(mut self, result: Result<T>) -> Result<T> {
        match (result, self.put_all_back()) {
            (result, Ok(())) => result,
            (Ok(_), Err(left)) => Err(left),
            (Err(error), Err(left)) => {
                let message = format!("{error}; {left}");
                let hint = error.hint().or(left.hint()).map(str::to_owned);
                let both = Error::new(error.kind(), message);
                Err(match hint {
                    Some(hint) => both.with_hint(hint),
                    None => both,
                })
            }
        }
    }

    fn put_all_back(&mut self) -> Result<()> {
        let mut result = Ok(());
        while let Some(name) = self.names.pop() {
            let work = self.work;
            let (job, recorder) = (Some(work.job.id), work.recorder.clone());
            match put_back(&work.site, &work.store, &name, job, recorder) {
                Ok(()) => tell(work, &name, false),
                Err(error) => result = Err(error),
            }
        }
        result
    }
}

impl Drop for OutOfService<'_> {
    fn drop(&mut self) {
        // What is left is in the store, and is tried again.
        if let Err(error) = self.put_all_back() {
            self.work.recorder.note(error.to_string());
        }
    }
}

/// Whether an operator, and no job, took it out.
pub(super) fn is_operators(held: &[Maintenance], name: &Name) -> bool {
    held.iter().any(|it| it.source == *name && it.job.is_none())
}
