//! Backups by the clock, and which of them stay.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lockgate_api::{BackupState, Happening, JobId, JobKind, JobState};
use lockgate_operations::{ErrorKind, Wanted};

use crate::place::{PATIENCE, Place, before_the_hour, runtime, usual};
use crate::receivers::Http;

const BACKUPS: Wanted = Wanted { state: None, kind: Some(JobKind::Backup), limit: 100 };
const RETENTIONS: Wanted = Wanted { state: None, kind: Some(JobKind::Retention), limit: 100 };

#[test]
fn a_schedule_runs_when_its_time_comes_and_forgets_what_it_does_not_keep() -> Result<()> {
    let place = Place::new()?;
    let hourly = "[schedules.hourly]\ncron = \"0 * * * *\"\nbackup = \"home\"\nkeep = { last = 2 }\nprune = \"after\"\n";
    runtime()?.block_on(async {
        let service = place.service(hourly, before_the_hour(3, 0)).await?;
        let by_hand = service.backup("home").await?;
        ensure!(by_hand.state == JobState::Done, "{by_hand:?}");

        let until = Instant::now() + PATIENCE;
        let info = loop {
            let info = service.scheduler.list().await?.remove(0);
            if info.last_state == Some(JobState::Done) {
                break info;
            }
            ensure!(Instant::now() < until, "{info:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let job = service.jobs.job(info.last_job.context("a job")?).await?;
        ensure!(job.requested_by == "schedule hourly", "{job:?}");
        let gap = info.next.context("a next")?.duration_since(info.last.context("a last")?);
        ensure!((3590..=3600).contains(&gap.as_secs()), "{info:?}");
        ensure!(service.jobs.store().jobs(BACKUPS).await?.len() == 2, "it ran more than once");

        // One that is being restored stays, whatever the policy says.
        let id = job.backup.context("a backup")?;
        let mut first = service.jobs.backup(&id).await?;
        first.state = BackupState::Restoring;
        service.jobs.store().put_backup(&first).await?;
        for _ in 0..3 {
            ensure!(service.run_now("hourly").await?.state == JobState::Done);
        }
        // Two that are kept, one that is restored, one that was made by hand.
        service.holds(4).await?;
        // What decided that is a job as any other.
        let decided = service.settled("hourly", RETENTIONS).await?;
        let forgotten = decided.iter().map(|job| &job.result["units"]["home"]["forgotten"]);
        let forgotten: u64 = forgotten.filter_map(serde_json::Value::as_u64).sum();
        let newest = decided.first().context("no job")?;
        ensure!(forgotten == 1 && newest.result["pruned"] == true, "{decided:?}");
        ensure!(decided.iter().all(|it| it.requested_by == "schedule hourly"), "{decided:?}");
        let events = service.jobs.store().events(newest.id, 0, 100).await?;
        let stages = events.iter().filter_map(|event| match &event.happening {
            Happening::Stage { stage } => Some(stage.as_str()),
            _ => None,
        });
        ensure!(stages.collect::<Vec<_>>() == ["forget", "prune"], "{events:?}");
        first.state = BackupState::Ready;
        service.jobs.store().put_backup(&first).await?;

        // No run overlaps the one before it.
        let begun = service.scheduler.run_now("hourly", "alice").await?;
        let error = service.scheduler.run_now("hourly", "alice").await.err().context("refused")?;
        ensure!(error.kind() == ErrorKind::Conflict, "{error}");
        service.ended(begun[0].id).await?;
        service.holds(3).await?;
        let left = service.backups().await?;
        let names: Vec<&str> = left.iter().map(|backup| backup.requested_by.as_str()).collect();
        ensure!(
            names == ["schedule hourly for alice", "schedule hourly for alice", "alice"],
            "{names:?}"
        );
        service.stop().await;
        Ok(())
    })?;
    place.site.restic_check()
}

#[test]
fn what_was_broken_off_while_it_decided_what_is_kept_is_decided_again() -> Result<()> {
    let place = Place::new()?;
    let yearly = "[schedules.yearly]\ncron = \"@yearly\"\nbackup = \"home\"\nkeep = { last = 1 }\n";
    runtime()?.block_on(async {
        let name = "yearly".parse()?;
        let service = place.service(yearly, usual()).await?;
        service.run_now("yearly").await?;
        let decided = service.settled("yearly", RETENTIONS).await?;
        ensure!(decided.len() == 1 && decided[0].state == JobState::Done, "{decided:?}");
        let made = service.backup("home").await?;
        let store = service.jobs.store().clone();
        let mut record = store.schedule(&name).await?.context("a record")?;
        // As if the process had ended when the next run was done and its job went on.
        let mut broken_off = decided[0].clone();
        (broken_off.id, broken_off.state) = (JobId::new(), JobState::Running);
        (record.retention, record.is_retained) = (Some(broken_off.id), false);
        store.put_job(&broken_off).await?;
        store.put_schedule(&name, &record).await?;
        drop(store);
        service.stop().await;

        let service = place.service(yearly, usual()).await?;
        let decided = service.settled("yearly", RETENTIONS).await?;
        let states: Vec<_> = decided.iter().map(|job| job.state).collect();
        ensure!(states == [JobState::Done, JobState::Error, JobState::Done], "{decided:?}");
        ensure!(decided[1].error.as_ref().is_some_and(|it| it.kind == "interrupted"));
        // What is not the schedule's stays.
        ensure!(service.jobs.job(made.id).await?.state == JobState::Done);
        service.holds(2).await?;
        service.stop().await;
        Ok(())
    })
}

#[test]
fn a_run_that_was_missed_is_made_up_for_once_or_told_to_be_left_out() -> Result<()> {
    let place = Place::new()?;
    let receiver = Http::start()?;
    let text = format!(
        "[schedules.catch]\ncron = \"0 * * * *\"\nbackup = \"home\"\n\
         [schedules.skip]\ncron = \"0 * * * *\"\nbackup = \"home\"\nmissed = \"skip\"\n\
         [notifications.hook]\non = [\"skipped\"]\nwebhook = {{ url = \"{}/hook\" }}\n",
        receiver.url()
    );
    runtime()?.block_on(async {
        let service = place.service(&text, before_the_hour(1800, 0)).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        ensure!(service.jobs.store().jobs(BACKUPS).await?.is_empty(), "nothing was due");
        service.stop().await;

        // Five hours later: five times have passed.
        let service = place.service(&text, before_the_hour(1800, 5)).await?;
        let told = receiver.next("skipped")?;
        ensure!(told.json()?["schedule"] == "skip", "{told:?}");
        tokio::time::sleep(Duration::from_secs(3)).await;
        let jobs = service.jobs.store().jobs(BACKUPS).await?;
        let asked: Vec<&str> = jobs.iter().map(|job| job.requested_by.as_str()).collect();
        ensure!(asked == ["schedule catch"], "{asked:?}");
        service.ended(jobs[0].id).await?;
        service.stop().await;

        // What is settled is settled.
        let service = place.service(&text, before_the_hour(1700, 5)).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        ensure!(service.jobs.store().jobs(BACKUPS).await?.len() == 1);
        ensure!(receiver.is_empty(), "it was told twice");
        service.stop().await;
        Ok(())
    })
}
