//! preview, begin, join, import, end.

use lockgate_plugin::{
    Error, Finding, Outcome, Part, Restore, RestoreRequest, Result, Severity, Step, job,
};
use serde_json::{Value, json};

use crate::backup::{read_dependencies, root_fingerprint};
use crate::config::Config;
use crate::definition::{self, Definition, Sort};
use crate::deployments;
use crate::limits::NAMED_MAX;
use crate::lines;
use crate::names::{self, NEEDS, PartKind, ROOT, Renames};
use crate::server::Info;
use crate::tree;

/// A coordinator or a worker of a restore.
#[derive(Debug)]
pub struct Restoring {
    config: Config,
    renames: Renames,
    overwrite: bool,
    parts: Vec<Part>,
}

impl Restore for Restoring {
    type Config = Config;

    fn preview(config: Config, request: RestoreRequest) -> Result<Vec<Step>> {
        let restoring = Self::open(config, request)?;
        Info::ask(&restoring.config)?;
        restoring.steps()
    }

    fn begin(config: Config, request: RestoreRequest) -> Result<(Self, Vec<Vec<Part>>)> {
        let restoring = Self::open(config, request)?;
        Info::ask(&restoring.config)?;
        let steps = restoring.steps()?;
        let in_the_way: Vec<&str> =
            steps.iter().filter(|step| step.overwrites).map(|step| step.target.as_str()).collect();
        if !restoring.overwrite && !in_the_way.is_empty() {
            let named = in_the_way.get(..NAMED_MAX).unwrap_or(&in_the_way).join(", ");
            return Err(Error::conflict(format!(
                "there already ({}): {named}; overwrite them, or rename",
                in_the_way.len()
            )));
        }
        let stages = stages(&restoring.parts)?;
        Ok((restoring, stages))
    }

    fn join(config: Config, request: RestoreRequest) -> Result<Self> {
        Self::open(config, request)
    }

    fn import(&mut self, part: Part) -> Result<()> {
        let node = names::node_of(&part)?;
        let kind = PartKind::of(&part)?;
        match kind {
            PartKind::Info => return Ok(()),
            PartKind::Root => return self.import_root(),
            PartKind::Group | PartKind::App | PartKind::Pod => {}
        }
        let target = self.renames.of(node);
        let mut wanted = Vec::new();
        for one in lines::read(node)? {
            let one = one.renamed(&self.renames);
            wanted.push(if self.config.suspended { one.suspended() } else { one });
        }
        definition::sort(&mut wanted);
        job::progress(&part.id, 0, wanted.len() as u64);
        let there = live(kind, &target)?;
        if there.is_some() && !self.overwrite {
            return Err(Error::conflict(format!("{target} is there already")));
        }
        let there = there.unwrap_or_default();
        if there == wanted {
            return Ok(());
        }
        let group = format!("/v2/groups{target}");
        // What came into a group before it enforced its role may have another one, which no new one may.
        let mut is_enforced = false;
        if kind == PartKind::Group {
            let mut body = tree::update(&target, &wanted)?;
            if let Some(enforce) = body.get_mut("enforceRole") {
                is_enforced = enforce.take() == Value::Bool(true);
                *enforce = false.into();
            }
            self.change("PUT", &group, Some(&body))?;
        }
        for one in wanted.iter().filter(|one| one.kind == Sort::Pod || kind == PartKind::App) {
            self.put(one, &there)?;
        }
        for one in there.iter().filter(|one| one.kind == Sort::Pod) {
            let is_wanted =
                wanted.iter().any(|wanted| (wanted.kind, wanted.id()) == (one.kind, one.id()));
            // It may have gone with its group.
            if !is_wanted && tree::pod(one.id())?.is_some() {
                self.change("DELETE", &format!("/v2/pods{}", one.id()), None)?;
            }
        }
        if is_enforced {
            self.change("PATCH", &group, Some(&json!({ "enforceRole": true })))?;
        }
        Ok(())
    }

    fn fingerprint(&mut self, part: Part) -> Result<String> {
        let kind = PartKind::of(&part)?;
        if kind == PartKind::Info {
            return Err(Error::unsupported("the description of a server has no fingerprint"));
        }
        let back = self.renames.reversed();
        if kind == PartKind::Root {
            let mut dependencies: Vec<String> =
                tree::outline()?.dependencies().iter().map(|id| back.of(id)).collect();
            dependencies.sort();
            return Ok(root_fingerprint(&dependencies));
        }
        let target = self.renames.of(names::node_of(&part)?);
        let there = live(kind, &target)?.unwrap_or_default();
        let mut found: Vec<Definition> = there.into_iter().map(|one| one.renamed(&back)).collect();
        definition::sort(&mut found);
        definition::fingerprint(&found)
    }

    fn end(self, outcome: Outcome) -> Result<Vec<Finding>> {
        if outcome != Outcome::Completed {
            return Ok(Vec::new());
        }
        let info = Info::ask(&self.config)?;
        let mut findings = vec![status(&deployments::running()?)];
        findings
            .extend(info.findings(None).into_iter().filter(|it| it.severity > Severity::Notice));
        if self.config.suspended {
            let text = "everything came back with no instances; `lockgate maintenance SOURCE resume` starts what ran";
            findings.push(Finding::new(Severity::Notice, "suspended", text));
        }
        Ok(findings)
    }
}

/// The state of Marathon after a restore, in the words in which DC/OS tells that of its components.
fn status(running: &[deployments::Deployment]) -> Finding {
    let (severity, status, text) = if running.is_empty() {
        (
            Severity::Ok,
            "STATUS_READY",
            "all definitions are there, and no deployment runs".to_owned(),
        )
    } else {
        let text = format!(
            "all definitions are there; deployments still run: {}",
            deployments::shown(running)
        );
        (Severity::Warning, "STATUS_RESTORING", text)
    };
    Finding::new(severity, "component-status", text)
        .with_attribute("component_status.marathon", status)
}

/// What is at `target` now, if anything is.
fn live(kind: PartKind, target: &str) -> Result<Option<Vec<Definition>>> {
    match kind {
        PartKind::App => Ok(tree::app(target)?.map(|one| vec![one])),
        PartKind::Pod => Ok(tree::pod(target)?.map(|one| vec![one])),
        PartKind::Group | PartKind::Root | PartKind::Info => tree::group(target),
    }
}

/// Parts that need others come after them; those that need each other come together.
fn stages(parts: &[Part]) -> Result<Vec<Vec<Part>>> {
    let mut waiting: Vec<(Part, Vec<String>)> = Vec::new();
    let (mut stages, mut last) = (Vec::new(), Vec::new());
    for part in parts {
        if matches!(PartKind::of(part)?, PartKind::Root | PartKind::Info) {
            last.push(part.clone());
            continue;
        }
        let needs =
            part.attribute(NEEDS).map(serde_json::from_str).transpose()?.unwrap_or_default();
        waiting.push((part.clone(), needs));
    }
    while !waiting.is_empty() {
        let nodes = waiting.iter().map(|(part, _)| Ok(names::node_of(part)?.to_owned()));
        let nodes = nodes.collect::<Result<Vec<String>>>()?;
        let must_wait = |(_, needs): &(Part, Vec<String>)| {
            needs.iter().any(|need| {
                nodes
                    .iter()
                    .any(|node| names::is_inside(need, node) || names::is_inside(node, need))
            })
        };
        let (mut next, mut later) = (Vec::new(), Vec::new());
        for one in waiting {
            if must_wait(&one) { later.push(one) } else { next.push(one.0) }
        }
        if next.is_empty() {
            next = later.drain(..).map(|(part, _)| part).collect();
        }
        stages.push(next);
        waiting = later;
    }
    stages.extend((!last.is_empty()).then_some(last));
    Ok(stages)
}

impl Restoring {
    fn open(config: Config, request: RestoreRequest) -> Result<Self> {
        config.validate()?;
        let renames = Renames::new(&request.rename)?;
        renames.check(&request.parts)?;
        Ok(Self { config, renames, overwrite: request.overwrite, parts: request.parts })
    }

    fn change(&self, method: &str, target: &str, body: Option<&Value>) -> Result<()> {
        deployments::change(method, target, body, self.overwrite, self.config.deployment_seconds)
    }

    /// Makes an application or a pod as it is wanted.
    fn put(&self, one: &Definition, there: &[Definition]) -> Result<()> {
        let (place, id) = (if one.kind == Sort::Pod { "/v2/pods" } else { "/v2/apps" }, one.id());
        let found = there.iter().find(|other| (other.kind, other.id()) == (one.kind, id));
        if found == Some(one) {
            return Ok(());
        }
        let body = Value::Object(one.definition.clone());
        match (found, one.kind) {
            (None, _) => self.change("POST", place, Some(&body)),
            // What is not said would stay as it is.
            (Some(_), Sort::App) => {
                self.change("PUT", &format!("{place}{id}?partialUpdate=false"), Some(&body))
            }
            (Some(_), _) => self.change("PUT", &format!("{place}{id}"), Some(&body)),
        }
    }

    fn import_root(&self) -> Result<()> {
        let mut wanted: Vec<String> =
            read_dependencies()?.iter().map(|id| self.renames.of(id)).collect();
        wanted.iter().try_for_each(|id| names::check(id))?;
        wanted.sort();
        let mut there = tree::outline()?.dependencies().to_vec();
        there.sort();
        if wanted == there {
            return Ok(());
        }
        // Without lists of applications and groups, those stay.
        self.change("PUT", "/v2/groups", Some(&json!({ "id": ROOT, "dependencies": wanted })))
    }

    fn steps(&self) -> Result<Vec<Step>> {
        let outline = tree::outline()?;
        let mut steps = Vec::new();
        for part in stages(&self.parts)?.concat() {
            let kind = PartKind::of(&part)?;
            let target = self.renames.of(names::node_of(&part)?);
            let asleep = if self.config.suspended { " with no instances" } else { "" };
            let (action, is_there) = match kind {
                PartKind::Info => ("leave in the archive".to_owned(), false),
                PartKind::Root => {
                    ("set the dependencies of".to_owned(), !outline.dependencies().is_empty())
                }
                PartKind::Group | PartKind::App | PartKind::Pod => {
                    let is_there = live(kind, &target)?.is_some();
                    let verb = if is_there {
                        "make equal, and delete what is not in the backup,"
                    } else {
                        "make"
                    };
                    (format!("{verb}{asleep} the {}", kind.name()), is_there)
                }
            };
            let mut step = Step::new(&part.id, action, target);
            step.overwrites = is_there;
            step.bytes_estimate = part.bytes_estimate;
            steps.push(step);
        }
        Ok(steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_after_those_that_they_need() {
        let part = |id: &str, needs: &[&str]| {
            PartKind::Group.part(id).with_attribute(NEEDS, serde_json::to_string(needs).unwrap())
        };
        let parts = [
            PartKind::Root.part(ROOT),
            part("/web", &["/app/x", "/gone"]),
            part("/app", &["/db"]),
            part("/db", &[]),
            part("/y", &["/z"]),
            part("/z", &["/y/a"]),
        ];
        let ids: Vec<Vec<String>> = stages(&parts)
            .unwrap()
            .into_iter()
            .map(|it| it.into_iter().map(|part| part.id).collect())
            .collect();
        let expected = [
            vec!["group/db"],
            vec!["group/app"],
            vec!["group/web"],
            vec!["group/y", "group/z"],
            vec!["root"],
        ];
        assert_eq!(ids, expected);
    }

    #[test]
    fn the_status_is_in_the_words_of_dcos() {
        let ready = status(&[]);
        assert_eq!(ready.severity, Severity::Ok);
        assert_eq!(ready.attributes[0].key, "component_status.marathon");
        assert_eq!(ready.attributes[0].value, "STATUS_READY");
        let one = serde_json::from_value(json!({"id": "d", "affectedApps": ["/a"]})).unwrap();
        let busy = status(&[one]);
        assert_eq!(busy.attributes[0].value, "STATUS_RESTORING");
        assert!(busy.message.contains("d (/a)"));
    }
}
