//! Changes that Marathon makes one step after the other: `/v2/deployments`.

use lockgate_plugin::{Error, Result, clock, job, printable};
use serde::Deserialize;
use serde_json::Value;

use crate::client::{self, Change, Refusal};
use crate::limits::{NAMED_MAX, WAIT_FIRST_MS, WAIT_MS_MAX};

/// One that runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    id: String,
    #[serde(default)]
    affected_apps: Vec<String>,
    #[serde(default)]
    affected_pods: Vec<String>,
}

impl Deployment {
    /// Its id, and what it changes.
    #[must_use]
    pub fn shown(&self) -> String {
        let affected: Vec<&str> = self
            .affected_apps
            .iter()
            .chain(&self.affected_pods)
            .take(NAMED_MAX)
            .map(String::as_str)
            .collect();
        printable(format!("{} ({})", self.id, affected.join(", ")))
    }
}

/// All that run now.
///
/// # Errors
/// When the server does not tell.
pub fn running() -> Result<Vec<Deployment>> {
    client::get("/v2/deployments")
}

/// Some of them, for a message.
#[must_use]
pub fn shown(deployments: &[Deployment]) -> String {
    let named: Vec<String> = deployments.iter().take(NAMED_MAX).map(Deployment::shown).collect();
    format!("{} ({})", named.join(", "), deployments.len())
}

/// Changes something and waits for up to `seconds` until it is deployed. Where running deployments lock it, they are waited
/// for as long; with `force` they are cancelled.
///
/// What is not deployed in time has been accepted all the same: Marathon goes on with it, for instance once Mesos offers
/// enough resources. That is told in the log, and at the end of the restore.
///
/// # Errors
/// When the server refuses, or the locks do not go away.
pub fn change(
    method: &str,
    target: &str,
    body: Option<&Value>,
    is_forced: bool,
    seconds: u32,
) -> Result<()> {
    let separator = if target.contains('?') { '&' } else { '?' };
    let target =
        if is_forced { format!("{target}{separator}force=true") } else { target.to_owned() };
    let mut patience = Patience::new(seconds)?;
    let told = |refusal: Refusal| refusal.told().context(format!("{method} {target}"));
    let change = loop {
        match client::change(method, &target, body)? {
            Ok(change) => break change,
            Err(refusal) if refusal.is_lock() => {
                if !patience.wait()? {
                    let named = refusal.deployments().join(", ");
                    let hint = format!(
                        "{method} {target}: locked for {seconds} s by deployments {named}; stop them, raise `deployment-seconds`, or overwrite, which cancels them"
                    );
                    return Err(Error::conflict(format!("{hint}: {}", refusal.told())));
                }
            }
            Err(refusal) => return Err(told(refusal)),
        }
    };
    wait(&change, &target, seconds)
}

fn wait(change: &Change, target: &str, seconds: u32) -> Result<()> {
    let Some(id) = &change.deployment else { return Ok(()) };
    let mut patience = Patience::new(seconds)?;
    while running()?.iter().any(|deployment| deployment.id == *id) {
        if !patience.wait()? {
            let id = printable(id);
            log::warn!("{target}: deployment {id} still runs after {seconds} s, and goes on");
            break;
        }
    }
    Ok(())
}

/// Waits for something that another does, longer each time, and not for ever.
struct Patience {
    deadline: u64,
    next: u32,
}

impl Patience {
    fn new(seconds: u32) -> Result<Self> {
        let deadline = clock::monotonic()?.saturating_add(u64::from(seconds) * 1_000_000_000);
        Ok(Self { deadline, next: WAIT_FIRST_MS })
    }

    /// False when there was enough of it.
    fn wait(&mut self) -> Result<bool> {
        job::go_on()?;
        let left = self.deadline.saturating_sub(clock::monotonic()?) / 1_000_000;
        if left == 0 {
            return Ok(false);
        }
        clock::sleep(self.next.min(u32::try_from(left).unwrap_or(u32::MAX)))?;
        self.next = self.next.saturating_mul(2).min(WAIT_MS_MAX);
        Ok(true)
    }
}
