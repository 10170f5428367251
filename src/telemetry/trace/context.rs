//! The headers `traceparent` and `tracestate`, by [Trace Context](https://www.w3.org/TR/trace-context/), level 1 with
//! the flag for random ids of [level 2](https://www.w3.org/TR/trace-context-2/).

use std::fmt;

use crate::telemetry::random;

/// How many characters a `traceparent` of version 00 has.
pub const LENGTH: usize = 55;

const SAMPLED: u8 = 1;
const RANDOM: u8 = 2;

/// The most members that a `tracestate` may have.
const MAX_MEMBERS: usize = 32;
/// The longest `tracestate` that goes on, all lines together, in bytes. At least 512 are asked for.
const MAX_STATE: usize = 4096;

/// The ids of a trace and of a span in it. Neither is zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    trace: [u8; 16],
    span: [u8; 8],
}

impl Ids {
    /// New ones.
    pub(super) fn random() -> Self {
        let trace = (u128::from(non_zero()) << 64) | u128::from(non_zero());
        Self { trace: trace.to_be_bytes(), span: non_zero().to_be_bytes() }
    }

    /// The 56 bits of the trace's id that are random wherever it was made.
    pub(super) fn random_part(&self) -> u64 {
        let [_, _, _, _, _, _, _, _, low @ ..] = self.trace;
        u64::from_be_bytes(low) & ((1 << 56) - 1)
    }

    /// The id of the trace, 16 bytes.
    pub const fn trace(&self) -> &[u8; 16] {
        &self.trace
    }

    /// The id of the span, 8 bytes.
    pub const fn span(&self) -> &[u8; 8] {
        &self.span
    }
}

fn non_zero() -> u64 {
    random::next().max(1)
}

/// A place in a trace: what `traceparent` says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Context {
    ids: Ids,
    flags: u8,
}

impl Context {
    pub(super) const fn new(ids: Ids, sampled: bool) -> Self {
        Self { ids, flags: RANDOM | if sampled { SAMPLED } else { 0 } }
    }

    /// Reads the value of a `traceparent`, version 00 or a later one. What is not exactly as the specification says is
    /// none.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (head, rest) = text.split_at_checked(LENGTH)?;
        let &[v1, v2, b'-', ref trace @ .., b'-', f1, f2] = head else { return None };
        let (trace, span) = trace.split_at_checked(32)?;
        let span = span.strip_prefix(b"-")?;
        let version = byte(v1, v2)?;
        // Later versions may go on behind another dash.
        let fits = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.is_empty() || rest[0] == b'-',
        };
        let ids = Ids { trace: bytes(trace)?, span: bytes(span)? };
        let flags = byte(f1, f2)? & (SAMPLED | RANDOM);
        (fits && ids.trace != [0; 16] && ids.span != [0; 8]).then_some(Self { ids, flags })
    }

    /// The value of a `traceparent`, of version 00.
    pub fn text(&self) -> [u8; LENGTH] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_hex(&self.ids.trace, &mut text[3..35]);
        write_hex(&self.ids.span, &mut text[36..52]);
        write_hex(&[self.flags], &mut text[53..]);
        text
    }

    /// Another span of the same trace.
    #[must_use]
    pub fn child(&self) -> Self {
        let ids = Ids { span: non_zero().to_be_bytes(), ..self.ids };
        Self { ids, flags: self.flags }
    }

    /// Whether its spans are recorded.
    pub const fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The ids.
    pub const fn ids(&self) -> &Ids {
        &self.ids
    }

    pub(super) const fn flags(&self) -> u8 {
        self.flags
    }

    /// The id of the trace in 32 hexadecimal digits.
    pub fn trace_id(&self) -> TraceId {
        TraceId(self.ids.trace)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

/// The id of a trace, shown in hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// The 32 digits.
    pub fn digits(&self) -> [u8; 32] {
        let mut digits = [0; 32];
        write_hex(&self.0, &mut digits);
        digits
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Whether the lines of a `tracestate` are together what the specification says: members `key=value`, at most 32 and
/// none twice.
pub fn is_state<'v>(lines: impl Iterator<Item = &'v [u8]>) -> bool {
    let (mut keys, mut length) = (Vec::new(), 0);
    for line in lines {
        length += line.len() + 1;
        if length > MAX_STATE {
            return false;
        }
        for member in line.split(|byte| *byte == b',').map(trim) {
            if member.is_empty() {
                continue;
            }
            let Some(equals) = member.iter().position(|byte| *byte == b'=') else { return false };
            let (key, value) = (&member[..equals], &member[equals + 1..]);
            if !is_key(key) || !is_value(value) || keys.contains(&key) || keys.len() == MAX_MEMBERS {
                return false;
            }
            keys.push(key);
        }
    }
    true
}

fn trim(mut member: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = member {
        member = rest;
    }
    member
}

/// `lcalpha 0*255( lcalpha / DIGIT / "_" / "-" / "*" / "/" )`, or a tenant of 241 such characters that may begin with a
/// digit, `@`, and a system of 14 that begins with a letter.
fn is_key(key: &[u8]) -> bool {
    let is_part = |part: &[u8], most: usize, digit: bool| {
        let legal = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/');
        let first =
            part.first().is_some_and(|byte| byte.is_ascii_lowercase() || digit && byte.is_ascii_digit());
        first && part.len() <= most && part.iter().all(legal)
    };
    match key.iter().position(|byte| *byte == b'@') {
        Some(at) => is_part(&key[..at], 241, true) && is_part(&key[at + 1..], 14, false),
        None => is_part(key, 256, false),
    }
}

/// `0*255(chr) nblk-chr`: printable, without comma and equals sign, not ending in a space.
fn is_value(value: &[u8]) -> bool {
    let legal = |byte: &u8| matches!(byte, 0x20..=0x2b | 0x2d..=0x3c | 0x3e..=0x7e);
    (1..=256).contains(&value.len()) && value.iter().all(legal) && value.last() != Some(&b' ')
}

/// Lower case only, as the specification asks.
const fn digit(text: u8) -> Option<u8> {
    match text {
        b'0'..=b'9' => Some(text - b'0'),
        b'a'..=b'f' => Some(text - b'a' + 10),
        _ => None,
    }
}

fn byte(high: u8, low: u8) -> Option<u8> {
    Some(digit(high)? << 4 | digit(low)?)
}

fn bytes<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (value, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *value = byte(pair[0], pair[1])?;
    }
    Some(bytes)
}

fn write_hex(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn parse(text: &str) -> Option<String> {
        Context::parse(text.as_bytes()).map(|context| format!("{context:?}"))
    }

    /// The examples of the specification, and the cases of its test suite.
    #[test]
    fn traceparent_is_read_strictly() {
        for text in [
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03",
        ] {
            assert_eq!(parse(text).as_deref(), Some(text));
        }
        let with = |rest: &str| parse(&rest.replace('T', TRACE).replace('S', "00f067aa0ba902b7"));
        let expected = |flags: &str| Some(format!("00-{TRACE}-00f067aa0ba902b7-{flags}"));
        // Flags without a meaning are not passed on.
        assert_eq!(with("00-T-S-ff"), expected("03"));
        assert_eq!(with("00-T-S-08"), expected("00"));
        // Later versions are read as far as they are known.
        assert_eq!(with("01-T-S-01"), expected("01"));
        assert_eq!(with("cc-T-S-01-what-the-future-will-be-like"), expected("01"));
        assert_eq!(with("cc-T-S-01-"), expected("01"));
        for wrong in [
            "",
            "00",
            "00-T-S",
            "00-T-S-",
            "00-T-S-1",
            "00-T-S-001",
            "00-T-S-01-",
            "00-T-S-01-what-the-future-will-not-be-like",
            "00-T-S-01.",
            "cc-T-S-01.what-the-future-will-not-be-like",
            "ff-T-S-01",
            "0-T-S-01",
            "000-T-S-01",
            ".0-T-S-01",
            "0.-T-S-01",
            "AA-T-S-01",
            "00-T-S-0X",
            "00-T-S-.1",
            "00-T-S-0A",
            "00.T-S-01",
            "00-T.S-01",
            "00-T-S.01",
            " 00-T-S-01",
            "00-T-S-01 ",
            "00-00000000000000000000000000000000-S-01",
            "00-.bf92f3577b34da6a3ce929d0e0e4736-S-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-S-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-S-01",
            "00-4bf92f3577b34da6a3ce929d0e0e47366-S-01",
            "00-T-0000000000000000-01",
            "00-T-00F067AA0BA902B7-01",
            "00-T-00f067aa0ba902b-01",
            "00-T-00f067aa0ba902b77-01",
        ] {
            assert_eq!(with(wrong), None, "{wrong}");
        }
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        for cut in 0..text.len() {
            assert_eq!(parse(&text[..cut]), None);
        }
    }

    #[test]
    fn tracestate_is_read_strictly() {
        let is = |lines: &[&str]| is_state(lines.iter().map(|line| line.as_bytes()));
        let long = |length: usize| "z".repeat(length);
        let many = |count: usize| (0..count).map(|n| format!("a{n}=1")).collect::<Vec<_>>().join(",");
        for right in [
            &["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"][..],
            &["rojo=00f067aa0ba902b7", "congo=t61rcWkgMzE"],
            &[],
            &[""],
            &["foo=1 \t , \t bar=2, \t baz=3", "  , qux=4"],
            &["foo=1,"],
            &["fw529a3039@dt=FfGd", "0tenant@sys=1"],
            &["a=!#$%&'()*+-./:;<>?@[]^_`{|}~ \\\"x"],
            &["a=  x"],
            &[&format!("{}=1", long(256))],
            &[&format!("{}@v=1", long(241))],
            &[&format!("t@{}=1", long(14))],
            &[&format!("a={}", long(256))],
            &[&many(32)],
        ] {
            assert!(is(right), "{right:?}");
        }
        for wrong in [
            &["foo"][..],
            &["foo="],
            &["=1"],
            &["foo =1"],
            &["FOO=1"],
            &["0foo=1"],
            &["foo.bar=1"],
            &["foo@=1"],
            &["@foo=1"],
            &["foo@@bar=1"],
            &["foo@bar@baz=1"],
            &["t@0sys=1"],
            &["foo=1=2"],
            &["foo=1,foo=1"],
            &["foo=1", "foo=2"],
            &["foo=\u{7f}"],
            &["foo=ä"],
            &[&format!("{}=1", long(257))],
            &[&format!("{}@v=1", long(242))],
            &[&format!("t@{}=1", long(15))],
            &[&format!("a={}", long(257))],
            &[&many(33)],
        ] {
            assert!(!is(wrong), "{wrong:?}");
        }
        let large: Vec<_> = (0..17).map(|n| format!("a{n}={}", long(250))).collect();
        assert!(!is_state(large.iter().map(|line| line.as_bytes())));
    }

    #[test]
    fn children_stay_in_the_trace() {
        let parent = Context::parse(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
        let child = parent.child();
        assert_eq!((child.ids().trace(), child.is_sampled()), (parent.ids().trace(), true));
        assert_ne!(child.ids().span(), parent.ids().span());
        assert_eq!(Context::parse(&child.text()), Some(child));
        assert_eq!(child.trace_id().to_string(), TRACE);
    }
}
