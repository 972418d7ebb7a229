use lockgate_api::Label;
use lockgate_repository::Policy;
use lockgate_types::Name;
use serde::{Deserialize, Deserializer};

use super::{Configuration, Cron, Zone};

/// When backups are made without being asked for, and which of them are kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Schedule {
    /// When.
    pub cron: Cron,
    /// In which time zone that is meant.
    #[serde(default)]
    pub time_zone: Zone,
    /// Sets and sources, a backup each.
    #[serde(deserialize_with = "one_or_more")]
    pub backup: Vec<Name>,
    /// What the backups are called; as their set or source otherwise.
    pub label: Option<Label>,
    /// Take the datastores out of service meanwhile.
    #[serde(default)]
    pub maintenance: bool,
    /// Look at the datastores first, and refuse when one finds something critical.
    #[serde(default)]
    pub check_stability: bool,
    /// Each run begins up to this many seconds later, so that not all machines begin at once.
    #[serde(default)]
    pub jitter_seconds: u32,
    /// What becomes of runs whose time passed while lockgate did not run.
    #[serde(default)]
    pub missed: Missed,
    /// Which backups are kept; all without it.
    pub keep: Option<Policy>,
    /// When space is given back that forgotten backups took up.
    #[serde(default)]
    pub prune: Prune,
}

/// What becomes of runs whose time passed while lockgate did not run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missed {
    /// One run makes up for all of them.
    #[default]
    Run,
    /// They are left out.
    Skip,
}

/// When space is given back that forgotten backups took up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prune {
    /// When an operator asks for it.
    #[default]
    Never,
    /// After each run.
    After,
    /// After a run, when the last time was a week ago.
    Weekly,
}

/// Longest delay, in seconds.
const JITTER_SECONDS_MAX: u32 = 6 * 3600;

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a name, or a list of names")]
enum OneOrMore {
    One(Name),
    More(Vec<Name>),
}

pub(super) fn one_or_more<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Name>, D::Error> {
    Ok(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(name) => vec![name],
        OneOrMore::More(names) => names,
    })
}

pub(super) fn review(configuration: &Configuration, schedule: &Schedule) -> Vec<String> {
    let mut found = Vec::new();
    if schedule.backup.is_empty() {
        found.push("backup: name a set or source".to_owned());
    }
    for (index, name) in schedule.backup.iter().enumerate() {
        let is_there =
            configuration.sets.contains_key(name) || configuration.sources.contains_key(name);
        if !is_there {
            found.push(format!("backup: there is no [sets.{name}] and no [sources.{name}]"));
        }
        if schedule.backup[..index].contains(name) {
            found.push(format!("backup: {name} twice"));
        }
    }
    if schedule.jitter_seconds > JITTER_SECONDS_MAX {
        let seconds = schedule.jitter_seconds;
        found.push(format!("jitter-seconds: {seconds} is more than {JITTER_SECONDS_MAX}"));
    }
    if schedule.keep.as_ref().is_some_and(Policy::is_empty) {
        found.push("keep: give at least one rule, such as last = 7".to_owned());
    }
    if schedule.keep.is_none() && schedule.prune != Prune::Never {
        found.push(
            "prune: without keep nothing is forgotten, and there is nothing to prune".to_owned(),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::parse;

    const SOURCES: &str = "[repositories.a]\nurl = \"fs:/a\"\n\
        [sources.x]\nplugin = \"files\"\n[sources.y]\nplugin = \"files\"\n\
        [sets.both]\nsources = [\"x\", \"y\"]\n";

    #[test]
    fn a_schedule_with_everything_is_understood() {
        let text = format!(
            "{SOURCES}[schedules.nightly]\ncron = \"30 1 * * *\"\ntime-zone = \"Europe/Berlin\"\n\
             backup = [\"both\", \"x\"]\nlabel = \"nightly\"\nmaintenance = true\ncheck-stability = true\n\
             jitter-seconds = 600\nmissed = \"skip\"\nprune = \"weekly\"\n\
             keep = {{ last = 3, daily = 7, within = \"14d\", tags = [[\"release\"]] }}\n"
        );
        let configuration = parse(&text).unwrap();
        let schedule = configuration.schedules.values().next().unwrap();
        assert_eq!(schedule.backup.len(), 2);
        assert_eq!((schedule.missed, schedule.prune), (Missed::Skip, Prune::Weekly));
        let keep = schedule.keep.as_ref().unwrap();
        assert_eq!((keep.last, keep.daily, keep.within.days), (3, 7, 14));
        assert_eq!(schedule.time_zone.as_str(), "Europe/Berlin");

        let least = format!("{SOURCES}[schedules.x]\ncron = \"@daily\"\nbackup = \"x\"\n");
        let configuration = parse(&least).unwrap();
        let schedule = configuration.schedules.values().next().unwrap();
        assert_eq!((schedule.missed, schedule.prune), (Missed::Run, Prune::Never));
        assert_eq!(schedule.time_zone.as_str(), "UTC");
    }

    #[test]
    fn mistakes_name_their_line() {
        let good = "cron = \"@daily\"\nbackup = \"x\"\n";
        for (lines, line, expected) in [
            ("cron = \"61 * * * *\"\nbackup = \"x\"\n", 10, "expected minute, hour"),
            ("cron = \"@daily\"\nbackup = 3\n", 11, "expected a name, or a list of names"),
            ("cron = \"@daily\"\nbackup = []\n", 9, "name a set or source"),
            ("cron = \"@daily\"\nbackup = [\"z\", \"x\"]\n", 9, "no [sets.z] and no [sources.z]"),
            ("cron = \"@daily\"\nbackup = [\"x\", \"x\"]\n", 9, "x twice"),
            (&format!("{good}time-zone = \"Mars/Base\"\n"), 12, "no time zone"),
            (&format!("{good}label = \"a b\"\n"), 12, "is not a label"),
            (&format!("{good}missed = \"never\"\n"), 12, "`run` or `skip`"),
            (&format!("{good}jitter-seconds = 99999\n"), 9, "more than 21600"),
            (&format!("{good}keep = {{ dayly = 3 }}\n"), 12, "unknown field `dayly`"),
            (&format!("{good}keep = {{}}\n"), 9, "at least one rule"),
            (&format!("{good}prune = \"after\"\n"), 9, "without keep"),
            (&format!("{good}crom = 1\n"), 12, "unknown field `crom`"),
        ] {
            let mistakes = parse(&format!("{SOURCES}[schedules.daily]\n{lines}")).unwrap_err();
            assert_eq!(mistakes[0].line, line, "{}", mistakes[0]);
            assert!(mistakes[0].message.contains(expected), "{}", mistakes[0]);
        }
    }
}
