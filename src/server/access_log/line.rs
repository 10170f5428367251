//! One line of the access log.

use std::fmt::{Display, Write};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use super::{Form, PartRecord, Record};

/// How much of a caller's text a line has, in bytes.
const MAX_PATH: usize = 1024;
const MAX_TEXT: usize = 256;
/// How much of a name of a part a line has, in bytes, and of how many parts.
const MAX_NAME: usize = 64;
const MAX_PARTS: usize = 32;

/// Adds a line with its end.
pub(super) fn write(lines: &mut Vec<u8>, record: &Record<'_>, form: Form) {
    let mut fields = Fields { out: Text(lines), form };
    fields.start();
    fields.time(&NAMES[0], record.time);
    fields.bytes(&NAMES[1], record.request_id, MAX_TEXT);
    fields.peer(&NAMES[2], record.peer);
    fields.text(&NAMES[3], Some(record.method), MAX_TEXT);
    fields.text(&NAMES[4], record.path, MAX_PATH);
    fields.text(&NAMES[5], record.route, MAX_PATH);
    fields.number(&NAMES[6], record.status.into());
    fields.text(&NAMES[7], Some(record.code), MAX_TEXT);
    fields.text(&NAMES[8], record.dialect, MAX_TEXT);
    fields.millis(&NAMES[9], record.duration);
    fields.number(&NAMES[10], record.received);
    fields.number(&NAMES[11], record.sent);
    fields.text(&NAMES[12], record.rpc, MAX_PATH);
    fields.text(&NAMES[13], record.upstream, MAX_TEXT);
    fields.trace(&NAMES[14], record.trace.as_ref().map(|trace| trace.digits()));
    fields.text(&NAMES[15], record.socket, MAX_TEXT);
    fields.bytes(&NAMES[16], record.agent, MAX_TEXT);
    fields.text(&NAMES[17], record.principal, MAX_TEXT);
    fields.parts(&NAMES[18], record.parts);
    fields.end();
}

/// How a name stands before its value, in text and in JSON.
type Name = [&'static str; 2];

const NAMES: [Name; 19] = [
    ["time=", "\"time\":"],
    [" request_id=", ",\"request_id\":"],
    [" peer=", ",\"peer\":"],
    [" method=", ",\"method\":"],
    [" path=", ",\"path\":"],
    [" route=", ",\"route\":"],
    [" status=", ",\"status\":"],
    [" code=", ",\"code\":"],
    [" dialect=", ",\"dialect\":"],
    [" duration_ms=", ",\"duration_ms\":"],
    [" bytes_in=", ",\"bytes_in\":"],
    [" bytes_out=", ",\"bytes_out\":"],
    [" rpc=", ",\"rpc\":"],
    [" upstream=", ",\"upstream\":"],
    [" trace_id=", ",\"trace_id\":"],
    [" websocket=", ",\"websocket\":"],
    [" user_agent=", ",\"user_agent\":"],
    [" principal=", ",\"principal\":"],
    [" parts=", ",\"parts\":"],
];

/// The fields of a line. In JSON, what is absent is null, so that all lines have the same keys; in text it is left out.
struct Fields<'l> {
    out: Text<'l>,
    form: Form,
}

impl Fields<'_> {
    fn start(&mut self) {
        self.out.push(self.of("", "{"));
    }

    fn time(&mut self, name: &Name, time: SystemTime) {
        self.name(name);
        self.quote();
        self.out.0.extend_from_slice(&rfc3339(time));
        self.quote();
    }

    fn peer(&mut self, name: &Name, peer: Option<SocketAddr>) {
        let Some(peer) = peer else { return self.absent(name) };
        self.name(name);
        self.quote();
        match peer {
            SocketAddr::V4(peer) => {
                for (octet, mark) in peer.ip().octets().into_iter().zip(["", ".", ".", "."]) {
                    self.out.push(mark);
                    self.out.number(octet.into());
                }
                if peer.port() != 0 {
                    self.out.push(":");
                    self.out.number(peer.port().into());
                }
            }
            // What only a proxy has told has no port.
            SocketAddr::V6(peer) if peer.port() == 0 => self.out.put(peer.ip()),
            SocketAddr::V6(peer) => self.out.put(peer),
        }
        self.quote();
    }

    fn number(&mut self, name: &Name, value: u64) {
        self.name(name);
        self.out.number(value);
    }

    /// Milliseconds with three decimals.
    fn millis(&mut self, name: &Name, value: Duration) {
        self.name(name);
        self.out.number(u64::try_from(value.as_millis()).unwrap_or(u64::MAX));
        let [_, rest @ ..] = &digits::<4>(u64::from(value.subsec_micros() % 1000));
        self.out.push(".");
        self.out.0.extend_from_slice(rest);
    }

    fn trace(&mut self, name: &Name, digits: Option<[u8; 32]>) {
        let Some(digits) = digits else { return self.absent(name) };
        self.name(name);
        self.quote();
        self.out.0.extend_from_slice(&digits);
        self.quote();
    }

    fn bytes(&mut self, name: &Name, value: Option<&[u8]>, most: usize) {
        match value {
            None => self.absent(name),
            Some(value) => match std::str::from_utf8(value) {
                Ok(text) => self.text(name, Some(text), most),
                Err(_) => self.text(name, Some(&String::from_utf8_lossy(value)), most),
            },
        }
    }

    /// A text that may hold anything.
    fn text(&mut self, name: &Name, value: Option<&str>, most: usize) {
        let Some(value) = value else { return self.absent(name) };
        self.name(name);
        let shown = &value[..value.floor_char_boundary(most)];
        let is_cut = shown.len() < value.len();
        let (is_plain, is_bare) = looks(shown.as_bytes());
        if self.form == Form::Text && !is_cut && is_bare {
            return self.out.push(shown);
        }
        self.out.push("\"");
        if is_plain {
            self.out.push(shown);
        } else {
            shown.chars().for_each(|c| self.out.escaped(c));
        }
        self.out.push(if is_cut { "…\"" } else { "\"" });
    }

    /// In JSON a list of objects, in text `name:code:milliseconds` one behind the other, or `name:-`.
    fn parts(&mut self, name: &Name, parts: Option<&[PartRecord<'_>]>) {
        let Some(parts) = parts else { return self.absent(name) };
        self.name(name);
        self.out.push(self.of("", "["));
        for (place, PartRecord { name, outcome }) in parts.iter().take(MAX_PARTS).enumerate() {
            self.out.push(if place == 0 { "" } else { "," });
            self.text(&["", "{\"name\":"], Some(name), MAX_NAME);
            match outcome {
                Some((code, duration)) => {
                    self.text(&[":", ",\"code\":"], Some(code), MAX_NAME);
                    self.millis(&[":", ",\"duration_ms\":"], *duration);
                }
                None => self.out.push(self.of(":-", ",\"code\":null,\"duration_ms\":null")),
            }
            self.out.push(self.of("", "}"));
        }
        self.out.push(self.of("", "]"));
    }

    fn absent(&mut self, name: &Name) {
        if self.form == Form::Json {
            self.name(name);
            self.out.push("null");
        }
    }

    fn name(&mut self, name: &Name) {
        self.out.push(self.of(name[0], name[1]));
    }

    /// Around what needs no escapes.
    fn quote(&mut self) {
        self.out.push(self.of("", "\""));
    }

    fn of(&self, text: &'static str, json: &'static str) -> &'static str {
        if self.form == Form::Json { json } else { text }
    }

    fn end(mut self) {
        self.out.push(self.of("\n", "}\n"));
    }
}

/// Whether a text needs no escapes, and whether it can moreover stand without quotes in a line of names and values.
fn looks(text: &[u8]) -> (bool, bool) {
    let (mut is_plain, mut is_bare) = (true, !text.is_empty());
    for &byte in text {
        is_plain &= (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\';
        is_bare &= byte != b' ' && byte != b'=';
    }
    (is_plain, is_plain && is_bare)
}

struct Text<'l>(&'l mut Vec<u8>);

impl Text<'_> {
    fn push(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, number: u64) {
        self.push(itoa::Buffer::new().format(number));
    }

    fn put(&mut self, value: impl Display) {
        write!(self, "{value}").expect("a Vec takes everything");
    }

    /// As JSON asks, and beyond that whatever could act on a terminal or look like the end of a line.
    fn escaped(&mut self, c: char) {
        match c {
            '"' => self.push("\\\""),
            '\\' => self.push("\\\\"),
            c if is_sly(c) => self.put(format_args!("\\u{:04x}", u32::from(c))),
            c => self.push(c.encode_utf8(&mut [0; 4])),
        }
    }
}

/// Controls, breaks of lines, and what turns the direction of writing.
fn is_sly(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{200e}' | '\u{200f}' | '\u{2066}'..='\u{2069}')
}

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.push(text);
        Ok(())
    }
}

/// A time in UTC, with milliseconds.
fn rfc3339(time: SystemTime) -> [u8; 24] {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // The calendar repeats every 400 years of 146,097 days. Years are counted from March, so that the day that is not
    // always there is their last.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (date, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = era * 400 + year + u64::from(month <= 2);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    text[..4].copy_from_slice(&digits::<4>(year));
    text[5..7].copy_from_slice(&digits::<2>(month));
    text[8..10].copy_from_slice(&digits::<2>(date));
    text[11..13].copy_from_slice(&digits::<2>(second / 3600));
    text[14..16].copy_from_slice(&digits::<2>(second / 60 % 60));
    text[17..19].copy_from_slice(&digits::<2>(second % 60));
    text[20..23].copy_from_slice(&digits::<3>(since.subsec_millis().into()));
    text
}

/// The last so many digits of a number.
fn digits<const N: usize>(mut number: u64) -> [u8; N] {
    let mut text = [b'0'; N];
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
    text
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
            assert_eq!(rfc3339(time).escape_ascii().to_string(), text);
        }
    }

    #[test]
    fn milliseconds_have_three_decimals() {
        for (nanos, text) in [(0, "0.000"), (999, "0.000"), (1_000, "0.001"), (61_002_003_004, "61002.003")] {
            let mut line = Vec::new();
            let mut fields = Fields { out: Text(&mut line), form: Form::Text };
            fields.millis(&["", ""], Duration::from_nanos(nanos));
            assert_eq!(line.escape_ascii().to_string(), text);
        }
    }

    #[test]
    fn addresses_are_written_as_everywhere() {
        for peer in ["127.0.0.1:4000", "0.10.200.255:1", "[::1]:65535", "[2001:db8::1]:80"] {
            let mut line = Vec::new();
            let mut fields = Fields { out: Text(&mut line), form: Form::Json };
            fields.peer(&["", ""], peer.parse().ok());
            assert_eq!(line.escape_ascii().to_string(), format!("\\\"{peer}\\\""));
        }
    }
}
