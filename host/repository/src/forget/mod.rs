//! Which snapshots go. What they alone needed stays in the packs until a prune.

mod group;
mod period;
mod policy;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use lockgate_types::Digest;

pub use group::{Filter, GroupKey, Grouping};
pub use period::Period;
pub use policy::{PINS, Policy, Reason, Slot};

use crate::error::{Error, ErrorKind, Result};
use crate::format::Snapshot;
use crate::layout::FileKind;
use crate::open::Repository;
use crate::retention::{Deleted, Deleter};
use policy::Candidate;

/// What is forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForgetOptions {
    /// What stays.
    pub policy: Policy,
    /// To what the policy is applied.
    pub grouping: Grouping,
    /// Snapshots that do not pass are not looked at, and stay.
    pub filter: Filter,
    /// These identifiers, or the first digits of them, go instead of what the policy would have go. Pins stay.
    pub snapshots: Vec<String>,
    /// Nothing is deleted, and no lock is taken.
    pub dry_run: bool,
    /// The last snapshot of a group may go, when no rule keeps it.
    pub allow_empty_group: bool,
}

/// What went, or would go, and why the rest stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForgetReport {
    /// By key.
    pub groups: Vec<ForgetGroup>,
    /// Of those that went, how many the bucket keeps as older versions.
    pub hidden: u64,
    /// Whether nothing was deleted.
    pub dry_run: bool,
}

/// The decision about one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForgetGroup {
    /// What its snapshots have in common.
    pub key: GroupKey,
    /// What stays, the newest first.
    pub kept: Vec<Kept>,
    /// What goes, the newest first.
    pub removed: Vec<Snapshot>,
}

/// A snapshot that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Why; at least one reason, unless it was chosen by its identifier what goes.
    pub reasons: Vec<Reason>,
}

impl ForgetReport {
    /// How many snapshots go.
    #[must_use]
    pub fn removed_count(&self) -> usize {
        self.groups.iter().map(|group| group.removed.len()).sum()
    }

    /// How many snapshots stay only because the storage did not let them go.
    #[must_use]
    pub fn retained_count(&self) -> usize {
        let kept = self.groups.iter().flat_map(|group| &group.kept);
        kept.filter(|kept| kept.reasons.contains(&Reason::Retained)).count()
    }

    /// How many snapshots stay.
    #[must_use]
    pub fn kept_count(&self) -> usize {
        self.groups.iter().map(|group| group.kept.len()).sum()
    }
}

impl Repository {
    /// Deletes the snapshots that no rule keeps, one by one, beside
    /// those who read and add: what they use stays in the packs until a prune that minds them.
    ///
    /// # Errors
    /// `Invalid` for an empty policy, `NotFound` and `Ambiguous` for an identifier, `Locked`, and whatever keeps the list
    /// of snapshots from being complete: then nothing is deleted.
    pub async fn forget(&self, options: &ForgetOptions) -> Result<ForgetReport> {
        if options.policy.is_empty() && options.snapshots.is_empty() {
            let error = Error::new(ErrorKind::Invalid, "the policy keeps nothing");
            return Err(
                error.with_hint("give at least one rule, such as --keep-last or --keep-daily")
            );
        }
        if options.dry_run {
            return self.plan_forget(options).await;
        }
        let lock = self.lock_shared().await?;
        let done = match self.plan_forget(options).await {
            Ok(report) => self.delete_snapshots(report, &lock).await,
            Err(error) => Err(error),
        };
        let released = lock.release().await;
        let report = done?;
        released.map(|()| report)
    }

    async fn plan_forget(&self, options: &ForgetOptions) -> Result<ForgetReport> {
        let mut snapshots = self.snapshots().await?;
        let chosen = choose(&snapshots, &options.snapshots)?;
        snapshots.retain(|snapshot| options.filter.takes(snapshot));
        let now = Timestamp::now();
        let groups = group::group(snapshots, options.grouping);
        let decide = |(key, snapshots)| match chosen.is_empty() {
            true => by_policy(key, snapshots, options, now),
            false => Ok(by_choice(key, snapshots, &chosen)),
        };
        let groups = groups.into_iter().map(decide).collect::<Result<_>>()?;
        Ok(ForgetReport { groups, dry_run: options.dry_run, ..ForgetReport::default() })
    }

    /// One that the storage does not let go is among those that stay.
    async fn delete_snapshots(
        &self,
        mut report: ForgetReport,
        lock: &crate::LockGuard,
    ) -> Result<ForgetReport> {
        let mut deleter = Deleter::new(self);
        for group in &mut report.groups {
            for snapshot in std::mem::take(&mut group.removed) {
                lock.ensure_held()?;
                match deleter.delete(&FileKind::Snapshot.name(&snapshot.id)).await? {
                    Deleted::Refused => {
                        group.kept.push(Kept { snapshot, reasons: vec![Reason::Retained] });
                        continue;
                    }
                    Deleted::Hidden => report.hidden += 1,
                    Deleted::Gone => {}
                }
                tracing::info!(snapshot = %snapshot.id, "forgot a snapshot");
                group.removed.push(snapshot);
            }
        }
        Ok(report)
    }
}

fn by_policy(
    key: GroupKey,
    mut snapshots: Vec<Snapshot>,
    options: &ForgetOptions,
    now: Timestamp,
) -> Result<ForgetGroup> {
    snapshots.sort_by_key(|snapshot| std::cmp::Reverse((snapshot.time.timestamp, snapshot.id)));
    let candidates = snapshots.iter().map(candidate).collect::<Result<Vec<_>>>()?;
    let mut reasons = policy::decide(&options.policy, &candidates, now);
    if !options.allow_empty_group
        && reasons.iter().all(Vec::is_empty)
        && let Some(newest) = reasons.first_mut()
    {
        newest.push(Reason::LastOfGroup);
    }
    let mut group = ForgetGroup { key, ..ForgetGroup::default() };
    for (snapshot, reasons) in snapshots.into_iter().zip(reasons) {
        if reasons.is_empty() {
            group.removed.push(snapshot);
        } else {
            group.kept.push(Kept { snapshot, reasons });
        }
    }
    Ok(group)
}

fn by_choice(key: GroupKey, mut snapshots: Vec<Snapshot>, chosen: &[Digest]) -> ForgetGroup {
    snapshots.sort_by_key(|snapshot| std::cmp::Reverse((snapshot.time.timestamp, snapshot.id)));
    let mut group = ForgetGroup { key, ..ForgetGroup::default() };
    for snapshot in snapshots {
        let is_pinned = snapshot.tags.iter().any(|tag| PINS.contains(&tag.as_str()));
        match (chosen.contains(&snapshot.id), is_pinned) {
            (true, false) => group.removed.push(snapshot),
            (_, true) => group.kept.push(Kept { snapshot, reasons: vec![Reason::Pinned] }),
            (false, false) => group.kept.push(Kept { snapshot, reasons: Vec::new() }),
        }
    }
    group
}

/// The identifiers that begin with `prefixes`: exactly one each.
fn choose(snapshots: &[Snapshot], prefixes: &[String]) -> Result<Vec<Digest>> {
    let find = |prefix: &String| {
        let is_meant =
            |id: &Digest| !prefix.is_empty() && id.to_string().starts_with(prefix.as_str());
        let mut found = snapshots.iter().map(|snapshot| snapshot.id).filter(is_meant);
        let shown = prefix.escape_debug();
        match (found.next(), found.next()) {
            (Some(id), None) => Ok(id),
            (Some(_), Some(_)) => {
                let text = format!("several snapshots begin with `{shown}`");
                Err(Error::new(ErrorKind::Ambiguous, text))
            }
            (None, _) => {
                let text = format!("no snapshot begins with `{shown}`");
                Err(Error::new(ErrorKind::NotFound, text))
            }
        }
    };
    prefixes.iter().map(find).collect()
}

fn candidate(snapshot: &Snapshot) -> Result<Candidate<'_>> {
    let time = snapshot.time;
    let odd = |error| {
        let what = format!("snapshot {}", snapshot.id.short());
        Error::corrupt(what, format_args!("its time {time} is out of range: {error}"))
    };
    let nanoseconds = i32::try_from(time.timestamp.nanoseconds).unwrap_or(0);
    let instant = Timestamp::new(time.timestamp.seconds, nanoseconds).map_err(odd)?;
    let offset = Offset::from_seconds(i32::from(time.offset_minutes) * 60).map_err(odd)?;
    let local: DateTime = offset.to_datetime(instant);
    Ok(Candidate { instant, local, tags: &snapshot.tags })
}
