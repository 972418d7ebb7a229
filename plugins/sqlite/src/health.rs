//! A look at the databases that changes nothing.

use lockgate_plugin::path::shown;
use lockgate_plugin::{Finding, Result, Severity};

use crate::backup::granted;
use crate::config::Config;
use crate::format::{self, HEADER_BYTES, Header};
use crate::host::{File, Folder, Granted};
use crate::journal;
use crate::snapshot::{beside, is_filled};
use crate::walk::{Found, databases};

/// Findings that are told one by one.
const TOLD_MAX: usize = 100;
/// A log that is larger makes one think of a checkpoint that never gets through, in bytes; SQLite starts one at 4 MiB.
const LOG_BYTES_MAX: u64 = 64 << 20;

/// What there is, what cannot be saved, and what an operator should know.
///
/// # Errors
/// When a folder cannot be listed.
pub fn check(config: &Config) -> Result<Vec<Finding>> {
    config.validate()?;
    let mut findings = Vec::new();
    let mut untold = 0;
    for granted in granted()? {
        let folder = Granted::new(&granted.name);
        let found = databases(&granted.name, config)?;
        let (severity, code) = match found.len() {
            0 => (Severity::Warning, "no-database"),
            _ => (Severity::Ok, "databases"),
        };
        let bytes: u64 = found.iter().map(|it| it.size).sum();
        let text =
            format!("folder {} holds {} databases of {bytes} bytes", granted.name, found.len());
        findings.push(Finding::new(severity, code, text));
        for database in &found {
            for (severity, code, what) in look(&folder, database, config) {
                if findings.len() >= TOLD_MAX {
                    untold += 1;
                    continue;
                }
                let text = format!("{}/{} {what}", granted.name, shown(&database.path));
                findings.push(Finding::new(severity, code, text));
            }
        }
    }
    if untold > 0 {
        let text = format!("{untold} more findings are not listed");
        findings.push(Finding::new(Severity::Notice, "more", text));
    }
    Ok(findings)
}

type Told = (Severity, &'static str, String);

fn look(folder: &Granted, found: &Found, config: &Config) -> Vec<Told> {
    match try_look(folder, found, config) {
        Ok(told) => told,
        Err(error) => {
            vec![(Severity::Critical, "unreadable", format!("cannot be looked at: {error}"))]
        }
    }
}

fn try_look(folder: &Granted, found: &Found, config: &Config) -> Result<Vec<Told>> {
    let mut told = Vec::new();
    let Some(main) = folder.open(&found.path)? else { return Ok(told) };
    // Fails where locks are not granted, or the file system has none.
    main.is_free(format::RESERVED)?;
    let bytes = File::read_at(&main, 0, HEADER_BYTES)?;
    if bytes.is_empty() {
        return Ok(told);
    }
    let header = match Header::parse(&bytes) {
        Ok(header) => header,
        Err(foreign) => {
            return Ok(vec![(Severity::Critical, "not-a-database", foreign.to_string())]);
        }
    };
    if !header.is_known() {
        let severity =
            if config.allow_untested_version { Severity::Warning } else { Severity::Critical };
        let text =
            format!("is of file format version {}, which is not known", header.write_version);
        told.push((severity, "version-unknown", text));
    }
    if let Err(error) = journal::refuse_hot(folder, &found.path, &main) {
        told.push((Severity::Critical, "hot-journal", error.to_string()));
    }
    if !header.has_log() && !is_filled(folder, &beside(&found.path, "-wal"))? {
        let text = "has a rollback journal: programs that write wait while it is copied; PRAGMA journal_mode=WAL changes that";
        told.push((Severity::Notice, "rollback-journal", text.to_owned()));
    }
    let log = folder.status(&beside(&found.path, "-wal"))?.map_or(0, |status| status.size);
    if log > LOG_BYTES_MAX {
        let text = format!(
            "has a write-ahead log of {log} bytes: does a reader keep checkpoints from ending?"
        );
        told.push((Severity::Warning, "large-log", text));
    }
    if found.links > 1 {
        let text =
            "has more than one name (hard links); programs that use different names damage it"
                .to_owned();
        told.push((Severity::Warning, "hard-links", text));
    }
    Ok(told)
}
