//! The end of the service, and its next beginning.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use reqwest::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::client::{expect, id};
use crate::stage::Stage;
use crate::wait;

#[test]
fn a_service_that_is_asked_to_ends_in_order_and_goes_on_later() -> Result<()> {
    wait(async {
        let mut stage = Stage::open("grace-seconds = 1", "")?;
        // Enough that a backup does not end within the grace.
        lockgate_tests::folder::fill(&stage.site.path("home/much"), 20_000, 600 << 20, 7)?;
        let boss = stage.client("boss");
        let job = id(&boss.post("/backups", &json!({ "name": "home" })).await?)?;
        let mut events = Box::pin(boss.events(&format!("/jobs/{job}/events"), None).await?);
        let first = events.next().await;
        ensure!(first.is_some_and(|told| told.is_ok()), "no event");
        let mut changes = Box::pin(boss.events("/events", None).await?);
        let took = stage.terminate()?;
        println!("the service ended within {took:?}");
        // Streams end as streams end, not by a broken connection.
        while let Some(told) = events.next().await {
            told?;
        }
        while let Some(told) = changes.next().await {
            told?;
        }
        ensure!(boss.get("/me").await.is_err(), "it still answers");

        stage.serve()?;
        let boss = stage.client("boss");
        let ended = boss.ended(&job).await?;
        ensure!(ended["state"] == "DONE", "{ended}");
        let told = crate::events::all(&boss, &job, None).await?;
        crate::events::check_whole(&told)?;
        let backups = boss.get("/backups?state=READY").await?;
        ensure!(backups[0]["id"] == ended["backup"], "{backups}");
        ensure!(took < Duration::from_secs(30), "{took:?}");
        Ok(())
    })
}

#[test]
fn a_service_that_was_killed_finds_its_jobs_again() -> Result<()> {
    wait(async {
        let mut stage = Stage::open("", "")?;
        lockgate_tests::folder::fill(&stage.site.path("home/much"), 2000, 200 << 20, 8)?;
        let boss = stage.client("boss");
        let job = id(&boss.post("/backups", &json!({ "name": "home" })).await?)?;
        let mut events = Box::pin(boss.events(&format!("/jobs/{job}/events"), None).await?);
        ensure!(events.next().await.is_some_and(|told| told.is_ok()), "no event");
        stage.kill();
        stage.serve()?;
        let boss = stage.client("boss");
        let ended = boss.ended(&job).await?;
        ensure!(ended["state"] == "DONE", "{ended}");
        crate::events::check_whole(&crate::events::all(&boss, &job, None).await?)
    })
}

#[test]
fn a_job_stops_when_it_is_asked_to() -> Result<()> {
    wait(async {
        let stage = Stage::open("", "")?;
        lockgate_tests::folder::fill(&stage.site.path("home/much"), 2000, 200 << 20, 9)?;
        let boss = stage.client("boss");
        let job = id(&boss.post("/backups", &json!({ "name": "home" })).await?)?;
        let mut events = Box::pin(boss.events(&format!("/jobs/{job}/events"), None).await?);
        ensure!(events.next().await.is_some_and(|told| told.is_ok()), "no event");
        let path = format!("/jobs/{job}");
        let answer = boss.request(Method::DELETE, &path).send().await?;
        expect(answer, reqwest::StatusCode::ACCEPTED).await?;
        let ended = boss.ended(&job).await?;
        ensure!(ended["state"] == "CANCELLED", "{ended}");
        let backup = ended["backup"].as_str().unwrap_or_default();
        let backup = boss.get(&format!("/backups/{backup}")).await?;
        ensure!(backup["state"] == "ERROR" && backup["error"]["detail"].is_string(), "{backup}");
        Ok(())
    })
}

#[test]
fn ctrl_c_of_a_client_leaves_the_job_and_ctrl_c_of_the_service_waits_for_it() -> Result<()> {
    wait(async {
        let mut stage = Stage::open("", "")?;
        lockgate_tests::folder::fill(&stage.site.path("home/much"), 2000, 200 << 20, 9)?;
        let boss = stage.client("boss");
        let lockgate = stage.site.lockgate.clone().with("LOCKGATE_SERVER", stage.url());
        let lockgate = lockgate.with("LOCKGATE_TOKEN", "boss token for tests");
        let mut command = lockgate.command(&["backup", "--label", "nightly", "home"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let until = Instant::now() + Duration::from_secs(60);
        let job = loop {
            let running = boss.get("/jobs?state=RUNNING").await?;
            if let Some(job) = running.as_array().and_then(|jobs| jobs.first()) {
                break id(job)?;
            }
            ensure!(Instant::now() < until, "no job runs");
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let client = Pid::from_raw(i32::try_from(child.id())?).context("no process")?;
        kill_process(client, Signal::INT)?;
        let left = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&left.stdout).into_owned();
        ensure!(left.status.code() == Some(130), "{left:?}");
        ensure!(said.contains(&format!("job {job}")) && said.contains("goes on"), "{said}");
        let going = boss.get(&format!("/jobs/{job}")).await?;
        ensure!(matches!(going["state"].as_str(), Some("RUNNING" | "DONE")), "{going}");

        // The service ends when the job has ended, which is within its grace, and nobody begins it again.
        stage.interrupt()?;
        stage.serve()?;
        let boss = stage.client("boss");
        let ended = boss.get(&format!("/jobs/{job}")).await?;
        ensure!(ended["state"] == "DONE", "{ended}");
        let told = crate::events::all(&boss, &job, None).await?;
        let begun = told.iter().filter(|told| told.json()["state"] == "RUNNING").count();
        ensure!(begun == 1, "it was begun {begun} times");
        crate::events::check_whole(&told)
    })
}
