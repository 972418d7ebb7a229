//! Where the parts of a restore go, and whether they may go there.

use std::collections::BTreeSet;

use lockgate_atomix_storage::partition::{Partition, find};
use lockgate_atomix_storage::{load, part};
use lockgate_plugin::files::{self, Folder};
use lockgate_plugin::path::shown;
use lockgate_plugin::{Context, Error, Part, RestoreRequest, Result};

use crate::backup::configuration;
use crate::config::Config;
use crate::live::{self, State};
use crate::names;
use crate::settings::{Changes, Settings};

/// The folders that a part goes to.
///
/// # Errors
/// When one is not granted, or a part is asked for that `recover-from` leaves out.
pub fn folders(config: &Config, request: &RestoreRequest, part: &Part) -> Result<Vec<String>> {
    let granted: Vec<String> = files::folders()?.into_iter().map(|it| it.name).collect();
    let archived = names::folder(part)?;
    let own = request.renamed(archived).to_owned();
    if config.recover_from.is_empty() || part.kind == names::CONFIGURATION {
        if !granted.contains(&own) {
            return Err(Error::denied(format!(
                "folder {own} is not granted; grant it, or rename {archived} to the folder that part {} shall go to",
                part.id
            )));
        }
        return Ok(vec![own]);
    }
    if archived != config.recover_from {
        return Err(Error::config(format!(
            "recover-from: all members get the partitions of {}, so that part {} cannot be restored; leave it out with --part",
            config.recover_from, part.id
        )));
    }
    Ok(granted)
}

/// What is changed in configurations: renamed names that are no folders of the backup are addresses, hosts and directories.
#[must_use]
pub fn changes<'a>(config: &'a Config, request: &'a RestoreRequest) -> Changes<'a> {
    let is_folder = |name: &str| {
        request.parts.iter().any(|part| names::folder(part).is_ok_and(|it| it == name))
    };
    let places = request.rename.iter().filter(|(from, _)| !is_folder(from));
    Changes {
        places: places.map(|(from, to)| (from.as_str(), to.as_str())).collect(),
        addresses: config.addresses.iter().map(|(name, to)| (name.as_str(), to.as_str())).collect(),
    }
}

/// Refuses a restore that would leave a cluster in which members know different histories, or that goes where it may not.
///
/// # Errors
/// What is wrong, and what to do.
pub fn admit(config: &Config, request: &RestoreRequest) -> Result<()> {
    if config.recover_from.is_empty() {
        part::complete(request)?;
    } else if !request.disaster_recovery {
        return Err(Error::config(
            "recover-from: gives all members the history of one; say --disaster-recovery with it",
        ));
    }
    let granted = files::folders()?;
    let mut asked = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for part in &request.parts {
        for folder in folders(config, request, part)? {
            if !taken.insert((folder.clone(), kind_of_place(part)?)) {
                return Err(Error::conflict(format!(
                    "two parts would go to folder {folder}: {} is one",
                    part.id
                )));
            }
            if asked.insert(folder.clone()) {
                writable(&granted, &folder)?;
                stopped(config, &folder)?;
            }
            free(config, request, part, &folder).with_context(|| part.id.clone())?;
        }
    }
    Ok(())
}

fn kind_of_place(part: &Part) -> Result<Option<(String, u32)>> {
    match part.kind.as_str() {
        names::CONFIGURATION => Ok(None),
        _ => names::of_part(part).map(|it| Some((it.group, it.number))),
    }
}

fn writable(granted: &[Folder], name: &str) -> Result<()> {
    if granted.iter().any(|folder| folder.name == name && folder.writable) {
        return Ok(());
    }
    Err(Error::denied(format!(
        "folder {name} is granted read-only, which is too little to restore: set access = \"read-write\""
    )))
}

/// That the member of a folder does not run, as far as that can be told.
fn stopped(config: &Config, folder: &str) -> Result<()> {
    match live::state(folder)? {
        State::Alive => Err(Error::conflict(format!(
            "the member of folder {folder} runs; stop all members of the cluster, and restore again"
        ))),
        State::Silent(_) => Ok(()),
        State::Unknown if config.members_stopped => Ok(()),
        State::Unknown => Err(Error::config(format!(
            "members-stopped: whether the member of folder {folder} is stopped cannot be told; grant endpoints.{folder} with the address \
             of its REST interface, or set members-stopped = true when all are"
        ))),
    }
}

/// That nothing is in the way, and that the folder is of the same member.
fn free(config: &Config, request: &RestoreRequest, part: &Part, folder: &str) -> Result<()> {
    if part.kind == names::CONFIGURATION {
        let there = configuration(folder, config)?;
        return match there.first() {
            Some((path, _)) if !request.overwrite => {
                Err(Error::conflict(format!("{folder}/{path} exists already")))
            }
            _ => Ok(()),
        };
    }
    let partition = names::of_part(part)?;
    same_member(config, request, part, folder, &partition)?;
    for other in find(folder)? {
        let is_same = other.group == partition.group && other.number == partition.number;
        if is_same && other.directory != partition.directory {
            return Err(Error::conflict(format!(
                "folder {folder} has this partition in {}, and it would be restored to {}; remove one",
                shown(&other.directory),
                shown(&partition.directory)
            )));
        }
    }
    match load::in_the_way(folder, &partition)? {
        Some(path) if !request.overwrite => {
            Err(Error::conflict(format!("{folder}/{} exists already", shown(&path))))
        }
        _ => Ok(()),
    }
}

/// Journals know members by their names: a folder gets what is of the member with the same name.
fn same_member(
    config: &Config,
    request: &RestoreRequest,
    part: &Part,
    folder: &str,
    partition: &Partition,
) -> Result<()> {
    let archived = names::member(part);
    if archived.is_empty() || !config.recover_from.is_empty() {
        return Ok(());
    }
    let mut known = load::owner(folder, partition)?;
    let is_replaced = request.parts.iter().any(|other| {
        other.kind == names::CONFIGURATION
            && folders(config, request, other).is_ok_and(|it| it.iter().any(|it| it == folder))
    });
    if !is_replaced {
        for (path, text) in configuration(folder, config)? {
            known = Settings::read(&text).with_context(|| path)?.node.or(known);
        }
    }
    match known {
        Some(known) if known != archived => Err(Error::conflict(format!(
            "folder {folder} is of member {known}, and what was saved is of {archived}; members keep their names in their journals: \
             give the new member the same name"
        ))),
        _ => Ok(()),
    }
}
