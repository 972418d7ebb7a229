//! The service is killed at random moments of backups and restores, and says afterwards what became of each.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lockgate_conformance::random::Random;
use lockgate_tests::{folder, tree};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stage::Stage;
use crate::wait;

const KILLS: u32 = 30;
const FILES: u64 = 400;
/// Of all files.
const BYTES: u64 = 40 << 20;
/// What a restart may take until nothing is left to decide.
const SETTLED_IN: Duration = Duration::from_secs(60);

#[test]
fn a_killed_service_knows_what_became_of_every_job() -> Result<()> {
    wait(async {
        let place = TempDir::new()?;
        let (data, flag) = (place.path().join("data"), place.path().join("out-of-service"));
        std::fs::create_dir(&data)?;
        folder::fill(&data, FILES, BYTES, 7)?;
        let expected = place.path().join("expected");
        ensure!(Command::new("cp").arg("-a").args([&data, &expected]).status()?.success(), "cp");
        let mut stage = Stage::closed("requests-per-minute = 6000", &source(&data, &flag))?;
        stage.serve()?;

        let backup = json!({ "name": "data", "maintenance": true, "force": true });
        let (first, backup_time) = timed(&stage, "/backups", &backup).await?;
        let first = first["backup"].as_str().context("no backup")?.to_owned();
        let restore = json!({ "backup": first, "overwrite": true });
        let (_, restore_time) = timed(&stage, "/restores", &restore).await?;
        println!("undisturbed: backup {backup_time:?}, restore {restore_time:?}");

        let mut random = Random::new(30);
        let mut tally = Tally::default();
        for number in 0..KILLS {
            let (path, body, time) = match number % 2 {
                0 => ("/backups", &backup, backup_time),
                _ => ("/restores", &restore, restore_time),
            };
            let job = stage.client("boss").post(path, body).await?;
            let milliseconds = u64::try_from(time.as_millis())? * 5 / 4;
            tokio::time::sleep(Duration::from_millis(random.below(milliseconds.max(1)))).await;
            stage.kill();
            tally.out_of_service += u32::from(flag.exists());
            stage.serve()?;
            settled(&stage, &flag).await.with_context(|| format!("kill {number}"))?;
            tally.count(&stage, &job).await?;
        }
        println!("{KILLS} kills: {tally:?}");

        // What was there before the first kill is there, and nothing else is damaged. Later backups are of whatever restores that
        // were broken off left.
        std::fs::remove_dir_all(&data)?;
        std::fs::create_dir(&data)?;
        stage.client("boss").done("/restores", &restore).await?;
        tree::equal(&data, &expected)?;
        stage.terminate()?;
        stage.site.restic_check()
    })
}

/// Files whose application is out of service while a file is there.
fn source(data: &Path, flag: &Path) -> String {
    let (data, flag) = (data.display(), flag.display());
    format!(
        "[sources.data]\nplugin = \"files\"\nfolders.data = {{ path = \"{data}\", access = \"read-write\" }}\n\
         [sources.data.maintenance]\nenter = [\"touch\", \"{flag}\"]\nleave = [\"rm\", \"-f\", \"{flag}\"]\n"
    )
}

async fn timed(stage: &Stage, path: &str, body: &Value) -> Result<(Value, Duration)> {
    let begun = Instant::now();
    let job = stage.client("boss").done(path, body).await?;
    Ok((job, begun.elapsed()))
}

/// Waits until every job has ended, with a reason where it failed, and nothing is out of service.
async fn settled(stage: &Stage, flag: &Path) -> Result<()> {
    let client = stage.client("boss");
    let begun = Instant::now();
    loop {
        let jobs = client.get("/jobs?limit=100").await?;
        let jobs = jobs.as_array().context("no list")?;
        let is_ended =
            |job: &Value| matches!(job["state"].as_str(), Some("DONE" | "ERROR" | "CANCELLED"));
        if jobs.iter().all(is_ended) {
            let is_told =
                |job: &Value| job["state"] == "DONE" || job["error"]["detail"].is_string();
            ensure!(jobs.iter().all(is_told), "a job failed without a reason: {jobs:?}");
            break;
        }
        ensure!(begun.elapsed() < SETTLED_IN, "jobs did not end: {jobs:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ensure!(!flag.exists(), "the application is still out of service");
    let sources = client.get("/sources").await?;
    let source = sources.as_array().and_then(|all| all.iter().find(|it| it["name"] == "data"));
    ensure!(source.context("no source")?["maintenance"].is_null(), "{sources}");
    let backups = client.get("/backups?limit=100").await?;
    let backups = backups.as_array().context("no list")?;
    let is_settled = |it: &Value| it["state"] == "READY" || it["error"]["detail"].is_string();
    ensure!(backups.iter().all(is_settled), "{backups:?}");
    let listed = stage.lockgate.summary(&["snapshots"])?;
    let ready = u64::try_from(ready(stage).await?.len())?;
    ensure!(listed["snapshots"] == ready, "{ready} backups are ready, and there are {listed}");
    Ok(())
}

/// Ids of the backups that can be restored, the newest first.
async fn ready(stage: &Stage) -> Result<Vec<String>> {
    let backups = stage.client("boss").get("/backups?state=READY&limit=100").await?;
    let ids = backups.as_array().context("no list")?.iter();
    Ok(ids.filter_map(|backup| backup["id"].as_str()).map(str::to_owned).collect())
}

/// What became of the jobs that were there when the service was killed.
#[derive(Debug, Default)]
struct Tally {
    /// They had ended, or were found to be complete.
    done: u32,
    /// They were begun again.
    resumed: u32,
    /// They failed, with the reason.
    given_up: u32,
    /// Kills that hit while the application was out of service.
    out_of_service: u32,
}

impl Tally {
    async fn count(&mut self, stage: &Stage, job: &Value) -> Result<()> {
        let id = job["id"].as_str().context("no id")?;
        let told = stage.client("boss").get(&format!("/jobs/{id}")).await?;
        let text =
            stage.client("boss").request(reqwest::Method::GET, &format!("/jobs/{id}/events"));
        let text = text.send().await?.text().await?;
        let runs = text.matches("\"RUNNING\"").count();
        match (told["state"].as_str(), runs) {
            (Some("DONE"), 0 | 1) => self.done += 1,
            (Some("DONE"), _) => self.resumed += 1,
            _ => self.given_up += 1,
        }
        Ok(())
    }
}
