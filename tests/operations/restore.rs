//! Restores: in order, with warnings, and with the state of each source when they end half-way.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use lockgate_api::{BackupState, ComponentState, Happening, JobState};
use lockgate_tests::random::Random;

use crate::place::{Place, Wish, backup, backup_of, done, events, restore, runtime, said};

#[test]
fn sources_come_back_in_order_while_the_application_is_out_of_service() -> Result<()> {
    let place = Place::new()?;
    runtime()?.block_on(async {
        let jobs = place.jobs(&Wish::default()).await?;
        let saved = backup_of(&jobs, &done(&jobs, backup("shop"), JobState::Done).await?).await?;
        fs::remove_file(place.site.path("log"))?;
        for name in ["pictures", "notes", "mail"] {
            fs::write(place.site.path(name).join("content"), "spoiled")?;
        }
        let job = done(&jobs, restore(&saved, &[])?, JobState::Done).await?;
        let log = place.log();
        ensure!(log == "enter shop, enter notes, leave notes, leave shop", "{log}");
        for name in ["pictures", "notes", "mail"] {
            let text = fs::read_to_string(place.site.path(name).join("content"))?;
            ensure!(text == format!("what {name} holds"), "{name}: {text}");
        }
        let order: Vec<String> = events(&jobs, job.id)
            .await?
            .into_iter()
            .filter_map(|event| match event.happening {
                Happening::Component { source, status }
                    if status.state == ComponentState::Ready =>
                {
                    Some(source.to_string())
                }
                _ => None,
            })
            .collect();
        ensure!(order == ["notes", "mail", "pictures"], "{order:?}");
        let warnings = job.result["warnings"].as_array().map(Vec::len);
        ensure!(warnings == Some(0), "{}", job.result);

        // One alone: the others would disagree. The application is out of service all the same.
        fs::remove_file(place.site.path("log"))?;
        let job = done(&jobs, restore(&saved, &["mail"])?, JobState::Done).await?;
        let warning = job.result["warnings"][0].as_str().unwrap_or_default();
        ensure!(warning.starts_with("mail would be as of "), "{warning}");
        ensure!(
            warning.contains("pictures, notes stay as they are: they belong to set shop"),
            "{warning}"
        );
        ensure!(place.log() == "enter shop, leave shop", "{}", place.log());
        Ok(())
    })
}

/// The packs of a repository, the largest first.
fn packs(place: &Place) -> Result<Vec<PathBuf>> {
    let folder = place.site.repository_folder().context("a folder")?.join("data");
    let mut packs = Vec::new();
    for below in fs::read_dir(folder)? {
        for pack in fs::read_dir(below?.path())? {
            packs.push(pack?.path());
        }
    }
    let size = |path: &PathBuf| fs::metadata(path).map_or(0, |metadata| metadata.len());
    packs.sort_by_key(|path| std::cmp::Reverse(size(path)));
    Ok(packs)
}

#[test]
fn a_restore_that_fails_half_way_says_what_state_everything_is_in() -> Result<()> {
    let place = Place::new()?;
    // What notes holds lies in a pack of its own: it is saved before the others. What the snapshot says of itself comes last, and so
    // not into the first pack that this fills.
    fs::write(place.site.path("mail/large"), Random::new(5).bytes(40 << 20))?;
    runtime()?.block_on(async {
        let jobs = place.jobs(&Wish::default()).await?;
        done(&jobs, backup("notes"), JobState::Done).await?;
        let saved = backup_of(&jobs, &done(&jobs, backup("shop"), JobState::Done).await?).await?;
        let largest = packs(&place)?.into_iter().next().context("a pack")?;
        fs::remove_file(largest)?;
        fs::remove_file(place.site.path("log"))?;

        let job = done(&jobs, restore(&saved, &[])?, JobState::Error).await?;
        let problem = job.error.map(|it| it.detail).unwrap_or_default();
        ensure!(problem.contains("source mail: "), "{problem}");
        ensure!(problem.contains("; as in the backup: notes"), "{problem}");
        ensure!(problem.contains("; not touched: pictures"), "{problem}");
        let after = jobs.backup(&saved.id).await?;
        ensure!(after.state == BackupState::Ready, "{after:?}");
        ensure!(said(&after, "notes")?.starts_with("Ready as in the backup"), "{after:?}");
        let mail = said(&after, "mail")?;
        ensure!(mail.starts_with("Error it may hold a part of the backup: "), "{mail}");
        let again = format!("lockgate restore {} --source mail --overwrite", saved.id);
        ensure!(mail.contains(&again), "{mail}");
        ensure!(said(&after, "pictures")? == "Pending not touched yet", "{after:?}");
        let log = place.log();
        ensure!(log == "enter shop, enter notes, leave notes, leave shop", "{log}");
        ensure!(jobs.store().maintenance().await?.is_empty());
        Ok(())
    })
}
