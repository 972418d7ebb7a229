use std::fmt;
use std::str::FromStr;

use jiff::Span;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};

/// A stretch of the calendar, written as restic writes it: `1y6m14d12h`, each unit at most once and none of them negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    /// Calendar years.
    pub years: u32,
    /// Calendar months.
    pub months: u32,
    /// Calendar days.
    pub days: u32,
    /// Hours.
    pub hours: u32,
}

impl Period {
    /// Whether no unit is set, which means that the rule is not in use.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    /// The moment that lies this far before `moment`; none when the calendar of this program does not reach so far back.
    ///
    /// Years and months go first and keep the day, and a day that the month does not have runs over into the next month
    /// (one month before 31 March is 3 March, or 2 March in a leap year), because restic counts so.
    pub(crate) fn before(&self, moment: DateTime) -> Option<DateTime> {
        let (years, months) = (i64::from(self.years), i64::from(self.months));
        let first = moment.date().first_of_month().to_datetime(moment.time());
        let days = i64::from(moment.day()) - 1 - i64::from(self.days);
        let calendar =
            Span::new().try_years(years).and_then(|span| span.try_months(months)).ok()?;
        let hours = Span::new().try_hours(self.hours).ok()?;
        first
            .checked_sub(calendar)
            .and_then(|time| time.checked_add(Span::new().try_days(days)?))
            .and_then(|time| time.checked_sub(hours))
            .ok()
    }

    fn set(&mut self, unit: char, count: u32) -> bool {
        let field = match unit {
            'y' => &mut self.years,
            'm' => &mut self.months,
            'd' => &mut self.days,
            'h' => &mut self.hours,
            _ => return false,
        };
        let is_new = *field == 0;
        *field = count;
        is_new
    }
}

impl FromStr for Period {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = || {
            let text = text.escape_debug();
            Error::new(ErrorKind::Invalid, format!("period `{text}` is not like 1y6m14d12h"))
        };
        let mut period = Self::default();
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(refuse());
        }
        while !rest.is_empty() {
            let end = rest.find(|digit: char| !digit.is_ascii_digit()).ok_or_else(refuse)?;
            let (count, behind) = rest.split_at(end);
            let unit = behind.chars().next().ok_or_else(refuse)?;
            if !period.set(unit, count.parse().map_err(|_| refuse())?) {
                return Err(refuse());
            }
            rest = behind.get(unit.len_utf8()..).unwrap_or_default();
        }
        Ok(period)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return formatter.write_str("0h");
        }
        let units = [(self.years, 'y'), (self.months, 'm'), (self.days, 'd'), (self.hours, 'h')];
        units
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .try_for_each(|(count, unit)| write!(formatter, "{count}{unit}"))
    }
}

impl TryFrom<String> for Period {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(period: &str, moment: &str) -> String {
        let moment: DateTime = moment.parse().unwrap();
        let period: Period = period.parse().unwrap();
        period.before(moment).map(|time| time.to_string()).unwrap_or_default()
    }

    #[test]
    fn text_form_parses_back() {
        for text in ["1y6m14d12h", "7d", "48h", "2y", "1y1h"] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "7", "d", "-7d", "7w", "7d7d", "99999999999d", "7dé", "1 d"] {
            assert!(text.parse::<Period>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_that_the_month_lacks_runs_over() {
        assert_eq!(before("1m", "2023-03-31T10:00:00"), "2023-03-03T10:00:00");
        assert_eq!(before("1y", "2024-02-29T10:00:00"), "2023-03-01T10:00:00");
        assert_eq!(before("1m1d12h", "2024-01-01T06:00:00"), "2023-11-29T18:00:00");
    }

    #[test]
    fn before_all_time_is_no_moment() {
        assert_eq!(before("99999y", "2024-01-01T00:00:00"), "");
        assert_eq!(before("4000000000y4000000000d", "2024-01-01T00:00:00"), "");
    }
}
