//! Moments: `2027-01-31`, `2027-01-31T12:00:00Z`.

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const HINT: &str = "Write a day such as 2027-01-31, or a time in UTC such as 2027-01-31T12:00:00Z.";
const DAY: u64 = 24 * 60 * 60;

/// A moment in UTC from 1970 to 9999, to the second. A day stands for its first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The moment as the system counts time.
    pub fn time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.0)
    }

    /// The seconds since 1970.
    pub const fn unix(self) -> u64 {
        self.0
    }

    /// The moment as HTTP writes it (RFC 9110 section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn http_date(self) -> String {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let (days, second) = (self.0 / DAY, self.0 % DAY);
        let (year, month, day) = date(days);
        // 1970 began on a Thursday.
        let (name, month) = (DAYS[(days % 7) as usize], MONTHS[month as usize - 1]);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("{name}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
    }

    /// A moment of the system's time, without parts of a second.
    pub fn of(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }
}

impl fmt::Display for Moment {
    /// As RFC 3339 writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (day, second) = (self.0 / DAY, self.0 % DAY);
        let (year, month, day) = date(day);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

impl Scalar for Moment {
    const WHAT: &'static str = "a day such as 2027-01-31";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        moment(text).ok_or_else(|| Flaw::new(format!("{} is no moment.", quote(text)), HINT))
    }

    fn schema() -> Json {
        let day = "[0-9]{4}-[0-9]{2}-[0-9]{2}";
        json!({ "type": "string", "pattern": format!("^{day}(T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}Z)?$") })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

fn moment(text: &str) -> Option<Moment> {
    let (date, time) = text.split_at_checked(10)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let time = match time {
        "" => 0,
        time => {
            let [hour, minute, second] = numbers(time.strip_prefix('T')?.strip_suffix('Z')?, ':', [2, 2, 2])?;
            if hour > 23 || minute > 59 || second > 59 {
                return None;
            }
            (hour * 60 + minute) * 60 + second
        }
    };
    // What does not come back is no day of the calendar.
    let days = days(year, month, day)?;
    (self::date(days) == (year, month, day)).then_some(Moment(days * DAY + time))
}

/// Three numbers of so many digits.
fn numbers(text: &str, mark: char, lengths: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(mark);
    let mut numbers = [0; 3];
    for (number, length) in numbers.iter_mut().zip(lengths) {
        let part = parts.next().filter(|part| part.len() == length)?;
        *number = part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())??;
    }
    parts.next().is_none().then_some(numbers)
}

/// The days from 1970-01-01 to a day of the Gregorian calendar, whose years begin in March here, so that the day that
/// is sometimes missing is the last.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let year = if month < 3 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let in_year = (153 * month + 2) / 5 + day - 1;
    // 719,468 days from March of the year 0 to 1970.
    (365 * year + year / 4 - year / 100 + year / 400 + in_year).checked_sub(719_468)
}

/// The day of the calendar so many days after 1970-01-01.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, (month + 2) % 12 + 1);
    (era * 400 + year + if month < 3 { 1 } else { 0 }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::check;

    #[test]
    fn moments() {
        let none = |text: &str| format!("`{text}` is no moment.");
        check::<Moment>(&[
            ("1970-01-01", Ok("1970-01-01T00:00:00Z")),
            ("2027-01-31", Ok("2027-01-31T00:00:00Z")),
            ("2028-02-29T23:59:59Z", Ok("2028-02-29T23:59:59Z")),
            ("2000-02-29", Ok("2000-02-29T00:00:00Z")),
            ("9999-12-31", Ok("9999-12-31T00:00:00Z")),
            ("2027-02-29", Err((&none("2027-02-29"), HINT))),
            ("2100-02-29", Err((&none("2100-02-29"), HINT))),
            ("2027-13-01", Err((&none("2027-13-01"), HINT))),
            ("2027-04-31", Err((&none("2027-04-31"), HINT))),
            ("2027-00-10", Err((&none("2027-00-10"), HINT))),
            ("1969-12-31", Err((&none("1969-12-31"), HINT))),
            ("2027-01-31T24:00:00Z", Err((&none("2027-01-31T24:00:00Z"), HINT))),
            ("2027-01-31T12:00:00+01:00", Err((&none("2027-01-31T12:00:00+01:00"), HINT))),
            ("2027-1-31", Err((&none("2027-1-31"), HINT))),
            ("tomorrow", Err((&none("tomorrow"), HINT))),
            ("", Err((&none(""), HINT))),
        ]);
        // RFC 3339 and `date -u -d @1700000000`.
        let seconds = |text| moment(text).unwrap().0;
        assert_eq!(seconds("2023-11-14T22:13:20Z"), 1_700_000_000);
        assert_eq!(seconds("2000-03-01"), 951_868_800);
    }

    #[test]
    fn moments_in_headers() {
        // RFC 9110 section 5.6.7, RFC 8594 section 3 and RFC 9745 section 2.1.
        for (text, date, unix) in [
            ("1994-11-06T08:49:37Z", "Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("2018-12-31T23:59:59Z", "Mon, 31 Dec 2018 23:59:59 GMT", 1_546_300_799),
            ("2023-06-30T23:59:59Z", "Fri, 30 Jun 2023 23:59:59 GMT", 1_688_169_599),
            ("1970-01-01", "Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ] {
            let moment = moment(text).unwrap();
            assert_eq!((moment.http_date().as_str(), moment.unix()), (date, unix));
        }
    }
}
