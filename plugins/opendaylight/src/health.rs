//! A look at the live node that changes nothing, and the removal of the file that backups leave at the server.

use lockgate_plugin::{Error, Failure, Finding, Result, Severity, files, listed};

use crate::config::{Config, Way};
use crate::container::{self, Shape};
use crate::folder::{self, BACKUP, FILE, RESTORE};
use crate::node::{Node, TESTED};
use crate::shards::Shards;
use crate::{client, place};

/// Reachability, version, shards, folders, and what would not be saved.
///
/// # Errors
/// When the node refuses the account, or is of an unknown version.
pub fn check(config: &Config) -> Result<Vec<Finding>> {
    config.validate()?;
    let waits = folder::is_granted(RESTORE)? && !folder::names(RESTORE)?.is_empty();
    if !client::is_up()? {
        let text = "the node does not answer";
        let mut findings = vec![Finding::new(Severity::Critical, "unreachable", text)];
        if waits {
            findings.push(place::pending());
        }
        return Ok(findings);
    }
    let node = Node::probe(config)?;
    let text = format!("{node} answers, with {} models", node.modules.len());
    let mut findings = vec![Finding::new(Severity::Ok, "reachable", text)];
    if !node.is_tested() {
        let text = format!("{node} was not run in the tests of this plugin ({TESTED})");
        findings.push(Finding::new(Severity::Notice, "version-untested", text));
    }
    match Shards::read()? {
        Some(shards) => findings.extend(shards.judge()),
        None => {
            let text = "there is no Jolokia (feature odl-jolokia), which tells how the shards are";
            findings.push(Finding::new(Severity::Notice, "shards-unknown", text));
        }
    }
    if waits {
        let text = "the folder restore is not empty although the node runs: it takes one file, alone, and only when it starts";
        findings.push(Finding::new(Severity::Warning, "restore-not-taken", text));
    }
    match config.way {
        Way::Snapshot => findings.extend(backup_folder(config)?),
        Way::Json => findings.extend(unsaved(config)?),
    }
    Ok(findings)
}

fn backup_folder(config: &Config) -> Result<Vec<Finding>> {
    config.backup_folder()?;
    if !folder::is_granted(BACKUP)? {
        let text = "folder backup is not granted, and a backup by `way = \"snapshot\"` reads the server's file from it";
        return Ok(vec![Finding::new(Severity::Critical, "no-folder", text)]);
    }
    let own = String::from_utf8_lossy(FILE);
    let (ours, others): (Vec<String>, Vec<String>) =
        folder::names(BACKUP)?.into_iter().partition(|name| *name == own);
    let mut findings = Vec::new();
    if !ours.is_empty() {
        let text = format!(
            "{own} of the last backup is in the folder backup, with the data as it is; the action `clean` removes it"
        );
        findings.push(Finding::new(Severity::Notice, "backup-file-left", text));
    }
    if !others.is_empty() {
        let text = format!(
            "files in the folder backup that are no business of lockgate: {}",
            listed(&others)
        );
        findings.push(Finding::new(Severity::Notice, "foreign-files", text));
    }
    Ok(findings)
}

fn unsaved(config: &Config) -> Result<Option<Finding>> {
    let top = container::list()?;
    let odd = top.iter().filter(|(name, shape)| **shape == Shape::Other && config.takes(name));
    let odd: Vec<String> = odd.map(|(name, _)| name.clone()).collect();
    if odd.is_empty() {
        return Ok(None);
    }
    let text = format!("lists or leaves at the top, with which a backup fails: {}", listed(&odd));
    Ok(Some(Finding::new(Severity::Critical, "no-container", text)))
}

/// Removes the file that the last backup left in the folder `backup`.
///
/// # Errors
/// When it cannot be removed.
pub fn clean() -> Result<Vec<Finding>> {
    match files::remove(BACKUP, FILE) {
        Ok(()) => {}
        Err(Failure::Denied(text)) => {
            return Err(Error::denied(format!(
                "{text}; grant `folders.backup` with access = \"read-write\""
            )));
        }
        Err(_) if folder::status(BACKUP, FILE).is_none() => {}
        Err(failure) => return Err(failure.into()),
    }
    let text = "the folder backup holds no file of a backup";
    Ok(vec![Finding::new(Severity::Ok, "clean", text)])
}
