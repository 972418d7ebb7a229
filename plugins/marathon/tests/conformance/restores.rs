//! What a restore does beside bringing definitions back: waits, suspends, tells.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use lockgate_conformance::command::{Lockgate, plugins};
use lockgate_conformance::{Content, Server};
use serde_json::Value;
use tempfile::TempDir;

use crate::server::Marathon;

/// "The target is not empty, or exists already."
const CONFLICT: i32 = 20;

/// `lockgate` with a configuration.
pub struct Site {
    pub lockgate: Lockgate,
    configuration: PathBuf,
    _folder: TempDir,
}

impl Site {
    pub fn open(configuration: &str) -> Result<Self> {
        let folder = TempDir::new()?;
        let path = folder.path().join("config.toml");
        std::fs::write(&path, configuration)?;
        let repository = format!("fs:{}", folder.path().join("repository").display());
        let lockgate = Lockgate::new(folder.path(), &plugins()?)?
            .with("LOCKGATE_REPOSITORY", repository)
            .with("LOCKGATE_CONFIG", &path);
        // The lock file is beside the configuration.
        lockgate.ok(&["plugin", "lock"])?;
        lockgate.ok(&["init"])?;
        Ok(Self { lockgate, configuration: path, _folder: folder })
    }

    pub fn configure(&self, configuration: &str) -> Result<()> {
        Ok(std::fs::write(&self.configuration, configuration)?)
    }
}

/// The finding with this code.
fn finding<'a>(summary: &'a Value, code: &str) -> Result<&'a Value> {
    let findings = summary["findings"].as_array().context("no findings")?;
    findings.iter().find(|it| it["code"] == code).with_context(|| format!("no {code} in {summary}"))
}

/// The attribute with which DC/OS tells how a component is.
fn status(summary: &Value) -> Result<String> {
    Ok(finding(summary, "component-status")?["attributes"].to_string())
}

#[test]
fn a_restore_tells_its_status_and_starts_nothing_that_is_to_sleep() -> Result<()> {
    let (mut source, mut target) = (Marathon::start()?, Marathon::start()?);
    source.fill(Content::Usual)?;
    // As DC/OS lets programs in.
    target.give_token("eyJhbGciOiJub25lIn0")?;
    let text = |config: &str| {
        format!(
            "[sources.a]\n{}[sources.b]\n{}",
            source.configuration(""),
            target.configuration(config)
        )
    };
    let site = Site::open(&text("suspended = true"))?;
    site.lockgate.ok(&["backup", "a"])?;
    let restored = site.lockgate.summary(&["restore", "latest", "--into", "b"])?;
    ensure!(status(&restored)?.contains("STATUS_READY"), "{restored}");
    finding(&restored, "suspended")?;
    ensure!(restored["fingerprints_equal"] == restored["fingerprints_compared"], "{restored}");
    let asleep = target.contents()?;
    for (name, value) in &asleep {
        let is_awake = name.starts_with("app ") && !value.contains("\"instances\": 0");
        ensure!(!is_awake && !value.contains("\"instances\": 2"), "{name} runs: {value}");
    }
    let wanted = source.contents()?;
    ensure!(asleep != wanted);
    let resumed = site.lockgate.ok(&["maintenance", "b", "resume"])?;
    ensure!(target.contents()? == wanted, "{}", resumed.stdout);
    let health = site.lockgate.run(&["health", "b"])?;
    let said = format!("{}{}", health.stdout, health.stderr);
    ensure!(said.contains("never against a server"), "{said}");
    ensure!(said.contains("zk://localhost:2181/marathon"), "{said}");
    Ok(())
}

#[test]
fn running_deployments_are_waited_for_and_told() -> Result<()> {
    let (mut source, target) = (Marathon::start()?, Marathon::start()?);
    source.fill(Content::Usual)?;
    let text = |source: &Marathon| {
        let config = "deployment-seconds = 1";
        format!(
            "[sources.a]\n{}[sources.b]\n{}",
            source.configuration(""),
            target.configuration(config)
        )
    };
    let site = Site::open(&text(&source))?;
    site.lockgate.ok(&["backup", "a"])?;
    site.lockgate.ok(&["restore", "latest", "--into", "b"])?;
    // What asks for more than there is never is deployed: the definition is there, and the restore says how it stands.
    source.client(&["create", "base/large", "1000"])?;
    let saved = site.lockgate.ok(&["backup", "a"])?;
    ensure!(saved.stderr.contains("/base/large"), "{}", saved.stderr);
    let restored = site.lockgate.summary(&["restore", "latest", "--into", "b", "--overwrite"])?;
    ensure!(status(&restored)?.contains("STATUS_RESTORING"), "{restored}");
    ensure!(finding(&restored, "component-status")?["message"].to_string().contains("/base/large"));
    // That deployment locks what it changes; to overwrite cancels it.
    let refused =
        site.lockgate.run(&["restore", "latest", "--into", "b", "--part", "group/base"])?;
    ensure!(refused.code == Some(CONFLICT), "{refused:?}");
    site.lockgate.ok(&["restore", "latest~1", "--into", "b", "--overwrite"])?;
    ensure!(target.client(&["deployments"])? == "[]");
    site.configure(&text(&source))?;
    Ok(())
}
