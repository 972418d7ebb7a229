use std::collections::BTreeMap;

use lockgate_plugin::path::shown;
use lockgate_plugin::{Error, Failure, Result, log};

/// Names that are told to the operator one by one; the rest is only counted.
const TOLD_MAX: u64 = 100;
/// Names that may fail before the restore gives up.
const FAILED_MAX: u64 = 10_000;

/// Different reasons that are remembered for metadata that was not set.
const REASONS_MAX: usize = 20;

/// Remembers what could not be restored, so that one name does not keep the others from being restored.
pub struct Faults<'a> {
    folder: &'a str,
    failed: u64,
    first: Option<Error>,
    /// For each reason the number of names whose metadata was not set for it, and the first of them. A process that is not
    /// root may set the owner of none.
    unset: BTreeMap<String, (u64, String)>,
}

impl<'a> Faults<'a> {
    pub fn new(folder: &'a str) -> Self {
        Self { folder, failed: 0, first: None, unset: BTreeMap::new() }
    }

    /// Takes note that the name `path` could not be restored.
    ///
    /// # Errors
    /// When the run is cancelled, or too much has failed.
    pub fn failed(&mut self, path: &[u8], failure: Failure) -> Result<()> {
        if failure == Failure::Cancelled {
            return Err(Error::cancelled());
        }
        self.failed += 1;
        let error = Error::from(failure).context(format!("{}/{}", self.folder, shown(path)));
        if self.failed <= TOLD_MAX {
            log::error!("{error}");
        }
        self.first.get_or_insert(error);
        if self.failed >= FAILED_MAX { self.result() } else { Ok(()) }
    }

    /// Takes note of how setting the metadata of `path` went.
    ///
    /// # Errors
    /// As [`Faults::failed`].
    pub fn applied(&mut self, path: &[u8], applied: Result<Vec<String>, Failure>) -> Result<()> {
        match applied {
            Ok(unset) => {
                self.unset(path, &unset);
                Ok(())
            }
            Err(failure) => self.failed(path, failure),
        }
    }

    /// Takes note of the metadata that the system did not let be set.
    pub fn unset(&mut self, path: &[u8], reasons: &[String]) {
        for reason in reasons {
            if let Some((count, _)) = self.unset.get_mut(reason) {
                *count += 1;
            } else if self.unset.len() < REASONS_MAX {
                self.unset.insert(reason.clone(), (1, shown(path)));
            }
        }
    }

    /// The first error, with the number of those that followed.
    ///
    /// # Errors
    /// When anything failed.
    pub fn result(&mut self) -> Result<()> {
        for (reason, (count, first)) in std::mem::take(&mut self.unset) {
            let names = match count {
                1 => "1 name".to_owned(),
                _ => format!("{count} names"),
            };
            log::warn!("{}: not set on {names}, the first {first}: {reason}", self.folder);
        }
        match (self.first.take(), self.failed) {
            (None, _) => Ok(()),
            (Some(error), 1) => Err(error),
            (Some(error), failed) => {
                Err(error.context(format!("{failed} names were not restored, the first")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fault_is_named_and_the_others_are_counted() {
        let mut faults = Faults::new("docs");
        assert_eq!(faults.result(), Ok(()));
        faults.failed(b"a", Failure::Corrupt("x".into())).unwrap();
        faults.failed(b"b", Failure::Other("y".into())).unwrap();
        let error = faults.result().unwrap_err();
        assert_eq!(error.to_string(), "2 names were not restored, the first: docs/a: x");
        assert!(matches!(error.failure(), Failure::Corrupt(_)));
    }

    #[test]
    fn a_cancelled_run_stops_at_once() {
        let mut faults = Faults::new("docs");
        assert_eq!(faults.failed(b"a", Failure::Cancelled), Err(Error::cancelled()));
    }
}
