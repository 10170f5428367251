//! The text of `google.protobuf.Timestamp` (RFC 3339) and `google.protobuf.Duration`.

use super::number;
use crate::wire::WireType;
use crate::wire::reader::{Error, Reader};
use crate::wire::writer;

/// Seconds and nanoseconds, as both messages hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Time {
    pub(super) seconds: i64,
    pub(super) nanos: i32,
}

/// The tags of both.
const SECONDS: u64 = 1 << 3 | WireType::Varint.bits();
const NANOS: u64 = 2 << 3 | WireType::Varint.bits();

impl Time {
    /// From the content of a message, in which groups may lie `groups` deep in one another.
    pub(super) fn read(mut wire: Reader<'_>, groups: usize) -> Result<Self, Error> {
        let mut time = Self { seconds: 0, nanos: 0 };
        // The usual order first; the loop takes what is left.
        if wire.take_tag(SECONDS) {
            time.seconds = wire.varint()? as i64;
        }
        if wire.take_tag(NANOS) {
            time.nanos = wire.varint()? as i32;
        }
        while !wire.is_at_end() {
            match wire.tag()? {
                (1, WireType::Varint) => time.seconds = wire.varint()? as i64,
                (2, WireType::Varint) => time.nanos = wire.varint()? as i32,
                (number, wire_type) => wire.skip(number, wire_type, groups)?,
            }
        }
        Ok(time)
    }

    /// Appends the content of a message.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        for (number, value) in [(1, self.seconds), (2, self.nanos.into())] {
            if value != 0 {
                writer::tag(out, number, WireType::Varint);
                writer::varint(out, value as u64);
            }
        }
    }
}

/// `0001-01-01T00:00:00Z`.
const MIN_TIMESTAMP: i64 = -62_135_596_800;
/// `9999-12-31T23:59:59Z`.
const MAX_TIMESTAMP: i64 = 253_402_300_799;
/// 10,000 years of 365.25 days.
const MAX_DURATION: i64 = 315_576_000_000;
const DAY: i64 = 86_400;

/// Reads an RFC 3339 time, with upper case `T` and `Z` as ProtoJSON asks.
pub(super) fn parse_timestamp(text: &[u8]) -> Option<Time> {
    let (date_time, rest) = text.split_at_checked(19)?;
    let number = |from: usize, to: usize| digits(&date_time[from..to]);
    let is_separated = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')]
        .iter()
        .all(|&(at, separator)| date_time[at] == separator);
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_valid = is_separated
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !is_valid {
        return None;
    }
    let (nanos, zone) = split_fraction(rest)?;
    let seconds =
        days_from_civil(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset(zone)?;
    (MIN_TIMESTAMP..=MAX_TIMESTAMP).contains(&seconds).then_some(Time { seconds, nanos })
}

/// The seconds that a zone is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, clock) = match zone {
        b"Z" => return Some(0),
        [b'+', clock @ ..] => (1, clock),
        [b'-', clock @ ..] => (-1, clock),
        _ => return None,
    };
    let &[h1, h2, b':', m1, m2] = clock else { return None };
    let (hours, minutes) = (digits(&[h1, h2])?, digits(&[m1, m2])?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Reads a duration such as `-1.5s`.
pub(super) fn parse_duration(text: &[u8]) -> Option<Time> {
    let text = text.strip_suffix(b"s")?;
    let (sign, text) = match text.strip_prefix(b"-") {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // Twelve digits hold the largest duration.
    if length == 0 || length > 18 {
        return None;
    }
    let seconds = digits(&text[..length])?;
    let (nanos, rest) = split_fraction(&text[length..])?;
    let time = Time { seconds: sign * seconds, nanos: sign as i32 * nanos };
    (rest.is_empty() && is_duration(time)).then_some(time)
}

/// Splits off a fraction of one to nine digits, in nanoseconds; none is zero.
fn split_fraction(text: &[u8]) -> Option<(i32, &[u8])> {
    let Some(rest) = text.strip_prefix(b".") else { return Some((0, text)) };
    let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 || length > 9 {
        return None;
    }
    let nanos = digits(&rest[..length])? * 10_i64.pow(9 - length as u32);
    Some((nanos as i32, &rest[length..]))
}

/// The number that at most 18 digits stand for.
fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |value, &byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

const fn is_duration(time: Time) -> bool {
    let same_sign = time.seconds == 0 || time.nanos == 0 || (time.seconds < 0) == (time.nanos < 0);
    same_sign
        && time.seconds.unsigned_abs() <= MAX_DURATION as u64
        && time.nanos.unsigned_abs() < 1_000_000_000
}

/// Room for any time as text.
pub(super) const TEXT: usize = 32;

/// Puts a time as RFC 3339 in UTC with 0, 3, 6 or 9 digits of fraction and returns the text's length; none
/// for a time outside the years 1 to 9999.
pub(super) fn put_timestamp(text: &mut [u8; TEXT], time: Time) -> Option<usize> {
    if !(MIN_TIMESTAMP..=MAX_TIMESTAMP).contains(&time.seconds) || !(0..1_000_000_000).contains(&time.nanos) {
        return None;
    }
    // Small numbers above zero, counted from the first day.
    let since = time.seconds.abs_diff(MIN_TIMESTAMP);
    let (days, second) = ((since / DAY as u64) as u32, (since % DAY as u64) as u32);
    let (year, month, day) = civil_from_days(days + FIRST_DAY);
    text[..20].copy_from_slice(b"0000-00-00T00:00:00Z");
    let parts = [year / 100, year % 100, month, day, second / 3600, second / 60 % 60, second % 60];
    for (at, value) in [0, 2, 5, 8, 11, 14, 17].into_iter().zip(parts) {
        text[at] += (value / 10) as u8;
        text[at + 1] += (value % 10) as u8;
    }
    let end = put_fraction(text, 19, time.nanos as u32);
    text[end] = b'Z';
    Some(end + 1)
}

/// Puts a duration in seconds with 0, 3, 6 or 9 digits of fraction and returns the text's length; none for
/// one that is out of range or has two signs.
pub(super) fn put_duration(text: &mut [u8; TEXT], time: Time) -> Option<usize> {
    if !is_duration(time) {
        return None;
    }
    let sign = usize::from(time.seconds < 0 || time.nanos < 0);
    text[0] = b'-';
    let digits = text[sign..].first_chunk_mut()?;
    let end = sign + number::put_unsigned(digits, time.seconds.unsigned_abs());
    let end = put_fraction(text, end, time.nanos.unsigned_abs());
    text[end] = b's';
    Some(end + 1)
}

/// Puts nanoseconds behind a point in groups of three digits, as many as there must be; returns their end.
fn put_fraction(text: &mut [u8; TEXT], at: usize, nanos: u32) -> usize {
    let groups = match nanos {
        0 => return at,
        nanos if nanos % 1_000_000 == 0 => 1,
        nanos if nanos % 1_000 == 0 => 2,
        _ => 3,
    };
    text[at] = b'.';
    let parts = [nanos / 1_000_000, nanos / 1_000 % 1_000, nanos % 1_000];
    for (group, to) in parts.into_iter().zip(text[at + 1..].as_chunks_mut::<3>().0).take(groups) {
        *to = [group / 100, group / 10 % 10, group % 10].map(|digit| b'0' + digit as u8);
    }
    at + 1 + 3 * groups
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar. The year is counted from March, so that
/// the leap day is its last, in eras of 400 years, which all have 146,097 days.
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The first day of the year 1, in days since 0000-03-01.
const FIRST_DAY: u32 = 306;

/// The inverse of [`days_from_civil`], but from days since 0000-03-01: year, month and day.
const fn civil_from_days(days: u32) -> (u32, u32, u32) {
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + (month <= 2) as u32, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(put: fn(&mut [u8; TEXT], Time) -> Option<usize>, time: Time) -> Option<String> {
        let mut text = [0; TEXT];
        put(&mut text, time).map(|length| String::from_utf8(text[..length].to_vec()).unwrap())
    }

    fn timestamp(time: Time) -> Option<String> {
        text(put_timestamp, time)
    }

    fn duration(time: Time) -> Option<String> {
        text(put_duration, time)
    }

    #[test]
    fn timestamps_are_written_and_read() {
        let table = [
            (0, 0, "1970-01-01T00:00:00Z"),
            (MIN_TIMESTAMP, 0, "0001-01-01T00:00:00Z"),
            (MAX_TIMESTAMP, 999_999_999, "9999-12-31T23:59:59.999999999Z"),
            (951_782_400, 10_000_000, "2000-02-29T00:00:00.010Z"),
            (-1, 500_000, "1969-12-31T23:59:59.000500Z"),
        ];
        for (seconds, nanos, text) in table {
            assert_eq!(timestamp(Time { seconds, nanos }).as_deref(), Some(text));
            assert_eq!(parse_timestamp(text.as_bytes()), Some(Time { seconds, nanos }), "{text}");
        }
        assert_eq!(parse_timestamp(b"1970-01-01T08:00:00+08:00"), Some(Time { seconds: 0, nanos: 0 }));
        assert_eq!(
            parse_timestamp(b"1969-12-31T16:00:00.1-08:00"),
            Some(Time { seconds: 0, nanos: 100_000_000 })
        );
    }

    #[test]
    fn every_day_of_400_years_is_turned_back() {
        let start = days_from_civil(1999, 3, 1);
        for days in start..start + 146_097 {
            let (year, month, day) = civil_from_days((days + 719_468) as u32);
            let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
            assert_eq!(days_from_civil(year, month, day), days);
            assert!((1..=days_in_month(year, month)).contains(&day));
        }
    }

    #[test]
    fn wrong_timestamps_are_refused() {
        for text in [
            "1970-01-01t00:00:00Z",
            "1970-01-01T00:00:00z",
            "1970-01-01 00:00:00Z",
            "1970-01-01T00:00:00",
            "1970-01-01T00:00:00+0800",
            "1970-02-29T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:60Z",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.0000000001Z",
            "0000-12-31T23:59:59Z",
            "9999-12-31T23:59:59-00:01",
            "+970-01-01T00:00:00Z",
            "",
        ] {
            assert_eq!(parse_timestamp(text.as_bytes()), None, "{text}");
        }
        assert_eq!(timestamp(Time { seconds: MAX_TIMESTAMP + 1, nanos: 0 }), None);
        assert_eq!(timestamp(Time { seconds: 0, nanos: -1 }), None);
    }

    #[test]
    fn durations_are_written_and_read() {
        let table = [
            (0, 0, "0s"),
            (1, 500_000_000, "1.500s"),
            (-1, -1000, "-1.000001s"),
            (0, -1, "-0.000000001s"),
            (MAX_DURATION, 0, "315576000000s"),
        ];
        for (seconds, nanos, text) in table {
            assert_eq!(duration(Time { seconds, nanos }).as_deref(), Some(text));
            assert_eq!(parse_duration(text.as_bytes()), Some(Time { seconds, nanos }), "{text}");
        }
        for text in ["1", "s", "1.s", "--1s", "+1s", "1.0000000001s", "315576000001s", "1e3s", " 1s", "-s"] {
            assert_eq!(parse_duration(text.as_bytes()), None, "{text}");
        }
        assert_eq!(duration(Time { seconds: 1, nanos: -1 }), None);
        assert_eq!(duration(Time { seconds: 0, nanos: 1_000_000_000 }), None);
    }
}
