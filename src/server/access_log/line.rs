//! One line of the access log.

use std::fmt::{Display, Write};
use std::time::{Duration, SystemTime};

use super::{Form, Record};

/// How much of a caller's text a line has, in bytes.
const MAX_PATH: usize = 1024;
const MAX_TEXT: usize = 256;

/// Adds a line with its end.
pub(super) fn write(lines: &mut Vec<u8>, record: &Record<'_>, form: Form) {
    let mut fields = Fields { out: Text(lines), form, is_first: true };
    fields.plain("time", Some(&Rfc3339(record.time)));
    fields.bytes("request_id", record.request_id, MAX_TEXT);
    fields.plain("peer", record.peer.as_ref());
    fields.text("method", Some(record.method), MAX_TEXT);
    fields.text("path", record.path, MAX_PATH);
    fields.text("route", record.route, MAX_PATH);
    fields.number("status", record.status);
    fields.plain("code", Some(&record.code));
    fields.plain("dialect", record.dialect.as_ref());
    fields.number("duration_ms", Millis(record.duration));
    fields.number("bytes_in", record.received);
    fields.number("bytes_out", record.sent);
    fields.text("rpc", record.rpc, MAX_PATH);
    fields.text("upstream", record.upstream, MAX_TEXT);
    fields.plain("trace_id", record.trace.as_ref());
    fields.bytes("user_agent", record.agent, MAX_TEXT);
    fields.end();
}

/// The fields of a line. In JSON, what is absent is null, so that all lines have the same keys; in text it is left out.
struct Fields<'l> {
    out: Text<'l>,
    form: Form,
    is_first: bool,
}

impl Fields<'_> {
    /// A value that needs no escapes.
    fn plain(&mut self, name: &str, value: Option<&impl Display>) {
        let quote = if self.form == Form::Json { "\"" } else { "" };
        match value {
            Some(value) => {
                self.name(name);
                self.out.put(format_args!("{quote}{value}{quote}"));
            }
            None => self.absent(name),
        }
    }

    fn number(&mut self, name: &str, value: impl Display) {
        self.name(name);
        self.out.put(format_args!("{value}"));
    }

    fn bytes(&mut self, name: &str, value: Option<&[u8]>, most: usize) {
        match value.map(String::from_utf8_lossy) {
            Some(value) => self.text(name, Some(&value), most),
            None => self.absent(name),
        }
    }

    /// A text that may hold anything.
    fn text(&mut self, name: &str, value: Option<&str>, most: usize) {
        let Some(value) = value else { return self.absent(name) };
        self.name(name);
        let shown = &value[..value.floor_char_boundary(most)];
        let is_cut = shown.len() < value.len();
        if self.form == Form::Text && !is_cut && is_plain(shown) {
            return self.out.push(shown);
        }
        self.out.push("\"");
        shown.chars().for_each(|c| self.out.escaped(c));
        self.out.push(if is_cut { "…\"" } else { "\"" });
    }

    fn absent(&mut self, name: &str) {
        if self.form == Form::Json {
            self.name(name);
            self.out.push("null");
        }
    }

    fn name(&mut self, name: &str) {
        let separator = match (self.form, std::mem::take(&mut self.is_first)) {
            (Form::Json, true) => "{",
            (Form::Json, false) => ",",
            (Form::Text, true) => "",
            (Form::Text, false) => " ",
        };
        self.out.push(separator);
        match self.form {
            Form::Json => {
                self.out.push("\"");
                self.out.push(name);
                self.out.push("\":");
            }
            Form::Text => {
                self.out.push(name);
                self.out.push("=");
            }
        }
    }

    fn end(mut self) {
        self.out.push(if self.form == Form::Json { "}\n" } else { "\n" });
    }
}

/// Whether a text can stand without quotes in a line of names and values.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'\\'))
}

struct Text<'l>(&'l mut Vec<u8>);

impl Text<'_> {
    fn push(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.write_fmt(text).expect("a Vec takes everything");
    }

    /// As JSON asks, and beyond that whatever could act on a terminal or look like the end of a line.
    fn escaped(&mut self, c: char) {
        let is_sly = |c: char| {
            c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        match c {
            '"' => self.push("\\\""),
            '\\' => self.push("\\\\"),
            c if is_sly(c) => self.put(format_args!("\\u{:04x}", u32::from(c))),
            c => self.push(c.encode_utf8(&mut [0; 4])),
        }
    }
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.push(text);
        Ok(())
    }
}

/// Milliseconds with three decimals.
struct Millis(Duration);

impl Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0.as_millis(), self.0.subsec_micros() % 1000)
    }
}

/// A time in UTC, with milliseconds.
struct Rfc3339(SystemTime);

impl Display for Rfc3339 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let since = self.0.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        // The calendar repeats every 400 years of 146,097 days. Years are counted from March, so that the day that is
        // not always there is their last.
        let days = days + 719_468;
        let (era, day) = (days / 146_097, days % 146_097);
        let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let (date, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
        let year = era * 400 + year + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let millis = since.subsec_millis();
        write!(f, "{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        // By `date --utc --date=@N`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_399, "2000-02-28T23:59:59.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (951_868_800, "2000-03-01T00:00:00.007Z"),
            (1_767_225_599, "2025-12-31T23:59:59.007Z"),
            (1_767_225_600, "2026-01-01T00:00:00.007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.007Z"),
            (253_402_300_799, "9999-12-31T23:59:59.007Z"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 7);
            assert_eq!(Rfc3339(time).to_string(), text);
        }
    }

    #[test]
    fn milliseconds_have_three_decimals() {
        for (nanos, text) in [(0, "0.000"), (999, "0.000"), (1_000, "0.001"), (61_002_003_004, "61002.003")] {
            assert_eq!(Millis(Duration::from_nanos(nanos)).to_string(), text);
        }
    }
}
