//! What becomes of each pack.

use std::collections::HashSet;

use lockgate_types::{Digest, Timestamp};

use super::survey::{PackState, Survey};
use super::{PruneLimit, PruneOptions, PruneReport};
use crate::lock::Seen;

/// Between two times of the storage that are to tell before from after: some storages count whole seconds.
const TIME_GRAIN_SECONDS: i64 = 2;
/// Packs below half of this are small.
const SMALL_BYTES: u32 = 8 << 20;

/// The plan; packs that stay as they are stand in none of the lists.
#[derive(Default)]
pub(super) struct Plan {
    /// Marked, and needed again: to be put into use.
    pub(super) recovered: HashSet<Digest>,
    /// Marked long enough ago and in use by nobody: to be deleted.
    pub(super) removed: Vec<Digest>,
    /// To be marked.
    pub(super) marked: HashSet<Digest>,
    /// To be stored again and then marked, the ones that gain most first.
    pub(super) repacked: Vec<Digest>,
    /// To be marked, though no index names them.
    pub(super) unnamed: Vec<(Digest, u64)>,
    /// Index files name them, but they are not there, and nobody needs them.
    pub(super) vanished: HashSet<Digest>,
}

/// What those who work beside a prune allow it to do.
pub(super) struct Leave<'a> {
    now: Option<Timestamp>,
    others: Vec<Option<Timestamp>>,
    options: &'a PruneOptions,
}

impl<'a> Leave<'a> {
    pub(super) fn new(seen: &Seen, options: &'a PruneOptions) -> Self {
        let others = seen.others.iter().map(|other| other.since).collect();
        Self { now: seen.now, others, options }
    }

    /// Whether nobody is there who may rely on what his index shows without looking at it again.
    pub(super) fn may_mark(&self) -> bool {
        self.others.iter().all(Option::is_some)
    }

    /// Whether it may belong to somebody who is still at work.
    fn is_young(&self, modified: Option<Timestamp>) -> bool {
        let Some(oldest) = self.others.iter().flatten().min() else { return false };
        modified.is_none_or(|time| time.seconds + TIME_GRAIN_SECONDS >= oldest.seconds)
    }

    /// Whether it was marked long enough ago, and everybody who is there began later.
    fn may_remove(&self, marked: Option<Timestamp>) -> bool {
        let is_later = |since: &Option<Timestamp>| {
            since.zip(marked).is_some_and(|(since, marked)| {
                since.seconds > marked.seconds.saturating_add(TIME_GRAIN_SECONDS)
            })
        };
        let keep = i64::try_from(self.options.keep_marked.as_secs()).unwrap_or(i64::MAX);
        let age = self.now.zip(marked).map(|(now, then)| now.seconds.saturating_sub(then.seconds));
        (keep == 0 || age.is_some_and(|age| age >= keep)) && self.others.iter().all(is_later)
    }
}

impl Plan {
    /// Decides, and tells in `report`.
    pub(super) fn new(survey: &Survey, leave: &Leave<'_>, report: &mut PruneReport) -> Self {
        let mut plan = Self::default();
        let mut thin = Vec::new();
        let mut total = 0;
        for (id, state) in &survey.packs {
            let size = u64::from(state.size);
            report.bytes_used += u64::from(state.bytes_used);
            if state.is_live && state.is_there {
                total += u64::from(state.bytes);
                report.bytes_unused += u64::from(state.bytes_unused());
            }
            let may_mark = leave.may_mark() && !leave.is_young(state.live_since);
            match (state.is_live, state.is_there, state.bytes_used) {
                (_, false, _) => drop(plan.vanished.insert(*id)),
                (false, _, 1..) => drop(plan.recovered.insert(*id)),
                (false, _, 0) if leave.may_remove(state.marked_since) => {
                    report.packs_removed += 1;
                    report.bytes_removed += size;
                    plan.removed.push(*id);
                }
                (false, _, 0) => {
                    report.packs_waiting += 1;
                    report.bytes_waiting += size;
                }
                (true, _, 0) if may_mark => {
                    report.packs_marked += 1;
                    report.bytes_marked += size;
                    plan.marked.insert(*id);
                }
                (true, _, 1..) if may_mark => thin.push((*id, *state)),
                (true, ..) => {
                    report.packs_kept += 1;
                    report.bytes_unused_after += u64::from(state.bytes_unused());
                }
            }
        }
        report.packs_recovered = plan.recovered.len() as u64;
        plan.choose_thin(thin, total, leave.options, report);
        plan.choose_unnamed(survey, leave, report);
        plan
    }

    /// Of packs that are partly used the ones go that waste most, until the rest wastes less than is allowed.
    fn choose_thin(
        &mut self,
        mut thin: Vec<(Digest, PackState)>,
        total: u64,
        options: &PruneOptions,
        report: &mut PruneReport,
    ) {
        let mut unused = sum(&thin, |state| state.bytes_unused());
        let max_unused = match options.max_unused {
            // Of what is left then, as restic counts it.
            PruneLimit::Percent(percent) => {
                let percent = u64::from(percent.min(99));
                report.bytes_used.saturating_mul(percent) / (100 - percent)
            }
            limit => limit_of(limit, total),
        };
        let mut budget = limit_of(options.max_repack, total);
        // A percentage of few packs is less than any of them: one is always let through, so that small repositories are tidied too.
        let lets_one = matches!(options.max_repack, PruneLimit::Percent(1..));
        // Trees first: each read of a folder gains by it.
        thin.sort_by_cached_key(|(id, state)| {
            let share = u64::from(state.bytes_unused()) * 1_000_000 / u64::from(state.bytes.max(1));
            (!state.has_trees, std::cmp::Reverse(share), *id)
        });
        let is_small = |state: &PackState| state.size < SMALL_BYTES / 2;
        let small = thin.iter().filter(|(_, state)| is_small(state)).count();
        for (id, state) in thin {
            let wastes = state.bytes_unused() > 0 && unused > max_unused;
            let is_merged = options.merge_small && small > 1 && is_small(&state);
            let used = u64::from(state.bytes_used);
            let fits = used <= budget || (lets_one && self.repacked.is_empty());
            if !(wastes || is_merged) || !fits {
                report.packs_kept += 1;
                continue;
            }
            budget = budget.saturating_sub(used);
            unused -= u64::from(state.bytes_unused());
            report.packs_repacked += 1;
            report.bytes_repacked += used;
            report.bytes_marked += u64::from(state.size);
            self.repacked.push(id);
        }
        report.bytes_unused_after += unused;
    }

    fn choose_unnamed(&mut self, survey: &Survey, leave: &Leave<'_>, report: &mut PruneReport) {
        let is_free = |time| leave.may_mark() && !leave.is_young(time);
        for pack in survey.unnamed.iter().filter(|pack| is_free(pack.modified)) {
            report.packs_marked += 1;
            report.bytes_marked += pack.size;
            self.unnamed.push((pack.id, pack.size));
        }
    }

    /// Whether index files change because of this pack.
    pub(super) fn changes(&self, id: &Digest) -> bool {
        self.marked.contains(id) || self.vanished.contains(id)
    }
}

fn sum(packs: &[(Digest, PackState)], of: impl Fn(&PackState) -> u32) -> u64 {
    packs.iter().map(|(_, state)| u64::from(of(state))).sum()
}

fn limit_of(limit: PruneLimit, total: u64) -> u64 {
    match limit {
        PruneLimit::Percent(percent) => total.saturating_mul(percent.into()) / 100,
        PruneLimit::Bytes(bytes) => bytes,
        PruneLimit::Unlimited => u64::MAX,
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
