//! The way back: over the REST interface into a running cluster, or into the folders of nodes that are stopped.

use std::collections::BTreeSet;

use lockgate_atomix_storage::{load, part, save};
use lockgate_plugin::path::shown;
use lockgate_plugin::{
    Context, Error, Finding, Outcome, Part, Restore, RestoreRequest, Result, Severity, Step,
};
use serde_json::Value;

use crate::backup::recorded;
use crate::config::Config;
use crate::rename::Names;
use crate::rest;
use crate::state::{self, OBSERVED, State};
use crate::version::Version;
use crate::{applications, tree};

/// A restore.
#[derive(Debug)]
pub struct Restoring {
    config: Config,
    request: RestoreRequest,
}

impl Restore for Restoring {
    type Config = Config;

    fn preview(config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        config.validate()?;
        let step = |part: &Part| {
            let (action, target) = match part.kind.as_str() {
                OBSERVED => ("compare with what is observed", "rest".to_owned()),
                tree::FILES => ("restore files", target(&request, part)?.to_owned()),
                part::PARTITION => {
                    let partition = part::of_part(part)?;
                    let target = target(&request, part)?;
                    ("restore partition", format!("{target}/{}", partition.prefix()))
                }
                _ => ("write over REST", "rest".to_owned()),
            };
            let overwrites = request.overwrite && in_the_way(&request, part)?.is_some();
            Ok(Step { overwrites, ..Step::new(&part.id, action, target) })
        };
        request.parts.iter().map(step).collect()
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        config.validate()?;
        admit(&config, &request)?;
        let stage = |part: &Part| match part.kind.as_str() {
            applications::APPLICATION | tree::FILES => 0,
            part::PARTITION => 1,
            OBSERVED => 4,
            _ if State::of(part) == Some(State::Components) => 1,
            _ if State::of(part) == Some(State::Network) => 2,
            _ => 3,
        };
        let of = |number| request.parts.iter().filter(|it| stage(it) == number).cloned().collect();
        let stages = (0..5).map(of).filter(|stage: &Vec<Part>| !stage.is_empty()).collect();
        Ok((Self { config, request }, stages))
    }

    fn join(config: Config, request: RestoreRequest) -> Result<Self> {
        Ok(Self { config, request })
    }

    fn import(&mut self, part: Part) -> Result<()> {
        let names = self.names();
        match part.kind.as_str() {
            OBSERVED => state::compare_observed(),
            applications::APPLICATION => applications::import(&part),
            tree::FILES => {
                let address = |node: &str| self.config.addresses.get(node).map(String::as_str);
                tree::import(target(&self.request, &part)?, &names, &address)
            }
            part::PARTITION => {
                let partition = part::of_part(&part)?;
                let term = part::term(&self.request, &partition);
                load::load(target(&self.request, &part)?, &partition, term)
            }
            _ => known(&part)?.import(&names),
        }
        .with_context(|| part.id.clone())
    }

    fn fingerprint(&mut self, part: Part) -> Result<String> {
        let names = self.names();
        match part.kind.as_str() {
            OBSERVED => Err(Error::unsupported("what is observed has no fingerprint")),
            applications::APPLICATION => applications::fingerprint(&part),
            tree::FILES => tree::fingerprint(target(&self.request, &part)?, &names),
            part::PARTITION => {
                save::fingerprint(target(&self.request, &part)?, &part::of_part(&part)?)
            }
            _ => known(&part)?.fingerprint(&names),
        }
    }

    fn end(self, outcome: Outcome) -> Result<Vec<Finding>> {
        let mut findings = vec![recorded()];
        let has_folders = self.request.parts.iter().any(is_of_folder);
        if has_folders && matches!(outcome, Outcome::Completed) {
            let text =
                "start all nodes that were restored together: one alone waits for a majority";
            findings.push(Finding::new(Severity::Notice, "start-nodes", text));
        }
        Ok(findings)
    }
}

impl Restoring {
    /// Names that are changed: those of folders say where parts go, all others stand in what is restored.
    fn names(&self) -> Names {
        let is_folder = |name: &str| {
            self.request.parts.iter().any(|part| part::folder(part).is_ok_and(|it| it == name))
        };
        Names::new(self.request.rename.iter().filter(|(from, _)| !is_folder(from)))
    }
}

fn known(part: &Part) -> Result<State> {
    State::of(part).ok_or_else(|| Error::corrupt(format!("part {} is of no known kind", part.id)))
}

fn is_of_folder(part: &Part) -> bool {
    matches!(part.kind.as_str(), tree::FILES | part::PARTITION)
}

/// The folder that a part goes to.
fn target<'a>(request: &'a RestoreRequest, part: &'a Part) -> Result<&'a str> {
    Ok(request.renamed(part::folder(part)?))
}

fn admit(config: &Config, request: &RestoreRequest) -> Result<()> {
    let of_folders = request.parts.iter().filter(|part| is_of_folder(part)).count();
    if of_folders > 0 && of_folders < request.parts.len() {
        return Err(Error::config(
            "a restore goes either into a running cluster or into folders of stopped nodes: choose the parts rest/... or all others \
             with --part",
        ));
    }
    if of_folders > 0 {
        admit_folders(config, request)?;
    } else {
        let system = rest::get("system")?;
        let version = system.get("version").and_then(Value::as_str).unwrap_or_default();
        Version::admit(version, config)?;
        for part in &request.parts {
            Version::admit_state(
                part.attribute(tree::VERSION).unwrap_or_default(),
                version,
                config,
            )?;
        }
    }
    for part in &request.parts {
        if let Some(what) = in_the_way(request, part)?.filter(|_| !request.overwrite) {
            return Err(Error::conflict(format!("{}: {what}", part.id)));
        }
    }
    Ok(())
}

fn admit_folders(config: &Config, request: &RestoreRequest) -> Result<()> {
    part::complete(request)?;
    match rest::state()? {
        rest::State::Alive => {
            return Err(Error::conflict(
                "a node of the cluster runs; stop all nodes, and restore again",
            ));
        }
        rest::State::NotGranted if !config.nodes_stopped => {
            return Err(Error::config(
                "nodes-stopped: whether the nodes are stopped cannot be told; grant endpoints.rest, or set nodes-stopped = true \
                 when all are",
            ));
        }
        _ => {}
    }
    let granted = tree::granted()?;
    let mut taken = BTreeSet::new();
    for part in &request.parts {
        let folder = target(request, part)?;
        let found = granted.iter().find(|it| it.name == folder);
        let found = found.ok_or_else(|| {
            Error::denied(format!(
                "folder {folder} is not granted; grant it, or rename the folder of part {}",
                part.id
            ))
        })?;
        if !found.writable {
            return Err(Error::denied(format!(
                "folder {folder} is granted read-only; set access = \"read-write\""
            )));
        }
        if !taken.insert((folder, part.id.rsplit_once(part::folder(part)?).map(|it| it.1))) {
            return Err(Error::conflict(format!(
                "two parts would go to folder {folder}: {} is one",
                part.id
            )));
        }
        let version = tree::version(folder)?;
        Version::admit_state(part.attribute(tree::VERSION).unwrap_or_default(), &version, config)
            .with_context(|| format!("folder {folder}"))?;
        same_node(part, folder)?;
    }
    Ok(())
}

/// Journals know nodes by their names.
fn same_node(part: &Part, folder: &str) -> Result<()> {
    if part.kind != part::PARTITION || part::member(part).is_empty() {
        return Ok(());
    }
    let archived = part::member(part);
    match load::owner(folder, &part::of_part(part)?)? {
        Some(owner) if owner != archived => Err(Error::conflict(format!(
            "folder {folder} is of node {owner}, and part {} is of {archived}; nodes keep their names in their journals: name nodes by \
             names and not by addresses, and give the new node the old name",
            part.id
        ))),
        _ => Ok(()),
    }
}

/// What a part would replace.
fn in_the_way(request: &RestoreRequest, part: &Part) -> Result<Option<String>> {
    let path = |folder: &str, path: Vec<u8>| format!("{folder}/{} exists already", shown(&path));
    match part.kind.as_str() {
        // Every ONOS comes with applications; whether they are active is set, and none is uninstalled.
        OBSERVED | applications::APPLICATION => Ok(None),
        tree::FILES => {
            let folder = target(request, part)?;
            Ok(tree::in_the_way(folder)?.map(|it| path(folder, it)))
        }
        part::PARTITION => {
            let folder = target(request, part)?;
            Ok(load::in_the_way(folder, &part::of_part(part)?)?.map(|it| path(folder, it)))
        }
        _ => {
            let is_there = known(part)?.is_in_the_way()?;
            Ok(is_there.then(|| "the target has some already".to_owned()))
        }
    }
}
