//! Tells those who want to know: what became of jobs, and what is wrong when there is none.
//!
//! What is told is first taken into the store, together with the fact that it is told, and goes from there to each receiver
//! on its own: a receiver that is slow or away stops neither jobs nor other receivers, and nothing is lost when lockgate is
//! killed. What was sent just before that may be sent twice.

mod deliver;
mod http;
mod mail;
mod message;
mod ping;
mod watch;
mod webhook;

use std::sync::Arc;

use jiff::Timestamp;
use lockgate_api::{Job, JobKind, JobState};
use lockgate_engine::configuration::Occasion;
use tokio::sync::watch as channel;
use tokio::task::JoinSet;

use crate::schedule::schedule_of;
use crate::store::{Delivery, Settles};
use crate::{Jobs, Result};

pub(crate) use message::{About, Message};

/// Ended jobs that are told of at once.
const PAGE: u32 = 100;
/// How often it is looked for what nobody announced.
const PERIOD: std::time::Duration = std::time::Duration::from_secs(30);

/// Tells the receivers of the configuration. Copies share everything.
#[derive(Clone)]
pub(crate) struct Notifier(Arc<Inner>);

struct Inner {
    jobs: Jobs,
    /// Changes when something waits to be delivered.
    news: channel::Sender<()>,
}

impl Notifier {
    pub(crate) fn new(jobs: Jobs) -> Self {
        Self(Arc::new(Inner { jobs, news: channel::Sender::new(()) }))
    }

    /// Tells what there is to tell. Ends when it is dropped, and all that it started with it.
    pub(crate) async fn run(&self) {
        let notifications = &self.0.jobs.site().configuration.notifications;
        if let Err(error) = self.0.jobs.store().keep_deliveries_to(notifications.keys()).await {
            tracing::error!("notifications: {error}");
        }
        let mut receivers = JoinSet::new();
        for (name, notification) in notifications {
            let (notifier, name) = (self.clone(), name.clone());
            let notification = notification.clone();
            receivers.spawn(async move { notifier.deliver_to(&name, &notification).await });
        }
        tokio::join!(self.collect(), self.watch());
    }

    /// Takes in the beginning and the end of jobs.
    async fn collect(&self) {
        let mut changes = self.0.jobs.changes();
        loop {
            if let Err(error) = self.take_in_ended().await {
                tracing::error!("notifications: {error}");
            }
            // Ends are looked for in the store, so that none is lost; a beginning is told as it happens.
            if let Ok(Ok(job)) = tokio::time::timeout(PERIOD, changes.recv()).await
                && job.state == JobState::Running
                && let Err(error) = self.take_in_begun(&job).await
            {
                tracing::error!("notifications: {error}");
            }
        }
    }

    pub(crate) async fn take_in_ended(&self) -> Result<()> {
        loop {
            let ended = self.0.jobs.store().untold_jobs(PAGE).await?;
            if ended.is_empty() {
                return Ok(());
            }
            for job in &ended {
                let occasion = match job.state {
                    JobState::Done => Occasion::Success,
                    JobState::Cancelled => Occasion::Cancelled,
                    _ => Occasion::Failure,
                };
                let is_told = is_told(job.kind);
                let message = Message::of_job(&self.0.jobs.site().hostname, occasion, job);
                let deliveries = if is_told { self.deliveries(&message) } else { Vec::new() };
                self.take_in(&deliveries, Settles::Job(job.id)).await?;
            }
        }
    }

    async fn take_in_begun(&self, job: &Job) -> Result<()> {
        let message = Message::of_beginning(&self.0.jobs.site().hostname, job);
        let mut deliveries = self.deliveries(&message);
        let notifications = &self.0.jobs.site().configuration.notifications;
        deliveries.retain(|it| notifications[&it.notification].ping.is_some());
        match is_told(job.kind) && !deliveries.is_empty() {
            false => Ok(()),
            true => self.take_in(&deliveries, Settles::Nothing).await,
        }
    }

    /// Tells of something that happened beside the jobs.
    pub(crate) async fn tell(&self, about: About) -> Result<()> {
        let message = Message::of(&self.0.jobs.site().hostname, about);
        self.take_in(&self.deliveries(&message), Settles::Nothing).await
    }

    /// Tells once that something is wrong, and once that it is no more. `name` tells one from another.
    pub(crate) async fn stands(&self, name: &str, is_wrong: bool, mut about: About) -> Result<()> {
        let was_wrong = self.0.jobs.store().incidents().await?.iter().any(|it| it == name);
        about.is_over = !is_wrong;
        let settles = match (was_wrong, is_wrong) {
            (false, true) => Settles::Begins(name),
            (true, false) => Settles::Ends(name),
            _ => return Ok(()),
        };
        match is_wrong {
            true => tracing::warn!("{}", about.text),
            false => tracing::info!("{}", about.text),
        }
        let message = Message::of(&self.0.jobs.site().hostname, about);
        self.take_in(&self.deliveries(&message), settles).await
    }

    /// One for each receiver that wants to know.
    fn deliveries(&self, message: &Message) -> Vec<Delivery> {
        let notifications = &self.0.jobs.site().configuration.notifications;
        let wants = notifications.iter().filter(|(_, notification)| {
            let is_its = notification.schedules.is_empty()
                || message.schedule.as_ref().is_some_and(|it| notification.schedules.contains(it));
            is_its && (message.is_beginning || notification.is_on(message.occasion))
        });
        wants
            .map(|(name, _)| Delivery {
                notification: name.clone(),
                message: message.clone(),
                attempts: 0,
                next: Timestamp::now(),
            })
            .collect()
    }

    async fn take_in(&self, deliveries: &[Delivery], settles: Settles<'_>) -> Result<()> {
        self.0.jobs.store().take_in(deliveries, settles).await?;
        self.0.news.send_replace(());
        Ok(())
    }
}

/// Whether the beginning and the end of such a job are told. Whoever only looks is told by the answer, and what is kept is an
/// occasion of its own.
fn is_told(kind: JobKind) -> bool {
    !matches!(kind, JobKind::Plan | JobKind::Health | JobKind::Retention)
}
