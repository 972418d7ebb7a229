//! A look at folders and members that changes nothing.

use std::collections::BTreeSet;

use lockgate_atomix_storage::load;
use lockgate_plugin::{Context, Finding, Result, Severity, files, printable};

use crate::backup::Found;
use crate::config::Config;
use crate::live::{self, State};

/// What each folder holds, which members live and see each other, and what has no files.
///
/// # Errors
/// When a folder cannot be read.
pub fn check(config: &Config) -> Result<Vec<Finding>> {
    config.validate()?;
    let mut findings = Vec::new();
    let mut named = BTreeSet::new();
    let mut held = BTreeSet::new();
    for folder in files::folders()?.into_iter().map(|it| it.name) {
        let found = Found::look(&folder, config).with_context(|| format!("folder {folder}"))?;
        findings.push(holds(&folder, &found));
        for partition in &found.partitions {
            if load::is_unfinished(&folder, partition)? {
                let text =
                    format!("{folder}: a restore of {} was not finished", partition.prefix());
                findings.push(Finding::new(Severity::Critical, "restore-unfinished", text));
            }
        }
        held.insert(found.member.clone());
        for (name, group) in found.settings.iter().flat_map(|it| &it.groups) {
            named.extend(group.members.iter().cloned());
            if !group.is_on_disk() {
                let text = format!(
                    "{folder}: group {} ({} {}) has no files and is not saved",
                    printable(name),
                    printable(&group.kind),
                    printable(&group.level)
                );
                findings.push(Finding::new(Severity::Warning, "group-not-on-disk", text));
            }
        }
        findings.extend(life(&folder, &found.member)?);
    }
    let absent: Vec<String> = named.difference(&held).map(printable).collect();
    if !absent.is_empty() && !named.is_empty() {
        let text = format!(
            "members {} are named in the configuration and have no folder here: what they hold is not saved",
            absent.join(", ")
        );
        findings.push(Finding::new(Severity::Warning, "member-without-folder", text));
    }
    Ok(findings)
}

fn holds(folder: &str, found: &Found) -> Finding {
    let partitions: Vec<String> = found.partitions.iter().map(|it| it.prefix()).collect();
    let count = found.configuration.len();
    if partitions.is_empty() && count == 0 {
        let text = format!("folder {folder} holds neither configuration nor partitions");
        return Finding::new(Severity::Warning, "folder-empty", text);
    }
    let text = format!(
        "folder {folder} is of member {}: {count} configuration files, partitions {}",
        printable(&found.member),
        printable(partitions.join(", "))
    );
    Finding::new(Severity::Ok, "folder", text)
}

/// What a member says of the cluster.
fn life(folder: &str, member: &str) -> Result<Vec<Finding>> {
    let finding = |severity, code, text: String| Ok(vec![Finding::new(severity, code, text)]);
    match live::state(folder)? {
        State::Unknown => Ok(Vec::new()),
        State::Silent(why) => {
            finding(Severity::Critical, "member-silent", format!("{folder} does not answer: {why}"))
        }
        State::Alive => {
            let nodes = match live::nodes(folder) {
                Ok(nodes) => nodes,
                Err(error) => return finding(Severity::Critical, "member-sick", error.to_string()),
            };
            let names: Vec<String> = nodes.iter().map(|it| printable(&it.id)).collect();
            let mut findings = vec![Finding::new(
                Severity::Ok,
                "member-alive",
                format!("{folder} sees members {}", names.join(", ")),
            )];
            if !member.is_empty() && !nodes.iter().any(|it| it.id == member) {
                let text =
                    format!("the endpoint of {folder} is not of member {}", printable(member));
                findings.push(Finding::new(Severity::Warning, "endpoint-of-another", text));
            }
            findings.push(match live::primitives(folder) {
                Ok(count) => {
                    let text = format!("{folder} tells {count} primitives");
                    Finding::new(Severity::Ok, "cluster-serves", text)
                }
                Err(error) => {
                    let text = format!("{folder} does not tell the primitives: {error}");
                    Finding::new(Severity::Critical, "cluster-does-not-serve", text)
                }
            });
            Ok(findings)
        }
    }
}
