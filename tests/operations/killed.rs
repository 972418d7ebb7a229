//! Killed in the middle: the next start finishes, resumes or gives up what was left, and puts back what was out of service.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lockgate_api::{BackupState, JobState};
use lockgate_operations::Wanted;
use lockgate_tests::operated::jobs_in;

use crate::place::{Place, Wish, backup, backup_of, done, ended, restore, runtime, said};

/// Names the folder that a child works in.
const FOLDER: &str = "LOCKGATE_TEST_FOLDER";

/// Not a test of its own: the process that is killed. It does what stands in the file `request`.
#[test]
#[ignore = "is run by the other tests"]
fn a_process_that_is_killed() -> Result<()> {
    let folder = std::path::PathBuf::from(std::env::var(FOLDER)?);
    runtime()?.block_on(async {
        let jobs = jobs_in(&folder, &fs::read_to_string(folder.join("slow.toml"))?).await?;
        let request = serde_json::from_str(&fs::read_to_string(folder.join("request"))?)?;
        let job = jobs.submit(request, "a test").await?;
        ended(&jobs, job.id).await?;
        anyhow::bail!("it was not killed")
    })
}

/// Has a process of its own begin `request`.
fn begin(place: &Place, wish: &Wish, request: &lockgate_api::Request) -> Result<Child> {
    fs::write(place.site.path("slow.toml"), place.text(wish))?;
    fs::write(place.site.path("request"), serde_json::to_string(request)?)?;
    Command::new(std::env::current_exe()?)
        .args(["--exact", "killed::a_process_that_is_killed", "--ignored", "--nocapture"])
        .env(FOLDER, place.site.path(""))
        .stdout(Stdio::null())
        .spawn()
        .context("start the process")
}

fn kill(mut child: Child) -> Result<()> {
    ensure!(child.try_wait()?.is_none(), "it ended before it was killed");
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn slow() -> Wish {
    Wish { is_slow: true, ..Wish::default() }
}

const EVERY: Wanted = Wanted { state: None, kind: None, limit: 100 };

#[test]
fn a_killed_backup_is_resumed_and_its_application_is_back_in_service() -> Result<()> {
    let place = Place::new()?;
    let child = begin(&place, &slow(), &backup("shop"))?;
    place.wait_for("enter notes")?;
    std::thread::sleep(Duration::from_millis(700));
    kill(child)?;
    ensure!(place.log() == "enter shop, enter notes", "{}", place.log());
    runtime()?.block_on(async {
        let jobs = place.jobs(&Wish::default()).await?;
        // Before anything else goes on.
        ensure!(
            place.log().starts_with("enter shop, enter notes, leave notes, leave shop"),
            "{}",
            place.log()
        );
        let left = jobs.store().jobs(EVERY).await?;
        let job = ended(&jobs, left.first().context("a job")?.id).await?;
        ensure!(job.state == JobState::Done, "{job:?}");
        ensure!(backup_of(&jobs, &job).await?.state == BackupState::Ready);
        let all = "enter shop, enter notes, leave notes, leave shop";
        ensure!(place.log() == format!("{all}, {all}"), "{}", place.log());
        ensure!(jobs.store().maintenance().await?.is_empty());
        Ok(())
    })
}

#[test]
fn a_command_that_outlives_its_lockgate_does_not_take_out_what_was_put_back() -> Result<()> {
    let place = Place::new()?;
    let wish = Wish { set_enter: Some("NOTE; sleep 4; NOTE".to_owned()), ..slow() };
    let child = begin(&place, &wish, &backup("shop"))?;
    place.wait_for("enter shop")?;
    kill(child)?;
    runtime()?.block_on(async {
        let jobs = place.jobs(&Wish::default()).await?;
        ensure!(place.log().starts_with("enter shop, leave shop"), "{}", place.log());
        let left = jobs.store().jobs(EVERY).await?;
        ended(&jobs, left.first().context("a job")?.id).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let log = place.log();
        ensure!(
            log.ends_with("leave notes, leave shop") && log.matches("enter shop").count() == 2,
            "{log}"
        );
        Ok(())
    })
}

#[test]
fn a_backup_whose_snapshot_was_written_is_finished() -> Result<()> {
    let place = Place::new()?;
    runtime()?.block_on(async {
        let jobs = place.jobs(&Wish::default()).await?;
        let mut job = done(&jobs, backup("shop"), JobState::Done).await?;
        let made = backup_of(&jobs, &job).await?;
        // As it is when the process ends between the snapshot and its own memory.
        let mut object = made.clone();
        (object.state, object.snapshot, object.ended) = (BackupState::BackingUp, None, None);
        (job.state, job.ended) = (JobState::Running, None);
        jobs.store().put_backup(&object).await?;
        jobs.store().put_job(&job).await?;
        jobs.stop(Duration::ZERO).await;
        drop(jobs);
        fs::remove_file(place.site.path("log"))?;

        let jobs = place.jobs(&Wish::default()).await?;
        ensure!(jobs.job(job.id).await?.state == JobState::Done);
        let again = jobs.backup(&made.id).await?;
        ensure!(again.state == BackupState::Ready && again.snapshot == made.snapshot, "{again:?}");
        ensure!(
            again.component_status == made.component_status && again.bytes == made.bytes,
            "{again:?}"
        );
        ensure!(place.log().is_empty(), "it was done again: {}", place.log());
        Ok(())
    })
}

#[test]
fn a_killed_restore_is_given_up_with_the_state_of_each_source() -> Result<()> {
    let place = Place::new()?;
    let saved = runtime()?.block_on(async {
        let jobs = place.jobs(&Wish::default()).await?;
        let saved = backup_of(&jobs, &done(&jobs, backup("shop"), JobState::Done).await?).await?;
        jobs.stop(Duration::ZERO).await;
        anyhow::Ok(saved)
    })?;
    fs::remove_file(place.site.path("log"))?;
    for name in ["pictures", "notes", "mail"] {
        fs::remove_dir_all(place.site.path(name))?;
        fs::create_dir(place.site.path(name))?;
    }
    let child = begin(&place, &slow(), &restore(&saved, &[])?)?;
    place.wait_for("enter notes")?;
    // The last one, which takes long, is begun.
    place.wait_for_file("pictures/large")?;
    kill(child)?;
    runtime()?.block_on(async {
        let jobs = place.jobs(&Wish::default()).await?;
        ensure!(place.log().ends_with("leave notes, leave shop"), "{}", place.log());
        ensure!(jobs.store().maintenance().await?.is_empty());
        let left = jobs.store().jobs(EVERY).await?;
        let job =
            left.iter().find(|job| job.kind == lockgate_api::JobKind::Restore).context("a job")?;
        ensure!(job.state == JobState::Error, "{job:?}");
        let problem = job.error.clone().context("a problem")?;
        ensure!(problem.kind == "interrupted" && problem.hint.is_some(), "{problem:?}");
        let after = jobs.backup(&saved.id).await?;
        ensure!(after.state == BackupState::Ready, "{after:?}");
        ensure!(said(&after, "notes")?.starts_with("Ready "), "{after:?}");
        let pictures = said(&after, "pictures")?;
        ensure!(pictures.contains("--source pictures --overwrite"), "{pictures}");
        // As it says: it goes on.
        done(&jobs, restore(&saved, &["pictures"])?, JobState::Done).await?;
        let large = fs::metadata(place.site.path("pictures/large"))?.len();
        ensure!(large == 4 << 20, "{large}");
        Ok(())
    })
}
