//! What goes on without being asked for while a service runs.

use std::time::Duration;

use crate::Scheduler;

/// Ended jobs that are remembered.
const JOBS_KEPT: u32 = 5000;
/// How often older ones are forgotten.
const TRIM_PERIOD: Duration = Duration::from_secs(3600);

/// Runs what is scheduled, forgets what it does not keep, tells who wants to know, puts datastores back into service that were
/// left out of it, looks whether snapshots are still there, and forgets old jobs. One future, which starts no tasks that outlive
/// it: it goes on until it is dropped.
pub async fn background(scheduler: Scheduler) {
    tokio::join!(
        scheduler.run(),
        scheduler.retain(),
        scheduler.notifier().run(),
        scheduler.jobs().keep_putting_back(),
        scheduler.jobs().keep_looking_for_snapshots(),
        keep_trimming(&scheduler),
    );
}

async fn keep_trimming(scheduler: &Scheduler) {
    loop {
        if let Err(error) = scheduler.jobs().store().trim_jobs(JOBS_KEPT).await {
            tracing::error!("{error}");
        }
        tokio::time::sleep(TRIM_PERIOD).await;
    }
}
