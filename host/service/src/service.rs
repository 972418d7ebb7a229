use std::sync::Arc;

use lockgate_operations::{Jobs, Scheduler};
use tokio::sync::{Semaphore, watch};

use crate::access::Users;
use crate::limits::DOWNLOADS_MAX;
use crate::metrics::Metrics;
use crate::shelf::Shelf;

/// What all calls work with. Copies share everything.
#[derive(Clone)]
pub(crate) struct Service(Arc<Inner>);

struct Inner {
    scheduler: Scheduler,
    users: Users,
    metrics: Metrics,
    shelf: Shelf,
    downloads: Arc<Semaphore>,
    /// One at a time looks at all plugins: each of them is read and hashed.
    plugins: tokio::sync::Mutex<()>,
    /// Becomes true when the service is about to end.
    ending: watch::Sender<bool>,
}

impl Service {
    pub fn new(scheduler: Scheduler, users: Users) -> Self {
        Self(Arc::new(Inner {
            scheduler,
            users,
            metrics: Metrics::default(),
            shelf: Shelf::default(),
            downloads: Arc::new(Semaphore::new(DOWNLOADS_MAX)),
            plugins: tokio::sync::Mutex::default(),
            ending: watch::Sender::new(false),
        }))
    }

    pub fn jobs(&self) -> &Jobs {
        self.0.scheduler.jobs()
    }

    pub fn scheduler(&self) -> &Scheduler {
        &self.0.scheduler
    }

    pub fn users(&self) -> &Users {
        &self.0.users
    }

    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub fn shelf(&self) -> &Shelf {
        &self.0.shelf
    }

    pub fn downloads(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.downloads)
    }

    pub async fn plugins_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.plugins.lock().await
    }

    /// Becomes true when the service is about to end.
    pub fn ending(&self) -> watch::Receiver<bool> {
        self.0.ending.subscribe()
    }

    /// Ends what would go on for ever.
    pub fn end(&self) {
        self.0.ending.send_replace(true);
    }
}
