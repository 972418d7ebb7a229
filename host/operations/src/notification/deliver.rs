//! From the store to a receiver.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lockgate_engine::configuration::{Notification, Secret};
use lockgate_types::Name;

use super::{Message, Notifier, PAGE, PERIOD, mail, ping, webhook};
use crate::store::Delivery;
use crate::{Error, ErrorKind, Result};

/// How often a delivery is tried: over some seven hours.
const ATTEMPTS_MAX: u32 = 14;
/// Wait before the second attempt; it doubles each time.
const WAIT_MIN: Duration = Duration::from_secs(5);
/// Longest wait between two attempts.
const WAIT_MAX: Duration = Duration::from_secs(2 * 3600);

impl Notifier {
    /// Delivers to one receiver what waits for it. Ends when it is dropped.
    pub(super) async fn deliver_to(&self, name: &Name, notification: &Notification) {
        let mut news = self.0.news.subscribe();
        loop {
            news.mark_unchanged();
            let wait = self.deliver_due(name, notification).await.unwrap_or_else(|error| {
                tracing::error!(notification = %name, "{error}");
                PERIOD
            });
            tokio::time::timeout(wait, news.changed()).await.ok();
        }
    }

    /// Tries what is to be tried now, and says when there is more.
    async fn deliver_due(&self, name: &Name, notification: &Notification) -> Result<Duration> {
        let mut wait = PERIOD;
        for delivery in self.0.jobs.store().deliveries(name, PAGE).await? {
            let left = Duration::try_from(delivery.next.duration_since(Timestamp::now()));
            // One that lies further ahead than a wait can be was put there by a clock that was wrong.
            match left.unwrap_or_default() {
                left if !left.is_zero() && left <= WAIT_MAX => wait = wait.min(left),
                _ => wait = wait.min(self.try_one(notification, delivery).await?),
            }
        }
        Ok(wait)
    }

    async fn try_one(
        &self,
        notification: &Notification,
        mut delivery: Delivery,
    ) -> Result<Duration> {
        let store = self.0.jobs.store();
        let Err(error) = send(notification, &delivery.message).await else {
            store.remove_delivery(&delivery).await?;
            return Ok(PERIOD);
        };
        delivery.attempts += 1;
        let (name, subject) = (&delivery.notification, &delivery.message.subject);
        if delivery.attempts >= ATTEMPTS_MAX {
            tracing::error!(notification = %name, "given up after {ATTEMPTS_MAX} attempts: {subject}: {error}");
            store.remove_delivery(&delivery).await?;
            return Ok(PERIOD);
        }
        tracing::warn!(notification = %name, "not delivered yet: {subject}: {error}");
        let wait = wait_after(delivery.attempts);
        let later = SignedDuration::try_from(wait).unwrap_or_default();
        delivery.next = Timestamp::now().checked_add(later).unwrap_or(delivery.next);
        store.put_delivery(&delivery).await?;
        Ok(wait)
    }
}

fn wait_after(attempts: u32) -> Duration {
    let factor = 1_u32 << attempts.saturating_sub(1).min(16);
    WAIT_MIN.saturating_mul(factor).min(WAIT_MAX)
}

async fn send(notification: &Notification, message: &Message) -> Result<()> {
    if let Some(webhook) = &notification.webhook {
        return webhook::send(webhook, message).await;
    }
    if let Some(smtp) = &notification.smtp {
        return mail::send(smtp, message).await;
    }
    match &notification.ping {
        Some(ping) => ping::send(ping, message).await,
        None => Ok(()),
    }
}

/// Fetches a secret, which may take a command's time.
pub(super) async fn fetch(secret: Secret) -> Result<String> {
    let fetched = tokio::task::spawn_blocking(move || {
        secret.fetch().map(|secret| secret.as_str().to_owned()).map_err(|error| error.to_string())
    });
    let fetched = fetched.await.unwrap_or_else(|error| Err(error.to_string()));
    fetched.map_err(|error| Error::new(ErrorKind::Configuration, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_end() {
        assert_eq!(wait_after(1), WAIT_MIN);
        assert_eq!(wait_after(3), 4 * WAIT_MIN);
        assert_eq!(wait_after(u32::MAX), WAIT_MAX);
        let all: Duration = (1..ATTEMPTS_MAX).map(wait_after).sum();
        assert!((6..8).contains(&(all.as_secs() / 3600)), "{all:?}");
    }
}
