use std::fmt;
use std::str::FromStr;

use lockgate_types::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const SECONDS_PER_DAY: i64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01 in the proleptic Gregorian calendar.
const DAYS_TO_EPOCH: i64 = 719_468;
const DAYS_PER_ERA: i64 = 146_097;

/// A point in time with the offset of the clock that told it; printed as Go prints `time.Time` in JSON (RFC 3339 with
/// as many digits of a second as are needed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// The point in time.
    pub timestamp: Timestamp,
    /// East of UTC, in minutes.
    pub offset_minutes: i16,
}

/// The text is not a time in RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a time in RFC 3339")]
pub struct ParseTimeError;

struct Civil {
    year: i64,
    month: i64,
    day: i64,
}

impl Time {
    /// The year 1, which stands for "not known" in what restic writes.
    pub const ZERO: Self = Self::utc(Timestamp { seconds: -62_135_596_800, nanoseconds: 0 });

    /// Without an offset.
    #[must_use]
    pub const fn utc(timestamp: Timestamp) -> Self {
        Self { timestamp, offset_minutes: 0 }
    }

    /// The present, in UTC.
    #[must_use]
    pub fn now() -> Self {
        let now = jiff::Timestamp::now();
        // jiff rounds towards zero; a timestamp rounds down.
        let nanoseconds = now.subsec_nanosecond();
        let borrow = i64::from(nanoseconds < 0);
        let rest = i64::from(nanoseconds) + borrow * 1_000_000_000;
        Self::utc(Timestamp {
            seconds: now.as_second() - borrow,
            nanoseconds: u32::try_from(rest).unwrap_or(0),
        })
    }
}

impl Default for Time {
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Display for Time {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.timestamp.seconds.saturating_add(i64::from(self.offset_minutes) * 60);
        let Civil { year, month, day } = civil(local.div_euclid(SECONDS_PER_DAY));
        let second = local.rem_euclid(SECONDS_PER_DAY);
        // Four digits are all that the format has: restic puts years outside at the nearest end.
        let (year, month, day) = match year {
            ..0 => (0, month, day),
            10_000.. if (month, day) == (2, 29) => (9_999, 3, 1),
            10_000.. => (9_999, month, day),
            _ => (year, month, day),
        };
        let mut text = Text { bytes: [0; 40], length: 0 };
        text.digits(year, 4);
        for (separator, number) in [
            (b'-', month),
            (b'-', day),
            (b'T', second / 3600),
            (b':', second / 60 % 60),
            (b':', second % 60),
        ] {
            text.byte(separator);
            text.digits(number, 2);
        }
        text.fraction(self.timestamp.nanoseconds);
        match self.offset_minutes {
            0 => text.byte(b'Z'),
            offset => {
                text.byte(if offset < 0 { b'-' } else { b'+' });
                let minutes = i64::from(offset.unsigned_abs());
                text.digits(minutes / 60, if minutes < 6000 { 2 } else { 3 });
                text.byte(b':');
                text.digits(minutes % 60, 2);
            }
        }
        formatter.write_str(text.as_str())
    }
}

/// A time as text. Every file has three, and the formatter would take most of the time in which a folder is printed.
struct Text {
    /// The longest is `9999-12-31T23:59:59.999999999+546:07`.
    bytes: [u8; 40],
    length: usize,
}

impl Text {
    fn byte(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    /// The last `count` digits of `number`.
    fn digits(&mut self, mut number: i64, count: usize) {
        let end = self.length + count;
        if let Some(places) = self.bytes.get_mut(self.length..end) {
            for place in places.iter_mut().rev() {
                *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
                number /= 10;
            }
            self.length = end;
        }
    }

    /// With the point, and without zeros at the end.
    fn fraction(&mut self, nanoseconds: u32) {
        if nanoseconds == 0 {
            return;
        }
        self.byte(b'.');
        self.digits(nanoseconds.into(), 9);
        while self.length > 0 && self.bytes.get(self.length - 1) == Some(&b'0') {
            self.length -= 1;
        }
    }

    fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl FromStr for Time {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text.as_bytes()).ok_or(ParseTimeError)
    }
}

fn parse(text: &[u8]) -> Option<Time> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.iter().try_fold(0i64, |value, digit| {
            digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
        })
    };
    let separator = |at: usize, byte: u8| (text.get(at) == Some(&byte)).then_some(());
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    separator(4, b'-')?;
    separator(7, b'-')?;
    separator(10, b'T')?;
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    separator(13, b':')?;
    separator(16, b':')?;
    let date_fits = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
    if !date_fits || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (nanoseconds, zone) = parse_fraction(text.get(19..)?)?;
    let offset_minutes = parse_zone(zone)?;
    let days = days_from_civil(year, month, day);
    let local = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    let seconds = local - i64::from(offset_minutes) * 60;
    Some(Time { timestamp: Timestamp { seconds, nanoseconds }, offset_minutes })
}

fn parse_fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some((b'.', rest)) = text.split_first() else { return Some((0, text)) };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        return None;
    }
    let (digits, zone) = rest.split_at_checked(count)?;
    let mut nanoseconds = 0;
    // Digits beyond a nanosecond are dropped.
    for place in 0..9 {
        nanoseconds =
            nanoseconds * 10 + digits.get(place).map_or(0, |digit| u32::from(digit - b'0'));
    }
    Some((nanoseconds, zone))
}

fn parse_zone(zone: &[u8]) -> Option<i16> {
    let [sign, h1, h0, b':', m1, m0] = zone else { return (zone == b"Z").then_some(0) };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i16::from(byte - b'0'));
    let (hours, minutes) = (digit(h1)? * 10 + digit(h0)?, digit(m1)? * 10 + digit(m0)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    match sign {
        b'+' => Some(hours * 60 + minutes),
        b'-' => Some(-(hours * 60 + minutes)),
        _ => None,
    }
}

// Years that start in March make the leap day the last of the year, so that no table of months is needed.
fn civil(days: i64) -> Civil {
    let shifted = days + DAYS_TO_EPOCH;
    let era = shifted.div_euclid(DAYS_PER_ERA);
    let day_of_era = shifted.rem_euclid(DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    Civil { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let shifted_year = year - i64::from(month <= 2);
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - DAYS_TO_EPOCH
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_print_as_go_prints_them() {
        let golden = [
            (0, 0, 0, "1970-01-01T00:00:00Z"),
            (1_417_884_623, 345_135_380, 60, "2014-12-06T17:50:23.34513538+01:00"),
            (-62_135_596_800, 0, 0, "0001-01-01T00:00:00Z"),
            (-1, 999_999_999, 0, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400, 1, -330, "2000-02-28T18:30:00.000000001-05:30"),
            (i64::MAX / 4, 0, 0, "9999-"),
            (i64::MIN / 4, 0, 0, "0000-"),
        ];
        for (seconds, nanoseconds, offset_minutes, text) in golden {
            let time = Time { timestamp: Timestamp { seconds, nanoseconds }, offset_minutes };
            assert!(time.to_string().starts_with(text), "{time} is not {text}");
        }
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        let texts = [
            "",
            "2014",
            "2014-13-01T00:00:00Z",
            "2014-02-29T00:00:00Z",
            "2014-01-01T24:00:00Z",
            "2014-01-01T00:00:00",
            "2014-01-01T00:00:00.Z",
            "2014-01-01T00:00:00+24:00",
            "2014-01-01 00:00:00Z",
            "2014-01-01T00:00:00Zx",
            "é014-01-01T00:00:00Z",
        ];
        for text in texts {
            assert_eq!(text.parse::<Time>(), Err(ParseTimeError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn times_come_back(
            // From the year 0 to the year 9999 with any offset.
            seconds in -62_167_000_000i64..253_402_000_000,
            nanoseconds in 0u32..1_000_000_000,
            offset_minutes in -1439i16..=1439,
        ) {
            let time = Time { timestamp: Timestamp { seconds, nanoseconds }, offset_minutes };
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }

        #[test]
        fn dates_agree_with_jiff(seconds in -62_135_596_800i64..253_402_000_000) {
            let time = Time::utc(Timestamp { seconds, nanoseconds: 0 });
            let other = jiff::Timestamp::from_second(seconds).unwrap();
            prop_assert_eq!(time.to_string(), other.to_string());
        }
    }
}
