//! Killed between the end of a job and the delivery of what is to be told.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::place::{PATIENCE, Place, runtime, usual};
use crate::receivers::Http;

/// Names the folder that a child works in.
const FOLDER: &str = "LOCKGATE_TEST_FOLDER";

/// Not a test of its own: the process that is killed.
#[test]
#[ignore = "is run by the other test"]
fn a_process_that_is_killed() -> Result<()> {
    let folder = std::path::PathBuf::from(std::env::var(FOLDER)?);
    let text = fs::read_to_string(folder.join("whole.toml"))?;
    runtime()?.block_on(async {
        let jobs = lockgate_tests::operated::jobs_in(&folder, &text).await?;
        let scheduler = lockgate_operations::Scheduler::new(jobs);
        let going = tokio::spawn(lockgate_operations::background(scheduler.clone()));
        let begun = scheduler.run_now("yearly", "a test").await?;
        while !scheduler.jobs().job(begun[0].id).await?.state.is_ended() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Whoever waits for the file finds all of it.
        fs::write(folder.join("ending"), begun[0].id.to_string())?;
        fs::rename(folder.join("ending"), folder.join("ended"))?;
        going.await?;
        anyhow::bail!("it was not killed")
    })
}

#[test]
fn what_was_to_be_told_is_told_after_a_kill() -> Result<()> {
    let place = Place::new()?;
    // A port at which nobody listens yet.
    let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
    let more = format!(
        "[schedules.yearly]\ncron = \"@yearly\"\nbackup = \"home\"\n\
         [notifications.hook]\non = [\"success\"]\nwebhook = {{ url = \"http://127.0.0.1:{port}/hook\" }}\n"
    );
    fs::write(place.site.path("whole.toml"), place.text(&more))?;
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--exact", "killed::a_process_that_is_killed", "--ignored", "--nocapture"])
        .env(FOLDER, place.site.path(""))
        .stdout(Stdio::null())
        .spawn()
        .context("start the process")?;
    let until = Instant::now() + PATIENCE;
    while !place.site.path("ended").exists() {
        ensure!(Instant::now() < until && child.try_wait()?.is_none(), "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill()?;
    child.wait()?;
    let id = fs::read_to_string(place.site.path("ended"))?;

    let receiver = Http::at(port)?;
    runtime()?.block_on(async {
        let service = place.service(&more, usual()).await?;
        let told = receiver.next("success")?;
        ensure!(told.json()?["job"]["id"] == id.as_str(), "{id}: {told:?}");
        // It is told once, also to whoever starts again.
        service.stop().await;
        let service = place.service(&more, usual()).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        service.stop().await;
        ensure!(receiver.is_empty(), "it was told twice");
        Ok(())
    })
}
