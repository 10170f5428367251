//! What a server is asked for a [`Demand`], and what its answer means.
//!
//! The script decides by the server's own clock, so that gateways whose clocks differ count alike, and touches one key.
//! It calculates as `gcra` and `calendar` do, to the nanosecond, and the answer is read by them.

use std::fmt::Write;
use std::sync::LazyLock;
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::resp::{self, Reply};
use crate::policy::limit::calendar::{self, Date};
use crate::policy::limit::gcra::Gcra;
use crate::policy::limit::store::{Demand, Outcome, Standings, Window};

/// What the server runs, in Lua 5.1. It needs no more than Redis 5.
pub const TEXT: &str = include_str!("script.lua");

/// The name by which a server knows the script that it has loaded: its SHA-1.
static NAME: LazyLock<String> = LazyLock::new(|| {
    digest(&SHA1_FOR_LEGACY_USE_ONLY, TEXT.as_bytes()).as_ref().iter().fold(
        String::new(),
        |mut text, byte| {
            // Writing to a String cannot fail, here and below.
            let _ = write!(text, "{byte:02x}");
            text
        },
    )
});

/// The longest time that the script is given, in microseconds: 71 years. With the moment it is exact in Lua.
const LONGEST: u64 = 1 << 51;

/// Loads the script.
pub(super) fn load() -> Vec<u8> {
    resp::command(&[b"SCRIPT", b"LOAD", TEXT.as_bytes()])
}

/// Runs the script for a demand.
pub(super) fn run(key: &str, demand: &Demand<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    resp::begin(&mut out, 4 + count(demand));
    resp::argument(&mut out, b"EVALSHA");
    resp::argument(&mut out, NAME.as_bytes());
    resp::argument(&mut out, b"1");
    resp::argument(&mut out, key.as_bytes());
    arguments(demand, &mut out);
    out
}

/// How many arguments the script has for a demand.
pub fn count(demand: &Demand<'_>) -> usize {
    2 + 5 * demand.limit.rates.len() + 3 * demand.limit.quotas.len()
}

/// Appends the arguments of the script, each as the protocol writes it.
pub fn arguments(demand: &Demand<'_>, out: &mut Vec<u8>) {
    let weight = demand.weight.get();
    resp::number(out, demand.limit.rates.len() as u64);
    let mut field = String::with_capacity(64);
    for rate in &demand.limit.rates {
        // Another rate counts from the beginning, and so does another burst.
        field.clear();
        let _ = write!(field, "{}/{}/{}", rate.count, rate.period.as_micros(), rate.burst);
        resp::argument(out, field.as_bytes());
        let gcra = Gcra::of(rate);
        for nanos in [gcra.cost(weight), gcra.cost(rate.burst.get())] {
            resp::number(out, (nanos / 1000).min(LONGEST));
            resp::number(out, nanos % 1000);
        }
    }
    for quota in &demand.limit.quotas {
        // A larger or a smaller one goes on counting.
        let word: &[u8] = match quota.window {
            Window::Day => b"day",
            Window::Month => b"month",
        };
        resp::argument(out, word);
        resp::argument(out, word);
        resp::number(out, quota.count.get().min(calendar::MAX_USED));
    }
    resp::number(out, weight.into());
}

/// What an answer of the script to a demand means; nothing if it is no answer of the script.
pub fn outcome(demand: &Demand<'_>, reply: &Reply) -> Option<Outcome> {
    let number = |reply: &Reply| reply.number().and_then(|number| u64::try_from(number).ok());
    let mut numbers = reply.list()?.iter().map(number);
    let mut next = || numbers.next().flatten();
    let (admitted, now) = (next()?, next()?);
    // The moment is one of this millennium, and so are those that are stored, or else the server is a strange one.
    let nanos = now.checked_mul(1000)?;
    let date = Date::of(now / 1_000_000);
    let (weight, is_admitted) = (demand.weight.get(), admitted == 1);
    let mut standings = Standings::default();
    let mut wait = Some(0);
    for rate in &demand.limit.rates {
        let full = next()?.checked_mul(1000)?.checked_add(next()?)?;
        let gcra = Gcra::of(rate);
        standings.push(gcra.standing(full, nanos));
        let longer = gcra.take(full, nanos, weight).map_or_else(|wait| wait, |_| Some(0));
        wait = wait.zip(longer).map(|(wait, longer)| wait.max(longer));
    }
    for quota in &demand.limit.quotas {
        let kept = calendar::kept(next()?, next()?);
        standings.push(date.standing(quota, kept));
        let longer = date.take(quota, kept, weight).map_or_else(|wait| wait, |_| Some(0));
        let longer = longer.map(|seconds| seconds.saturating_mul(1_000_000_000));
        wait = wait.zip(longer).map(|(wait, longer)| wait.max(longer));
    }
    let wait = wait.filter(|_| !is_admitted).map(Duration::from_nanos);
    Some(Outcome { is_admitted, wait, standings })
}
