//! Jobs of this process, over what is remembered in a folder.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use lockgate_engine::WorkerCommand;
use lockgate_engine::audit::AuditFile;
use lockgate_engine::configuration::parse;
use lockgate_engine::jail::Isolation;
use lockgate_operations::{ErrorKind, Jobs, JobsOptions, Site, Store};
use tokio::runtime::Handle;

use crate::command::{plugins, program};

/// How long a store that was closed may need to let go: its tasks are dropped later.
const LETTING_GO: Duration = Duration::from_secs(120);

/// Jobs over the configuration `text`, with everything that they keep in `folder`.
///
/// # Errors
/// When the configuration is wrong, or the state in the folder is of somebody else.
pub async fn jobs_in(folder: &Path, text: &str) -> Result<Jobs> {
    let is_reduced = std::env::var("LOCKGATE_ISOLATION").is_ok_and(|given| given == "reduced");
    let isolation = if is_reduced { Isolation::Reduced } else { Isolation::Full };
    let site = Site {
        configuration: parse(text).map_err(|mistakes| anyhow!("{mistakes:?}"))?,
        repository: None,
        password: None,
        runtime: Handle::current(),
        plugins: plugins()?,
        lock: folder.join("plugins.lock"),
        code: std::env::temp_dir().join("lockgate-tests-code/code"),
        worker: WorkerCommand { program: program()?, arguments: vec!["worker".into()], isolation },
        audit: AuditFile { path: folder.join("audit.jsonl"), is_required: false },
        hostname: "here".to_owned(),
    };
    let url = format!("sqlite:{}", folder.join("state.sqlite").display());
    let until = Instant::now() + LETTING_GO;
    let store = loop {
        match Store::open(&url).await {
            Err(error) if error.kind() == ErrorKind::Locked && Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            opened => break opened?,
        }
    };
    Ok(Jobs::start(site, store, JobsOptions::default()).await?)
}
