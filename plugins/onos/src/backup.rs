//! The way out: what the REST interface tells, and what each granted folder holds, part by part.

use lockgate_atomix_storage::{load, part, partition, save};
use lockgate_plugin::{
    Backup, BackupPlan, BackupRequest, Context, Error, Finding, Outcome, Part, Result, Severity,
    Summary,
};
use serde_json::Value;

use crate::config::Config;
use crate::rest;
use crate::state::{self, OBSERVED, OBSERVED_ID, STATE, State};
use crate::version::Version;
use crate::{applications, tree};

/// A backup.
#[derive(Debug)]
pub struct Saving;

impl Backup for Saving {
    type Config = Config;

    fn begin(config: Config, request: BackupRequest) -> Result<(Self, BackupPlan)> {
        config.validate()?;
        let mut parts = Vec::new();
        let mut plan = BackupPlan::default().with_moment_of_export();
        match rest::state()? {
            rest::State::Alive => {
                let system = rest::get("system")?;
                let text =
                    |key| system.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                let version = text("version");
                Version::admit(&version, &config)?;
                plan = plan
                    .with_attribute("version", &version)
                    .with_attribute("cluster", text("clusterId"));
                parts.extend(of_rest(&version)?);
            }
            rest::State::Silent(why) => {
                return Err(Error::unreachable(format!("endpoint rest does not answer: {why}")));
            }
            rest::State::NotGranted => {}
        }
        let mut partitions = Vec::new();
        for folder in tree::granted()?.into_iter().map(|it| it.name) {
            partitions
                .extend(of_folder(&folder, &config).with_context(|| format!("folder {folder}"))?);
        }
        part::note_folders(&mut partitions);
        parts.extend(partitions);
        if parts.is_empty() {
            return Err(Error::config(
                "grant endpoints.rest, or the folders of the nodes, as folders.n1",
            ));
        }
        parts.retain(|part| request.asks_for(&part.id));
        plan.parts = parts;
        Ok((Self, plan))
    }

    fn join(_config: Config, _mark: Vec<u8>) -> Result<Self> {
        Ok(Self)
    }

    fn export(&mut self, part: Part) -> Result<Summary> {
        match part.kind.as_str() {
            OBSERVED => state::export_observed(),
            applications::APPLICATION => applications::export(&part),
            tree::FILES => tree::export(part::folder(&part)?),
            part::PARTITION => save::save(part::folder(&part)?, &part::of_part(&part)?),
            _ => State::of(&part).ok_or_else(|| Error::corrupt("an unknown part"))?.export(),
        }
        .with_context(|| part.id.clone())
    }

    fn end(self, _outcome: Outcome) -> Result<Vec<Finding>> {
        Ok(vec![recorded()])
    }
}

/// How far this plugin was verified.
#[must_use]
pub fn recorded() -> Finding {
    let text = "this plugin was verified against the recorded protocol of ONOS, never against a server: rehearse a restore";
    Finding::new(Severity::Notice, "recorded-protocol", text)
}

fn of_rest(version: &str) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = State::ALL.iter().map(|it| Part::new(it.id(), STATE)).collect();
    parts.extend(applications::all()?.iter().map(applications::Application::part));
    parts.push(Part::new(OBSERVED_ID, OBSERVED));
    Ok(parts.into_iter().map(|part| part.with_attribute(tree::VERSION, version)).collect())
}

fn of_folder(folder: &str, config: &Config) -> Result<Vec<Part>> {
    let version = tree::version(folder)?;
    if !version.is_empty() {
        Version::admit(&version, config)?;
    }
    let node = tree::node(folder)?;
    let found = partition::find(folder)?;
    if found.is_empty() && tree::find(folder)?.is_empty() {
        return Err(Error::config(
            "it holds neither partitions nor config/ nor apps/: grant $ONOS_HOME of a node",
        ));
    }
    let node = node.unwrap_or_default();
    let mut parts = vec![
        Part::new(tree::id(folder), tree::FILES)
            .with_attribute(part::FOLDER, folder)
            .with_attribute(part::MEMBER, &node),
    ];
    for partition in found {
        if load::is_unfinished(folder, &partition)? {
            return Err(Error::conflict(format!(
                "a restore of partition {} was not finished; run it again with --overwrite",
                partition.prefix()
            )));
        }
        let member = load::owner(folder, &partition)?.unwrap_or_else(|| node.clone());
        parts.push(part::of_partition("node", folder, &member, &partition)?);
    }
    Ok(parts.into_iter().map(|part| part.with_attribute(tree::VERSION, &version)).collect())
}
