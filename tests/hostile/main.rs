//! Plugins that misbehave: each is stopped with a clear error, the host lives on, the log says what was attempted, and no
//! snapshot exists.

mod canary;
mod case;
mod cases;
mod complete;
mod components;
mod guest;
mod measure;
mod names;
mod stage;
mod trial;

use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Result, ensure};

use case::{Case, End};
use stage::Stage;
use trial::{Direction, Trial};

/// Cases that run at once.
const LANES: usize = 2;

#[test]
fn what_misbehaves_in_a_backup_is_contained() -> Result<()> {
    contain(Direction::Backup, |case| case.backup)
}

#[test]
fn what_misbehaves_in_a_restore_is_contained() -> Result<()> {
    contain(Direction::Restore, |case| case.restore)
}

/// The two tests take turns: each uses both processors, and looks at the time.
static TURN: Mutex<()> = Mutex::new(());

fn contain(direction: Direction, end_of: fn(&Case) -> Option<End>) -> Result<()> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = std::env::var("HOSTILE_CASE").ok();
    let trials: Vec<Trial> = cases::all()
        .filter(|case| wanted.as_deref().is_none_or(|wanted| case.name == wanted))
        .filter_map(|case| end_of(&case).map(|end| Trial { case, end, direction }))
        .collect();
    let count = trials.len();
    let waiting = Mutex::new(trials.into_iter());
    let failures = Mutex::new(Vec::new());
    let ports = stage::servers()?;
    let lane = || -> Result<()> {
        let mut stage = Stage::new(ports)?;
        let usual = trial::usual(&stage, direction)?;
        while let Some(trial) = { lock(&waiting).next() } {
            if let Err(error) = trial.run(&mut stage, &usual) {
                lock(&failures).push(format!("{}: {error:#}", trial.title()));
                stage = Stage::new(ports)?;
            }
        }
        stage.site.lockgate.ok(&["check", "--read-data"])?;
        Ok(())
    };
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().try_for_each(|lane| {
            lane.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a lane panicked")))
        })
    })?;
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    ensure!(
        failures.is_empty(),
        "{} of {count} are not contained:\n{}",
        failures.len(),
        failures.join("\n")
    );
    println!("{count} of {count} contained");
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
