use lockgate_plugin::path::shown;
use lockgate_plugin::{Error, Failure, Result, Summary, files, log};

use crate::config::Config;

/// Names that are told to the operator one by one; the rest is only counted.
const TOLD_MAX: u64 = 100;

/// Counts what could not be saved as it was.
pub struct Troubles<'a> {
    folder: &'a str,
    config: &'a Config,
    unreadable: u64,
    vanished: u64,
    changed: u64,
}

impl<'a> Troubles<'a> {
    pub fn new(folder: &'a str, config: &'a Config) -> Self {
        Self { folder, config, unreadable: 0, vanished: 0, changed: 0 }
    }

    /// Takes note that the name `path` could not be read.
    ///
    /// # Errors
    /// When the operator wants that to fail, or the run is cancelled.
    pub fn unread(&mut self, path: &[u8], failure: Failure) -> Result<()> {
        if failure == Failure::Cancelled {
            return Err(Error::cancelled());
        }
        let reason = Error::from(failure);
        // The contract has no failure of its own for a name that is not there any more.
        if files::status(self.folder, path).is_err() {
            self.vanished += 1;
            self.tell(path, "was removed before it was read");
            return self
                .config
                .on_vanished
                .to(|| format!("{}/{} was removed before it was read", self.folder, shown(path)));
        }
        self.unreadable += 1;
        self.tell(path, &format!("could not be read: {reason}"));
        let folder = self.folder;
        self.config.on_unreadable.to(|| format!("{folder}/{}: {reason}", shown(path)))
    }

    /// Takes note that the file `path` changed while it was read.
    pub fn changed(&mut self, path: &[u8]) {
        self.changed += 1;
        self.tell(path, "changed while it was read");
    }

    fn tell(&self, path: &[u8], what: &str) {
        match self.unreadable + self.vanished + self.changed {
            ..=TOLD_MAX => log::warn!("{}/{} {what}", self.folder, shown(path)),
            count if count == TOLD_MAX + 1 => {
                log::warn!("{}: further names are only counted", self.folder);
            }
            _ => {}
        }
    }

    /// Adds the counts to what is said of the part.
    pub fn report(&self, summary: Summary) -> Summary {
        summary
            .with_attribute("unreadable", self.unreadable.to_string())
            .with_attribute("vanished", self.vanished.to_string())
            .with_attribute("changed", self.changed.to_string())
    }
}
