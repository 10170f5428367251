//! The script and the store of this process admit the same, to the nanosecond.

use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use transom::policy::limit::calendar::{Date, Now};
use transom::policy::limit::memory::Memory;
use transom::policy::limit::redis::resp::{self, Reply};
use transom::policy::limit::redis::script;
use transom::policy::limit::store::{Demand, Kind, Limit, Quota, Rate, Subject, Window};

use super::server::{Client, Redis, text};

/// SplitMix64: the same numbers in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    fn limit(&mut self, name: usize) -> Limit {
        let number = |number| NonZeroU32::new(number).unwrap();
        let rates = (0..self.below(4)).map(|_| Rate {
            count: number(self.of(&[1, 3, 7, 10, 999, 1_000_000])),
            period: Duration::from_secs(self.of(&[1, 60, 86_400])),
            burst: number(self.of(&[1, 2, 5, 50])),
        });
        let mut rates: Vec<_> = rates.collect();
        // The same rate twice is one, which the configuration refuses.
        rates.dedup_by_key(|rate| (rate.count, rate.period, rate.burst));
        let windows: &[&[Window]] = &[&[Window::Day], &[Window::Month], &[Window::Day, Window::Month]];
        let windows = if rates.is_empty() || self.below(2) == 0 { self.of(windows) } else { &[] };
        let quotas = windows
            .iter()
            .map(|window| Quota { count: NonZeroU64::new(self.of(&[5, 20, 300])).unwrap(), window: *window });
        Limit { name: name.to_string().into(), quotas: quotas.collect(), rates: rates.into() }
    }
}

/// The script with a clock that is given: the second and the third key are the time.
struct Scripted {
    client: Client,
    name: String,
}

impl Scripted {
    fn new(redis: &Redis) -> Self {
        let asked = "redis.call('TIME')";
        assert_eq!(script::TEXT.matches(asked).count(), 1);
        let changed = script::TEXT.replace(asked, "{KEYS[2], KEYS[3]}");
        // A key may not expire before it is kept from that, which is by another command.
        let expires = "redis.call('PEXPIRE', KEYS[1], string.format('%.0f', ";
        assert_eq!(changed.matches(expires).count(), 1);
        let changed = changed.replace(expires, &format!("{expires}86400000 + "));
        let mut client = Client::of(redis.address());
        let name = text(client.ask(&["SCRIPT", "LOAD", &changed]));
        Self { client, name }
    }

    fn run(&mut self, demand: &Demand<'_>, key: &str, micros: u64) -> Reply {
        let (seconds, rest) = ((micros / 1_000_000).to_string(), (micros % 1_000_000).to_string());
        let words = ["EVALSHA", &self.name, "3", key, &seconds, &rest];
        let mut command = format!("*{}\r\n", words.len() + script::count(demand)).into_bytes();
        for word in words {
            command.extend(format!("${}\r\n{word}\r\n", word.len()).bytes());
        }
        script::arguments(demand, &mut command);
        let reply = self.client.send(&command);
        // The clock of the test is not that by which keys expire.
        self.client.ask(&["PERSIST", key]);
        reply
    }
}

#[test]
fn the_script_decides_as_the_memory_does() {
    let redis = Redis::start();
    let mut scripted = Scripted::new(&redis);
    let mut random = Random(11);
    let memory = Memory::default();
    let (mut admitted, mut refused) = (0, 0);
    for case in 0..100 {
        let limit = Arc::new(random.limit(case));
        let subject = Subject { kind: Kind::Everybody, text: b"" };
        // Some time until 2096.
        let mut micros = random.below(4_000_000_000) * 1_000_000 + random.below(1_000_000);
        let pace =
            limit.rates.iter().map(|rate| rate.period.as_micros() as u64 / u64::from(rate.count.get())).min();
        let pace = pace.unwrap_or(4 * 3600 * 1_000_000);
        for step in 0..100 {
            micros += match random.below(6) {
                0 | 1 => 0,
                2 => 1,
                3 => random.below(20 * pace + 1),
                _ => random.below(2 * pace + 1),
            };
            let weight = NonZeroU32::new(random.of(&[1, 1, 1, 2, 3, 60])).unwrap();
            let demand = Demand { limit: &limit, subject, weight };
            let now = Now { nanos: micros * 1_000, date: Date::of(micros / 1_000_000) };
            let expected = memory.take_at(&demand, &now);
            let reply = scripted.run(&demand, &case.to_string(), micros);
            let outcome = script::outcome(&demand, &reply);
            assert_eq!(outcome, Some(expected), "{case}, {step}: {demand:?} at {micros} brings {reply:?}");
            if expected.is_admitted { admitted += 1 } else { refused += 1 }
        }
    }
    assert!(admitted > 1_000 && refused > 1_000, "{admitted} and {refused}");
}

/// Nobody waits longer than the burst lasts for a clock that was set back, and what nobody could have written counts
/// for nothing.
#[test]
fn a_clock_that_jumps_and_fields_that_are_odd_are_harmless() {
    let redis = Redis::start();
    let mut scripted = Scripted::new(&redis);
    let number = |number| NonZeroU32::new(number).unwrap();
    let limit = Arc::new(Limit {
        name: "jumps".into(),
        rates: [Rate { count: number(1), period: Duration::from_secs(1), burst: number(3) }].into(),
        quotas: [Quota { count: NonZeroU64::new(1_000).unwrap(), window: Window::Month }].into(),
    });
    let subject = Subject { kind: Kind::Everybody, text: b"" };
    let demand = Demand { limit: &limit, subject, weight: NonZeroU32::MIN };
    // `date -u -d 2026-06-15 +%s`
    let june = 1_781_481_600_000_000;
    let mut take = |micros| {
        let outcome = script::outcome(&demand, &scripted.run(&demand, "jumps", micros)).unwrap();
        let remaining: Vec<_> =
            outcome.standings.as_slice().iter().map(|standing| standing.remaining).collect();
        (outcome.is_admitted, outcome.wait, remaining)
    };
    assert_eq!(take(june), (true, None, vec![2, 999]));
    // Ten years ahead for a moment, and back.
    assert!(take(june + 315_360_000_000_000).0);
    assert_eq!(take(june), (false, Some(Duration::from_secs(1)), vec![0, 1_000]));
    assert_eq!(take(june + 1_000_000), (true, None, vec![0, 999]));
    for odd in ["", "x", "1", "-1 -1", "1 2 3", "99999999999999999999 5"] {
        let fields = ["HSET", "jumps", "1/1000000/3", odd, "month", odd];
        Client::of(redis.address()).ask(&fields);
        let (is_admitted, _, remaining) = take(june + 10_000_000);
        let is_late = odd.starts_with("99");
        assert_eq!(
            (is_admitted, &*remaining),
            if is_late { (false, &[0, 1_000][..]) } else { (true, &[2, 999][..]) },
            "{odd}"
        );
        Client::of(redis.address()).ask(&["DEL", "jumps"]);
    }
}

/// The time to live is that of what is kept.
#[test]
fn keys_expire_once_they_mean_nothing() {
    let redis = Redis::start();
    let mut client = Client::of(redis.address());
    let number = |number| NonZeroU32::new(number).unwrap();
    let rate = Rate { count: number(1), period: Duration::from_secs(10), burst: number(5) };
    let quota = |window| Quota { count: NonZeroU64::new(9).unwrap(), window };
    let name = text(client.ask(&["SCRIPT", "LOAD", script::TEXT]));
    for (quotas, least, most) in [
        (vec![], 29_000, 30_001),
        (vec![quota(Window::Day)], 29_000, 24 * 3_600_000),
        (vec![quota(Window::Month)], 29_000, 31 * 24 * 3_600_000),
    ] {
        let limit = Arc::new(Limit { name: "expires".into(), rates: [rate].into(), quotas: quotas.into() });
        let subject = Subject { kind: Kind::Everybody, text: b"" };
        let demand = Demand { limit: &limit, subject, weight: number(3) };
        let mut command = format!("*{}\r\n", 4 + script::count(&demand)).into_bytes();
        command.extend(format!("$7\r\nEVALSHA\r\n$40\r\n{name}\r\n$1\r\n1\r\n$1\r\nk\r\n").bytes());
        script::arguments(&demand, &mut command);
        let reply = client.send(&command);
        assert!(script::outcome(&demand, &reply).unwrap().is_admitted, "{reply:?}");
        let Reply::Number(left) = client.ask(&["PTTL", "k"]) else { panic!() };
        assert!((least..=most).contains(&left), "{left}");
        assert_eq!(client.send(&resp::command(&[b"DEL", b"k"])), Reply::Number(1));
    }
}
