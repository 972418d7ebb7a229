use std::fmt;

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use super::period::Period;

/// Snapshots that carry one of these tags are kept whatever the policy says.
pub const PINS: [&str; 2] = ["pinned", "keep"];

/// Which snapshots of a group stay. The rules add up: a snapshot stays when any of them wants it. They are restic's, and
/// mean the same (<https://restic.readthedocs.io/en/stable/060_forget.html>).
///
/// A count of 0 switches a rule off, [`Policy::ALL`] keeps without end. While a rule has counts left, the oldest snapshot
/// of the group uses one of them, so that a history grows to its full length. Hours, days, weeks (ISO 8601), months and
/// years are those of the clock that wrote the snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// The newest.
    pub last: u32,
    /// The newest of each of the newest hours that have a snapshot.
    pub hourly: u32,
    /// The same for days.
    pub daily: u32,
    /// The same for weeks.
    pub weekly: u32,
    /// The same for months.
    pub monthly: u32,
    /// The same for years.
    pub yearly: u32,
    /// All that are younger than this, counted back from the newest snapshot of the group.
    pub within: Period,
    /// The newest of each hour within this time.
    pub within_hourly: Period,
    /// The newest of each day within this time.
    pub within_daily: Period,
    /// The newest of each week within this time.
    pub within_weekly: Period,
    /// The newest of each month within this time.
    pub within_monthly: Period,
    /// The newest of each year within this time.
    pub within_yearly: Period,
    /// Those that have all the tags of one of these lists. An empty tag stands for a snapshot without tags.
    pub tags: Vec<Vec<String>>,
}

impl Policy {
    /// The count that never runs out.
    pub const ALL: u32 = u32::MAX;

    /// Whether no rule is in use. Such a policy would keep nothing and is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn counted(&self) -> [(u32, Slot); 6] {
        [
            (self.last, Slot::Each),
            (self.hourly, Slot::Hour),
            (self.daily, Slot::Day),
            (self.weekly, Slot::Week),
            (self.monthly, Slot::Month),
            (self.yearly, Slot::Year),
        ]
    }

    fn timed(&self) -> [(Period, Slot); 5] {
        [
            (self.within_hourly, Slot::Hour),
            (self.within_daily, Slot::Day),
            (self.within_weekly, Slot::Week),
            (self.within_monthly, Slot::Month),
            (self.within_yearly, Slot::Year),
        ]
    }
}

/// The stretch of time of which a rule keeps one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// Every snapshot for itself.
    Each,
    /// A clock hour.
    Hour,
    /// A calendar day.
    Day,
    /// A week that starts on Monday.
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
}

impl Slot {
    /// Equal for two moments exactly when they lie in the same slot.
    fn of(self, moment: DateTime, position: usize) -> [i64; 4] {
        let (year, month) = (i64::from(moment.year()), i64::from(moment.month()));
        let (day, hour) = (i64::from(moment.day()), i64::from(moment.hour()));
        match self {
            Self::Each => [i64::try_from(position).unwrap_or(i64::MAX), 0, 0, 0],
            Self::Hour => [year, month, day, hour],
            Self::Day => [year, month, day, 0],
            Self::Week => {
                let week = moment.date().iso_week_date();
                [i64::from(week.year()), i64::from(week.week()), 0, 0]
            }
            Self::Month => [year, month, 0, 0],
            Self::Year => [year, 0, 0, 0],
        }
    }

    fn adverb(self) -> &'static str {
        match self {
            Self::Each => "last",
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Year => "yearly",
        }
    }
}

/// Why a snapshot stays. The text is the one that restic prints, so that programs can read both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It has all these tags.
    Tags(Vec<String>),
    /// It carries one of [`PINS`].
    Pinned,
    /// It is young enough.
    Within(Period),
    /// It is the newest of its slot, or the oldest of the group while counts are left.
    Counted {
        /// Of which length.
        slot: Slot,
        /// It stays only because it is the oldest of the group.
        is_oldest: bool,
    },
    /// It is the newest of its slot within a time, or the oldest of the group.
    CountedWithin {
        /// Of which length.
        slot: Slot,
        /// It stays only because it is the oldest of the group.
        is_oldest: bool,
        /// The time.
        period: Period,
    },
    /// No rule keeps any snapshot of the group, and the last one of a group never goes unasked.
    LastOfGroup,
    /// No rule keeps it, and the storage must: its retention has not ended.
    Retained,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let oldest = |is_oldest: bool| if is_oldest { "oldest " } else { "" };
        match self {
            Self::Tags(tags) => write!(formatter, "has tags [{}]", tags.join(", ")),
            Self::Pinned => formatter.write_str("pinned"),
            Self::Within(period) => write!(formatter, "within {period}"),
            Self::Counted { slot, is_oldest } => {
                write!(formatter, "{}{} snapshot", oldest(*is_oldest), slot.adverb())
            }
            Self::CountedWithin { slot, is_oldest, period } => {
                write!(formatter, "{}{} within {period}", oldest(*is_oldest), slot.adverb())
            }
            Self::LastOfGroup => formatter.write_str("last of its group"),
            Self::Retained => formatter.write_str("under retention in the storage"),
        }
    }
}

/// What the policy looks at.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'a> {
    pub instant: Timestamp,
    /// The same moment on the clock that wrote the snapshot.
    pub local: DateTime,
    pub tags: &'a [String],
}

struct CountedRule {
    left: u32,
    slot: Slot,
    previous: Option<[i64; 4]>,
}

struct TimedRule {
    period: Period,
    /// Snapshots after this moment are within the period; none: all of them are.
    start: Option<Timestamp>,
    slot: Slot,
    previous: Option<[i64; 4]>,
}

/// The reasons to keep each of `candidates`, which stand newest first; no reason means that it can go.
pub(super) fn decide(
    policy: &Policy,
    candidates: &[Candidate<'_>],
    now: Timestamp,
) -> Vec<Vec<Reason>> {
    // A snapshot of the future (a wrong clock) must not make all others look old.
    let newest = candidates
        .iter()
        .filter(|candidate| candidate.instant < now)
        .max_by_key(|candidate| candidate.instant);
    let start = |period: Period| newest.and_then(|newest| start_of(period, newest));
    let within = (!policy.within.is_zero()).then(|| start(policy.within));
    let mut counted =
        policy.counted().map(|(left, slot)| CountedRule { left, slot, previous: None });
    let mut timed = policy.timed().map(|(period, slot)| TimedRule {
        period,
        start: start(period),
        slot,
        previous: None,
    });

    let count = candidates.len();
    let keep = |(position, candidate): (usize, &Candidate<'_>)| {
        let is_oldest = position + 1 == count;
        let mut reasons = by_tags(policy, candidate.tags);
        if within.is_some_and(|start| is_after(candidate, start)) {
            reasons.push(Reason::Within(policy.within));
        }
        let by_count = |rule: &mut CountedRule| rule.keep(candidate, position, is_oldest);
        reasons.extend(counted.iter_mut().filter_map(by_count));
        let by_time = |rule: &mut TimedRule| rule.keep(candidate, position, is_oldest);
        reasons.extend(timed.iter_mut().filter_map(by_time));
        reasons
    };
    candidates.iter().enumerate().map(keep).collect()
}

impl CountedRule {
    fn keep(
        &mut self,
        candidate: &Candidate<'_>,
        position: usize,
        is_oldest: bool,
    ) -> Option<Reason> {
        let slot = Some(self.slot.of(candidate.local, position));
        let is_new = slot != self.previous;
        if self.left == 0 || !(is_new || is_oldest) {
            return None;
        }
        self.previous = slot;
        if self.left != Policy::ALL {
            self.left -= 1;
        }
        Some(Reason::Counted { slot: self.slot, is_oldest: !is_new })
    }
}

impl TimedRule {
    fn keep(
        &mut self,
        candidate: &Candidate<'_>,
        position: usize,
        is_oldest: bool,
    ) -> Option<Reason> {
        let slot = Some(self.slot.of(candidate.local, position));
        let is_new = slot != self.previous;
        let is_within = !self.period.is_zero() && is_after(candidate, self.start);
        if !is_within || !(is_new || is_oldest) {
            return None;
        }
        self.previous = slot;
        Some(Reason::CountedWithin { slot: self.slot, is_oldest: !is_new, period: self.period })
    }
}

fn by_tags(policy: &Policy, tags: &[String]) -> Vec<Reason> {
    let wanted = policy.tags.iter().filter(|wanted| has_tags(tags, wanted));
    let mut reasons: Vec<Reason> = wanted.map(|wanted| Reason::Tags(wanted.clone())).collect();
    if tags.iter().any(|tag| PINS.contains(&tag.as_str())) {
        reasons.push(Reason::Pinned);
    }
    reasons
}

/// Whether `tags` hold all of `wanted`; an empty wanted tag stands for having no tags at all.
pub(super) fn has_tags(tags: &[String], wanted: &[String]) -> bool {
    for want in wanted {
        if want.is_empty() && tags.is_empty() {
            return true;
        }
        if !tags.contains(want) {
            return false;
        }
    }
    true
}

fn start_of(period: Period, newest: &Candidate<'_>) -> Option<Timestamp> {
    let start = period.before(newest.local)?;
    newest.instant.checked_add(start.duration_since(newest.local)).ok()
}

fn is_after(candidate: &Candidate<'_>, start: Option<Timestamp>) -> bool {
    start.is_none_or(|start| candidate.instant > start)
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
