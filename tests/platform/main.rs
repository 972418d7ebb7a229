//! A whole platform of eight datastores, lost and brought back by the service: what docs/tutorial.md tells.

mod datastores;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lockgate_servers::Age;
use lockgate_tests::{Lockgate, Service, Site};
use serde_json::Value;

use datastores::Datastores;

/// Every minute, for one that does not want to wait for the night.
const SOON: &str = "* * * * *";
const AT_NIGHT: &str = "0 3 * * *";
/// The schedule must have come, and its backup be complete.
const SAVED_IN: Duration = Duration::from_secs(150);
const TOKEN: &str = "the operator's token";

/// What the operator sees: one configuration, a service, and a command that asks it.
struct Operator<'a> {
    site: &'a Site,
    service: Service,
    lockgate: Lockgate,
}

impl<'a> Operator<'a> {
    fn start(site: &'a Site, datastores: &Datastores, cron: &str) -> Result<Self> {
        let mut text =
            datastores.configuration(&site.path("repository"), &site.path("password"))?;
        std::fs::write(site.path("token"), TOKEN)?;
        text.push_str(&format!(
            include_str!("service.toml"),
            state = site.text("state.sqlite"),
            token = site.text("token"),
        ));
        text.push_str(&format!(
            "\n[schedules.nightly]\ncron = \"{cron}\"\ntime-zone = \"Europe/Berlin\"\nbackup = \"platform\"\nlabel = \"nightly\"\n\
             maintenance = true\ncheck-stability = true\nkeep = {{ last = 3 }}\n"
        ));
        let lockgate = site.configured(&text)?;
        if !site.path("repository").exists() {
            lockgate.ok(&["init"])?;
        }
        let service = Service::start(&lockgate, &site.path("service.log"))?;
        let lockgate = lockgate
            .with("LOCKGATE_SERVER", &service.url)
            .with("LOCKGATE_TOKEN_FILE", site.path("token"));
        Ok(Self { site, service, lockgate })
    }

    /// Waits for a backup that can be restored, and gives its id.
    fn saved(&self) -> Result<String> {
        let begun = Instant::now();
        loop {
            let listed = self.lockgate.ok(&["--json", "list", "nightly"])?.stdout;
            let backups = listed.lines().map(serde_json::from_str::<Value>);
            let backups = backups.collect::<Result<Vec<_>, _>>()?;
            let failed = backups.iter().find(|backup| backup["state"] == "ERROR");
            ensure!(failed.is_none(), "{failed:?}");
            if let Some(ready) = backups.iter().find(|backup| backup["state"] == "READY") {
                return Ok(ready["id"].as_str().context("no id")?.to_owned());
            }
            let log = || std::fs::read_to_string(self.site.path("service.log"));
            ensure!(begun.elapsed() < SAVED_IN, "no backup in {SAVED_IN:?}: {}", log()?);
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// What the events of the newest job of a kind tell.
    fn told(&self, kind: &str) -> Result<String> {
        let jobs = self.lockgate.ok(&["--json", "jobs"])?.stdout;
        let jobs = jobs.lines().map(serde_json::from_str::<Value>);
        let jobs = jobs.collect::<Result<Vec<_>, _>>()?;
        let job = jobs.iter().find(|job| job["kind"] == kind);
        let id = job.and_then(|job| job["id"].as_str()).context("no such job")?;
        Ok(self.lockgate.ok(&["--json", "jobs", "follow", id])?.stdout)
    }
}

#[test]
fn a_lost_platform_comes_back_on_fresh_servers() -> Result<()> {
    let site = Site::local()?;
    let age = Age::create(&site.path("identity"))?;
    std::fs::write(site.path("password"), "correct horse")?;

    let first = Datastores::empty(&age)?;
    first.fill()?;
    let before = first.look()?;
    let operator = Operator::start(&site, &first, SOON)?;
    let id = operator.saved()?;
    let told = operator.told("backup")?;
    ensure!(told.contains("\"is_on\":true") && told.contains("\"is_on\":false"), "{told}");
    operator.service.terminate()?;

    // The servers are killed and their folders deleted.
    drop(first);
    let fresh = Datastores::empty(&age)?;
    let operator = Operator::start(&site, &fresh, AT_NIGHT)?;
    let recovery = ["restore", &id, "--disaster-recovery"];
    println!("{}", operator.lockgate.ok(&[&recovery[..], &["--dry-run"]].concat())?.stdout);
    println!("{}", operator.lockgate.ok(&recovery)?.stdout);
    let health = operator.lockgate.ok(&["health"])?.stdout;
    println!("{health}");
    let shown = operator.lockgate.summary(&["show", &id])?;
    let restored = shown["restores"]["component_status"].as_object().context("no restore")?;
    ensure!(restored.len() == before.len(), "{shown}");
    for (source, status) in restored {
        let message = status["message"].as_str().unwrap_or_default();
        ensure!(
            status["state"] == "READY" && message.contains("fingerprints equal"),
            "{source}: {status}"
        );
    }
    let after = fresh.look()?;
    for (name, content) in &before {
        ensure!(after.get(name) == Some(content), "{name} is not as it was");
    }
    operator.service.terminate().map(drop)
}
