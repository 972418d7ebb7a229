//! A restore: containers into a running node, or a snapshot for one that is about to start.

use lockgate_plugin::{
    Context, Error, Finding, Outcome, Part, Restore, RestoreRequest, Result, Severity, Step, listed,
};

use crate::backup::{MODELS, SNAPSHOT};
use crate::config::Config;
use crate::container;
use crate::node::{MODULES, Node};
use crate::place;

/// A restore under way.
#[derive(Debug)]
pub struct Restoring {
    config: Config,
    request: RestoreRequest,
    findings: Vec<Finding>,
}

impl Restore for Restoring {
    type Config = Config;

    fn preview(_config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        refuse_renaming(&request)?;
        let step = |part: &Part| {
            let (action, target) = match part.kind.as_str() {
                SNAPSHOT => ("place the snapshot for the next start", "folder restore".to_owned()),
                MODELS => ("compare the models", "the node".to_owned()),
                _ => ("replace", container::name(part)?.to_owned()),
            };
            let overwrites = request.overwrite && part.kind != MODELS;
            Ok(Step {
                overwrites,
                bytes_estimate: part.bytes_estimate,
                ..Step::new(&part.id, action, target)
            })
        };
        request.parts.iter().map(step).collect()
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        config.validate()?;
        refuse_renaming(&request)?;
        let mut findings = Vec::new();
        if place::is_asked_for(&request) {
            if request.parts.iter().any(|part| part.kind == container::KIND) {
                return Err(Error::conflict(
                    "containers go into a node that runs and a snapshot into one that does not: restore them one after the other",
                ));
            }
            place::prepare(&request)?;
        } else {
            let node = Node::probe(&config)?;
            findings.extend(compare_models(&node, &request)?);
            refuse_what_is_there(&request)?;
        }
        let stages = vec![request.parts.clone()];
        Ok((Self { config, request, findings }, stages))
    }

    fn join(config: Config, request: RestoreRequest) -> Result<Self> {
        Ok(Self { config, request, findings: Vec::new() })
    }

    fn import(&mut self, part: Part) -> Result<()> {
        let imported = match part.kind.as_str() {
            SNAPSHOT => place::import(&part, self.request.overwrite),
            // They come with the node's features; whether they are there was looked at before.
            MODELS => Ok(()),
            _ => container::import(&part),
        };
        imported.with_context(|| part.id.clone())
    }

    fn fingerprint(&mut self, part: Part) -> Result<String> {
        if part.kind != container::KIND {
            return Err(Error::unsupported("only containers have fingerprints"));
        }
        let name = container::name(&part)?;
        container::live(name)?.ok_or_else(|| Error::conflict(format!("there is no {name}")))
    }

    fn end(mut self, outcome: Outcome) -> Result<Vec<Finding>> {
        if place::is_asked_for(&self.request) {
            let found = match outcome {
                Outcome::Completed => place::confirm(&self.config, &self.request)?,
                _ => place::give_up(),
            };
            self.findings.extend(found);
        }
        Ok(self.findings)
    }
}

fn refuse_renaming(request: &RestoreRequest) -> Result<()> {
    if request.rename.is_empty() {
        return Ok(());
    }
    Err(Error::unsupported(
        "nothing can be renamed: the name of a container is part of its model, and that of a shard of the node's configuration",
    ))
}

/// What the node must know for the parts.
fn compare_models(node: &Node, request: &RestoreRequest) -> Result<Option<Finding>> {
    let containers = request.parts.iter().filter(|part| part.kind == container::KIND);
    let needed: Vec<&str> = containers.filter_map(|part| part.attribute(MODULES)).collect();
    let (missing, other) = node.compare(&needed.join(" "));
    if !missing.is_empty() {
        return Err(Error::unsupported(format!(
            "the node lacks models of the backup: {}; install the features that bring them, or choose other parts with --part",
            listed(&missing)
        )));
    }
    Ok(other_models(&other))
}

/// A warning about models of other revisions.
pub fn other_models(other: &[String]) -> Option<Finding> {
    if other.is_empty() {
        return None;
    }
    let text =
        format!("models of the backup that the node has in another revision: {}", listed(other));
    Some(Finding::new(Severity::Warning, "models-differ", text))
}

/// A container that has data already is in the way.
fn refuse_what_is_there(request: &RestoreRequest) -> Result<()> {
    if request.overwrite {
        return Ok(());
    }
    let mut present = Vec::new();
    for part in request.parts.iter().filter(|part| part.kind == container::KIND) {
        let name = container::name(part)?;
        if container::is_there(name)? {
            present.push(name.to_owned());
        }
    }
    if present.is_empty() {
        return Ok(());
    }
    Err(Error::conflict(format!(
        "containers that have data already: {}; --overwrite replaces them as a whole",
        listed(&present)
    )))
}
