//! The one moment of all sources: all begin and join before one is released.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lockgate_sandbox::Instance;
use lockgate_types::{BackupPlan, Descriptor};

use super::Run;
use super::member::Member;
use super::plan::{self, Moment};
use crate::lanes::each;
use crate::manifest::{PartRecord, SetRecord};
use crate::progress::{every, planned};
use crate::{Error, ErrorKind, Result};

/// A source between its begin and its end.
pub(super) struct Begun {
    pub coordinator: Instance,
    pub descriptor: Descriptor,
    pub plan: BackupPlan,
    pub moment: Moment,
    /// The workers that joined, until they have exported.
    pub workers: Vec<Instance>,
    /// What was exported.
    pub parts: Vec<PartRecord>,
}

/// begin → join → release. What the plugins began is in `begun`, also after a failure.
pub(super) fn hold(
    run: &Run<'_>,
    members: &[Member<'_>],
    begun: &mut Vec<Begun>,
) -> Result<Option<SetRecord>> {
    // Nobody's writers need wait for a plugin to start.
    let coordinators = members.iter().map(Member::coordinator).collect::<Result<Vec<_>>>()?;
    let Some(set) = &run.job.set else {
        hold_all(run, members, coordinators, begun)?;
        return Ok(None);
    };
    let started = Instant::now();
    let stop = || members.iter().for_each(|member| member.session.cancel());
    let work = || hold_all(run, members, coordinators, begun);
    within(set.hold_max, stop, work).unwrap_or_else(|| {
        let seconds = set.hold_max.as_secs();
        let message = format!("set {}: not all sources had their moment within {seconds} s", set.name);
        Err(Error::new(ErrorKind::Failed, message)
            .with_hint("name first what can hold its writers, leave large folders out of the set, or raise hold-seconds"))
    })?;
    Ok(Some(SetRecord {
        name: set.name.clone(),
        sources: members.iter().map(|member| member.name.clone()).collect(),
        held_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    }))
}

fn hold_all(
    run: &Run<'_>,
    members: &[Member<'_>],
    coordinators: Vec<(Instance, Descriptor)>,
    begun: &mut Vec<Begun>,
) -> Result<()> {
    run.stage("begin")?;
    for (member, (mut coordinator, descriptor)) in members.iter().zip(coordinators) {
        let plan = coordinator.backup_begin(member.request(run))?;
        let (moment, workers, parts) = (Moment::Join, Vec::new(), Vec::new());
        begun.push(Begun { coordinator, descriptor, plan, moment, workers, parts });
    }
    for (member, begun) in members.iter().zip(begun.iter()) {
        plan::review(member.name, &begun.plan.parts, &run.job.parts)?;
    }
    let parts: Vec<_> = begun.iter().flat_map(|begun| &begun.plan.parts).collect();
    run.host.observer.event(&planned(parts.into_iter()));
    run.stage("join")?;
    for (member, begun) in members.iter().zip(begun.iter_mut()) {
        begun.moment = plan::moment(member.name, &begun.plan.attributes)?;
        begun.workers = member.join(&begun.plan)?;
    }
    if run.job.set.is_some() {
        // What does not stand still by itself does while the others hold it.
        export(run, members, begun, |begun| begun.moment == Moment::Export)?;
    }
    run.stage("release")?;
    // The first held longest what it holds, and so it holds until all others have let go.
    begun.iter_mut().rev().try_for_each(|begun| Ok(begun.coordinator.backup_release()?))
}

/// Exports what is chosen and not exported yet, all sources at the same time. The first failure stops the others.
pub(super) fn export(
    run: &Run<'_>,
    members: &[Member<'_>],
    begun: &mut [Begun],
    is_chosen: impl Fn(&Begun) -> bool,
) -> Result<()> {
    let mut chosen: Vec<_> = members
        .iter()
        .zip(begun)
        .filter(|(_, begun)| !begun.workers.is_empty() && is_chosen(begun))
        .collect();
    let work = |(member, begun): &mut (&Member<'_>, &mut Begun)| {
        let workers = std::mem::take(&mut begun.workers);
        begun.parts = member.export_parts(run, workers, &begun.plan.parts)?;
        Ok(())
    };
    each(&mut chosen, work, || members.iter().for_each(|member| member.session.cancel()))
}

/// What `work` gives; none when it took longer than `limit`, after which `stop` was called.
fn within<T>(limit: Duration, stop: impl Fn() + Sync, work: impl FnOnce() -> T) -> Option<T> {
    let late = AtomicBool::new(false);
    let beat = || {
        if !late.swap(true, Ordering::Relaxed) {
            stop();
        }
    };
    let result = every(limit, beat, work);
    (!late.into_inner()).then_some(result)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn what_takes_too_long_is_stopped_and_gives_nothing() {
        let (stopped, seen) = mpsc::channel();
        let stop = || stopped.send(()).unwrap();
        assert_eq!(within(Duration::from_millis(20), stop, || seen.recv()), None);
        assert_eq!(within(Duration::from_secs(60), || unreachable!(), || 7), Some(7));
    }
}
