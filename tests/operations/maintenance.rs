//! Out of service before, back afterwards: also when it fails, and when someone stops it.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use lockgate_api::{
    BackupState, Happening, JobState, MaintenanceRequest, MaintenanceStep, Request,
};
use lockgate_operations::ErrorKind;
use lockgate_types::Name;

use crate::place::{Place, Wish, backup, backup_of, done, ended, events, is_noted, runtime};

const ALL: &str = "enter shop, enter notes, leave notes, leave shop";

fn maintenance(name: &str, step: MaintenanceStep) -> Result<Request> {
    let sources: Vec<Name> = vec![name.parse()?];
    Ok(Request::Maintenance(MaintenanceRequest { sources, step }))
}

#[test]
fn a_backup_enters_before_and_leaves_afterwards() -> Result<()> {
    let place = Place::new()?;
    runtime()?.block_on(async {
        let jobs = place.jobs(&Wish::default()).await?;
        let job = done(&jobs, backup("shop"), JobState::Done).await?;
        ensure!(place.log() == ALL, "{}", place.log());
        ensure!(jobs.store().maintenance().await?.is_empty());
        ensure!(backup_of(&jobs, &job).await?.state == BackupState::Ready);
        let events = events(&jobs, job.id).await?;
        let of = |wanted: &dyn Fn(&Happening) -> bool| {
            events.iter().position(|it| wanted(&it.happening))
        };
        let on = of(&|it| matches!(it, Happening::Maintenance { is_on: true, .. }));
        let begun = of(&|it| matches!(it, Happening::Stage { stage } if stage == "begin"));
        let off = of(&|it| matches!(it, Happening::Maintenance { is_on: false, .. }));
        ensure!(on.is_some() && on < begun && begun < off, "{events:?}");
        ensure!(is_noted(&events, "mail stays in service"), "{events:?}");
        Ok(())
    })
}

#[test]
fn what_fails_is_put_back() -> Result<()> {
    let place = Place::new()?;
    fs::remove_dir_all(place.site.path("mail"))?;
    runtime()?.block_on(async {
        let jobs = place.jobs(&Wish::default()).await?;
        let job = done(&jobs, backup("shop"), JobState::Error).await?;
        ensure!(place.log() == ALL, "{}", place.log());
        ensure!(jobs.store().maintenance().await?.is_empty());
        ensure!(backup_of(&jobs, &job).await?.state == BackupState::Error);
        jobs.stop(Duration::ZERO).await;
        drop(jobs);

        // The second command fails: what the first one did is undone, and what it said is told.
        fs::remove_file(place.site.path("log"))?;
        let failing = Wish {
            notes_enter: Some("NOTE; echo the page is not there >&2; exit 4".to_owned()),
            ..Wish::default()
        };
        let jobs = place.jobs(&failing).await?;
        let job = done(&jobs, backup("shop"), JobState::Error).await?;
        ensure!(place.log() == ALL, "{}", place.log());
        let problem = job.error.map(|it| it.detail).unwrap_or_default();
        ensure!(problem.contains("ended with exit status: 4: the page is not there"), "{problem}");
        ensure!(jobs.store().maintenance().await?.is_empty());
        Ok(())
    })
}

#[test]
fn who_stops_a_backup_finds_it_in_service() -> Result<()> {
    let place = Place::new()?;
    runtime()?.block_on(async {
        let jobs = place.jobs(&Wish { is_slow: true, ..Wish::default() }).await?;
        let job = jobs.submit(backup("shop"), "a test").await?;
        tokio::task::block_in_place(|| place.wait_for("enter notes"))?;
        ensure!(jobs.store().maintenance().await?.len() >= 2, "not remembered");
        jobs.cancel(job.id).await?;
        let job = ended(&jobs, job.id).await?;
        ensure!(job.state == JobState::Cancelled, "{job:?}");
        ensure!(place.log() == ALL, "{}", place.log());
        ensure!(jobs.store().maintenance().await?.is_empty());
        ensure!(backup_of(&jobs, &job).await?.state == BackupState::Error);
        Ok(())
    })
}

#[test]
fn what_an_operator_took_out_stays_out_until_the_operator_puts_it_back() -> Result<()> {
    let place = Place::new()?;
    runtime()?.block_on(async {
        let jobs = place.jobs(&Wish::default()).await?;
        for _ in 0..2 {
            done(&jobs, maintenance("shop", MaintenanceStep::Enter)?, JobState::Done).await?;
        }
        ensure!(
            place.log() == "enter shop, enter notes, enter shop, enter notes",
            "{}",
            place.log()
        );
        let job = done(&jobs, backup("shop"), JobState::Done).await?;
        ensure!(is_noted(&events(&jobs, job.id).await?, "an operator did that"));
        ensure!(!place.log().contains("leave"), "{}", place.log());
        jobs.stop(Duration::ZERO).await;
        drop(jobs);

        // Nor does a start put it back.
        let jobs = place.jobs(&Wish::default()).await?;
        ensure!(jobs.store().maintenance().await?.len() == 2 && !place.log().contains("leave"));
        for _ in 0..2 {
            done(&jobs, maintenance("shop", MaintenanceStep::Leave)?, JobState::Done).await?;
        }
        ensure!(place.log().ends_with("leave notes, leave shop, leave notes, leave shop"));
        ensure!(jobs.store().maintenance().await?.is_empty());
        let nothing =
            done(&jobs, maintenance("mail", MaintenanceStep::Enter)?, JobState::Error).await?;
        ensure!(nothing.error.is_some_and(|it| it.kind == "unsupported"));
        let absent = jobs.submit(maintenance("absent", MaintenanceStep::Enter)?, "a test").await;
        ensure!(absent.is_err_and(|error| error.kind() == ErrorKind::Configuration));
        Ok(())
    })
}
