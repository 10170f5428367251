use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;

use super::super::store::{Kind, Subject, Window};
use super::*;

const SECOND: u64 = 1_000_000_000;
/// `date -u -d 2026-03-31T12:00:00Z +%s`
const NOON: u64 = 1_774_958_400;

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn rate(count: u32, seconds: u64, burst: u32) -> Rate {
    Rate { count: number(count), period: Duration::from_secs(seconds), burst: number(burst) }
}

fn quota(count: u64, window: Window) -> Quota {
    Quota { count: NonZeroU64::new(count).unwrap(), window }
}

fn limit(name: &str, rates: &[Rate], quotas: &[Quota]) -> Arc<Limit> {
    Arc::new(Limit { name: name.into(), rates: rates.into(), quotas: quotas.into() })
}

/// So many nanoseconds after a noon.
fn at(nanos: u64) -> Now {
    Now { nanos: SECOND + nanos, date: Date::of(NOON + nanos / SECOND) }
}

fn subject(text: &str) -> Subject<'_> {
    Subject { kind: Kind::Principal, text: text.as_bytes() }
}

fn take(memory: &Memory, limit: &Arc<Limit>, who: &str, weight: u32, now: &Now) -> Outcome {
    memory.take_at(&Demand { limit, subject: subject(who), weight: number(weight) }, now)
}

fn admitted(memory: &Memory, limit: &Arc<Limit>, who: &str, now: &Now) -> usize {
    (0..1000).take_while(|_| take(memory, limit, who, 1, now).is_admitted).count()
}

#[test]
fn all_rates_must_hold_or_nothing_is_taken() {
    let memory = Memory::default();
    let limit = limit("pro", &[rate(60, 60, 5), rate(2, 1, 2)], &[]);
    assert_eq!(admitted(&memory, &limit, "a", &at(0)), 2);
    assert_eq!(admitted(&memory, &limit, "b", &at(0)), 2);
    // What the second refuses is not taken from the first.
    let refused = take(&memory, &limit, "a", 1, &at(0));
    assert_eq!((refused.is_admitted, refused.wait), (false, Some(Duration::from_millis(500))));
    let remaining = |outcome: &Outcome| {
        outcome.standings.as_slice().iter().map(|standing| standing.remaining).collect::<Vec<_>>()
    };
    assert_eq!(remaining(&refused), [3, 0]);
    assert_eq!(remaining(&take(&memory, &limit, "a", 2, &at(SECOND))), [2, 0]);
    // Now the first is what is slower.
    assert_eq!(admitted(&memory, &limit, "a", &at(2 * SECOND)), 2);
    assert_eq!(admitted(&memory, &limit, "a", &at(3 * SECOND)), 2);
    assert_eq!(admitted(&memory, &limit, "a", &at(4 * SECOND)), 1);
    assert_eq!(take(&memory, &limit, "a", 1, &at(4 * SECOND)).wait, Some(Duration::from_secs(1)));
    // More than the burst never fits.
    assert_eq!(take(&memory, &limit, "a", 3, &at(1000 * SECOND)).wait, None);
    assert!(take(&memory, &limit, "a", 2, &at(1000 * SECOND)).is_admitted);
}

#[test]
fn quotas_hold_beside_rates_until_their_window_is_over() {
    let memory = Memory::default();
    let both = limit("free", &[rate(100, 1, 100)], &[quota(30, Window::Day), quota(40, Window::Month)]);
    assert_eq!(admitted(&memory, &both, "a", &at(0)), 30);
    let refused = take(&memory, &both, "a", 1, &at(SECOND));
    let half_a_day = Duration::from_secs(12 * 60 * 60);
    assert_eq!(refused.wait, Some(half_a_day - Duration::from_secs(1)));
    let [_, day, month] = refused.standings.as_slice() else { panic!("{refused:?}") };
    assert_eq!((day.remaining, month.remaining), (0, 10));
    // The last day of March ends, and with it the month.
    let morning = 12 * 60 * 60 * SECOND;
    assert_eq!(admitted(&memory, &both, "a", &at(morning - 1)), 0);
    assert_eq!(admitted(&memory, &both, "a", &at(morning)), 30);
    let april = |days: u64| at(morning + days * 24 * 60 * 60 * SECOND);
    assert_eq!(admitted(&memory, &both, "a", &april(1)), 10);
    assert_eq!(take(&memory, &both, "a", 1, &april(1)).wait, Some(Duration::from_secs(29 * 24 * 60 * 60)));
    // The clock is set back by a day and forth again: nothing is given twice.
    assert_eq!(admitted(&memory, &both, "a", &april(0)), 0);
    assert_eq!(admitted(&memory, &both, "a", &april(1)), 0);
}

/// A reload brings new limits, which are told apart by what they say.
#[test]
fn what_does_not_change_goes_on() {
    let memory = Memory::default();
    let (old, day) = (rate(10, 60, 10), quota(20, Window::Day));
    assert_eq!(admitted(&memory, &limit("free", &[old], &[day]), "a", &at(0)), 10);
    assert_eq!(admitted(&memory, &limit("free", &[old], &[day]), "a", &at(0)), 0);
    // Another rate begins anew, the quota beside it goes on, also if it is larger.
    let new = [rate(100, 60, 100)];
    assert_eq!(admitted(&memory, &limit("free", &new, &[day]), "a", &at(0)), 10);
    assert_eq!(admitted(&memory, &limit("free", &new, &[quota(25, Window::Day)]), "a", &at(0)), 5);
    // Another name and another kind of subject are something else.
    assert_eq!(admitted(&memory, &limit("pro", &[old], &[day]), "a", &at(0)), 10);
    let limit = limit("free", &[old], &[day]);
    let owner = Subject { kind: Kind::Owner, text: b"a" };
    assert!(
        memory.take_at(&Demand { limit: &limit, subject: owner, weight: number(10) }, &at(0)).is_admitted
    );
}

#[test]
fn the_date_never_goes_back() {
    let clock = Clock::default();
    let start = clock.ahead.load(Relaxed);
    let after = |system: u64, millis: u64| {
        clock.hear(start + system, millis);
        clock.ahead.load(Relaxed) + millis - start
    };
    assert_eq!(after(5_000, 5_000), 5_000);
    // Set back by an hour, it goes on; set ahead, it follows; set back then, it goes on from there.
    clock.hear(start.saturating_sub(3_600_000), 6_000);
    assert_eq!(after(0, 6_000), 6_000);
    assert_eq!(after(86_400_000, 7_000), 86_400_000);
    assert_eq!(after(8_000, 8_000), 86_401_000);
    let now = clock.now(true);
    assert!(now.nanos > 0 && clock.now(false).nanos >= now.nanos);
}

/// Four threads ask for the same and for others at once: what is admitted is exactly what there is.
#[test]
fn cores_share_what_there_is() {
    let memory = Memory::default();
    let limit = limit("shared", &[rate(1, 60, 5_000)], &[quota(4_000, Window::Month)]);
    let counts: Vec<usize> = std::thread::scope(|scope| {
        let thread = |own: usize| {
            let (memory, limit) = (&memory, &limit);
            scope.spawn(move || {
                let each = (0..4_000).map(|number| {
                    take(memory, limit, &format!("{own} {number}"), 1, &at(0));
                    usize::from(take(memory, limit, "all", 1, &at(0)).is_admitted)
                });
                each.sum()
            })
        };
        let threads: Vec<_> = (0..4).map(thread).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(counts.iter().sum::<usize>(), 4_000);
}

/// The bytes that this process holds in memory, from `/proc`.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// A million subjects of a limit with two rates are all known, and more do not make it grow beyond its bound or forget
/// who has used up what.
#[cfg(target_os = "linux")]
#[test]
fn a_million_keys_fit_and_more_do_no_harm() {
    // In a process of its own, as what other tests hold meanwhile would be counted too.
    const ALONE: &str = "TRANSOM_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let name = "policy::limit::memory::tests::a_million_keys_fit_and_more_do_no_harm";
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        let output = alone.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}{output:?}");
        return;
    }
    let before = resident();
    let memory = Memory::default();
    let limit = limit("flood", &[rate(10, 60, 10), rate(1000, 3600, 20)], &[]);
    let who = |number: u32| number.to_be_bytes();
    let take = |number: u32, weight: u32| {
        let subject = Subject { kind: Kind::Address, text: &who(number) };
        memory.take_at(&Demand { limit: &limit, subject, weight: self::number(weight) }, &at(0))
    };
    for number in 0..1_000_000 {
        take(number, 10);
    }
    let used = resident().saturating_sub(before);
    assert!(used < 150_000_000, "{used} bytes");
    for number in 0..1_000_000 {
        assert!(!take(number, 1).is_admitted, "{number}");
    }
    for number in 1_000_000..2_500_000 {
        take(number, 1);
    }
    let used = resident().saturating_sub(before);
    assert!(used < 150_000_000, "{used} bytes");
    let admitted = (0..1_000_000).step_by(10).filter(|number| take(*number, 1).is_admitted).count();
    assert_eq!(admitted, 0, "those who have used up theirs are remembered longer than a flood");
    println!("{used} bytes");
}
