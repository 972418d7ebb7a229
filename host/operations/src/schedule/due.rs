//! What is due, from the calendar alone.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::{SignedDuration, Timestamp};
use lockgate_engine::configuration::Schedule;
use lockgate_types::Name;

/// How much later than its time a run is still on time: a busy machine, a short restart.
pub(super) const LATE_MAX: SignedDuration = SignedDuration::from_mins(5);
/// A time that is settled so far in the future was settled by a clock that was wrong.
const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(25);

/// A schedule on one machine.
pub(super) struct Calendar<'a> {
    pub host: &'a str,
    pub name: &'a Name,
    pub schedule: &'a Schedule,
}

/// A run that is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Its time, without the delay.
    pub time: Timestamp,
    /// Whether the time passed while nobody looked.
    pub is_late: bool,
}

impl Calendar<'_> {
    /// The newest run behind `settled` that should have begun by `now`: one makes up for all before it.
    pub(super) fn due(&self, settled: Timestamp, now: Timestamp) -> Option<Due> {
        let mut newest = None;
        let mut after = trusted(settled, now);
        while let Some(time) = self.schedule.cron.next(&self.schedule.time_zone, after) {
            if self.start(time) > now {
                break;
            }
            newest = Some(time);
            after = time;
        }
        let is_late = |time| now.duration_since(self.start(time)) > LATE_MAX;
        newest.map(|time| Due { time, is_late: is_late(time) })
    }

    /// When the first run behind `settled` begins.
    pub(super) fn next(&self, settled: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let after = trusted(settled, now);
        self.schedule.cron.next(&self.schedule.time_zone, after).map(|time| self.start(time))
    }

    /// A time with its delay: the same whenever it is asked for, another one on another machine.
    fn start(&self, time: Timestamp) -> Timestamp {
        let mut hasher = DefaultHasher::new();
        (self.host, self.name.as_str(), time.as_second()).hash(&mut hasher);
        let delay = hasher.finish() % (u64::from(self.schedule.jitter_seconds) + 1);
        let delay = SignedDuration::from_secs(i64::try_from(delay).unwrap_or_default());
        time.checked_add(delay).unwrap_or(time)
    }
}

/// Up to when times are settled, unless a clock was wrong that said so.
fn trusted(settled: Timestamp, now: Timestamp) -> Timestamp {
    if settled.duration_since(now) > AHEAD_MAX { now } else { settled }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_engine::configuration::parse;

    fn schedule(lines: &str) -> Schedule {
        let text = format!(
            "[repositories.a]\nurl = \"fs:/a\"\n[sources.x]\nplugin = \"files\"\n\
             [schedules.s]\nbackup = \"x\"\n{lines}\n"
        );
        parse(&text).unwrap().schedules.into_values().next().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-{text}:00Z").parse().unwrap()
    }

    fn due(schedule: &Schedule, settled: &str, now: &str) -> Option<(Timestamp, bool)> {
        let name = "s".parse().unwrap();
        let calendar = Calendar { host: "here", name: &name, schedule };
        calendar.due(at(settled), at(now)).map(|due| (due.time, due.is_late))
    }

    #[test]
    fn a_time_is_due_once_and_on_time_for_five_minutes() {
        let hourly = schedule("cron = \"0 * * * *\"");
        assert_eq!(due(&hourly, "05-01T10:00", "05-01T10:59"), None);
        assert_eq!(due(&hourly, "05-01T10:00", "05-01T11:00"), Some((at("05-01T11:00"), false)));
        assert_eq!(due(&hourly, "05-01T10:00", "05-01T11:05"), Some((at("05-01T11:00"), false)));
        assert_eq!(due(&hourly, "05-01T10:00", "05-01T11:06"), Some((at("05-01T11:00"), true)));
        assert_eq!(due(&hourly, "05-01T11:00", "05-01T11:06"), None);
    }

    #[test]
    fn one_run_makes_up_for_all_that_were_missed() {
        let hourly = schedule("cron = \"0 * * * *\"");
        assert_eq!(due(&hourly, "05-01T10:00", "05-09T11:30"), Some((at("05-09T11:00"), true)));
        assert_eq!(due(&hourly, "05-01T10:00", "05-09T11:01"), Some((at("05-09T11:00"), false)));
    }

    #[test]
    fn a_clock_that_jumps_repeats_nothing_and_stops_nothing() {
        let hourly = schedule("cron = \"0 * * * *\"");
        // Back by an hour: what ran does not run again.
        assert_eq!(due(&hourly, "05-01T10:00", "05-01T09:00"), None);
        assert_eq!(due(&hourly, "05-01T10:00", "05-01T10:30"), None);
        // It was months ahead: that is forgotten.
        let name = "s".parse().unwrap();
        let calendar = Calendar { host: "here", name: &name, schedule: &hourly };
        assert_eq!(calendar.next(at("09-01T00:00"), at("05-01T10:30")), Some(at("05-01T11:00")));
    }

    #[test]
    fn the_delay_is_the_same_each_time_and_within_its_bounds() {
        let schedule = schedule("cron = \"0 * * * *\"\njitter-seconds = 1800");
        let name = "s".parse().unwrap();
        let delays = |host| {
            let calendar = Calendar { host, name: &name, schedule: &schedule };
            let time = |hour: i32| at("05-01T00:00") + SignedDuration::from_hours(hour.into());
            (0..200)
                .map(|hour| calendar.start(time(hour)).duration_since(time(hour)).as_secs())
                .collect::<Vec<_>>()
        };
        let (here, there) = (delays("here"), delays("there"));
        assert_eq!(here, delays("here"));
        assert_ne!(here, there);
        assert!(here.iter().all(|delay| (0..=1800).contains(delay)));
        let (least, most) = (here.iter().min().unwrap(), here.iter().max().unwrap());
        assert!(*least < 200 && *most > 1600, "{least} to {most}");
        // It is not due before its delay has passed.
        let start = at("05-01T01:00") + SignedDuration::from_secs(here[1]);
        let calendar = Calendar { host: "here", name: &name, schedule: &schedule };
        let before = start - SignedDuration::from_secs(1);
        assert_eq!(calendar.due(at("05-01T00:00"), before), None);
        assert!(calendar.due(at("05-01T00:00"), start).is_some());
    }
}
