use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, Zoned};
use lockgate_types::Timestamp;

use crate::error::{Error, ErrorKind, Result};
use crate::forget::Period;

/// A moment as people write it: `2026-01-31`, `2026-01-31 12:00:00` by the clock of this machine,
/// `2026-01-31T12:00:00Z`, or how long ago it was, such as `7d` or `1y6m`.
///
/// # Errors
/// `Invalid` when it is none of these.
pub fn parse_moment(text: &str) -> Result<Timestamp> {
    let now = Zoned::now();
    let instant = parse(text.trim(), &now).ok_or_else(|| {
        let text = format!(
            "{text:?} is no time: expected 2026-01-31, 2026-01-31 12:00:00, 2026-01-31T12:00:00Z or 7d"
        );
        Error::new(ErrorKind::Invalid, text)
    })?;
    let nanoseconds = u32::try_from(instant.as_nanosecond().rem_euclid(1_000_000_000));
    let seconds = instant.as_nanosecond().div_euclid(1_000_000_000);
    Ok(Timestamp {
        seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
        nanoseconds: nanoseconds.unwrap_or(0),
    })
}

fn parse(text: &str, now: &Zoned) -> Option<Instant> {
    let local = |time: DateTime| time.to_zoned(TimeZone::system()).ok().map(|it| it.timestamp());
    if let Ok(period) = text.parse::<Period>() {
        return local(period.before(now.datetime())?);
    }
    if let Ok(instant) = text.parse::<Instant>() {
        return Some(instant);
    }
    if let Ok(time) = DateTime::strptime("%Y-%m-%d %H:%M:%S", text) {
        return local(time);
    }
    local(Date::strptime("%Y-%m-%d", text).ok()?.at(0, 0, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates_times_and_periods() {
        let seconds = |text: &str| parse_moment(text).unwrap().seconds;
        assert_eq!(seconds("2024-02-29T12:00:00Z"), 1_709_208_000);
        assert_eq!(seconds("2024-02-29T13:00:00+01:00"), 1_709_208_000);
        assert_eq!(seconds("2024-03-01 00:00:00"), seconds("2024-03-01"));
        let day = Instant::now().as_second() - seconds("1d");
        assert!((82_000..=91_000).contains(&day), "{day}");
        for text in ["", "yesterday", "2024-02-30", "7", "2024-02-29 25:00:00"] {
            assert_eq!(parse_moment(text).unwrap_err().kind(), ErrorKind::Invalid, "{text}");
        }
    }
}
