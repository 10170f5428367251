//! A backend as a queue in front of workers, a gateway that lets as many calls in flight as was learnt, and callers who
//! come at random.

use std::collections::{BTreeMap, VecDeque};

use super::*;

/// Random numbers that are the same each time.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Times between what happens at random, in microseconds.
    fn exponential(&mut self, mean: f64) -> u64 {
        (-mean * (1.0 - self.next()).ln()).max(1.0) as u64
    }
}

enum Event {
    /// A caller comes.
    Call,
    /// A worker is done with the call that came then.
    Done(u64),
}

/// All times in microseconds.
struct Model {
    now: u64,
    workers: usize,
    /// How long the work takes, on average.
    work: f64,
    is_random: bool,
    /// The time between callers.
    between: f64,
    rules: Adaptive,
    learner: Learner,
    random: Random,
    events: BTreeMap<(u64, u64), Event>,
    number: u64,
    busy: usize,
    waiting: VecDeque<u64>,
    in_flight: u32,
    window: Window,
}

#[derive(Default)]
struct Window {
    began: u64,
    times: Vec<u64>,
    peak: u32,
    is_met: bool,
}

/// What callers have seen.
#[derive(Default)]
struct Outcome {
    times: Vec<u64>,
    refused: usize,
    limits: Vec<u32>,
}

impl Outcome {
    fn quantile(&mut self, part: f64) -> f64 {
        self.times.sort_unstable();
        self.times[(self.times.len() as f64 * part) as usize] as f64
    }

    /// The limit that held for half of the windows.
    fn limit(&mut self) -> u32 {
        self.limits.sort_unstable();
        self.limits[self.limits.len() / 2]
    }

    fn refused(&self) -> f64 {
        self.refused as f64 / (self.refused + self.times.len()) as f64
    }
}

impl Model {
    /// Workers who take so many milliseconds for a call, and so many calls in a second.
    fn new(workers: usize, work: f64, rate: f64) -> Self {
        let rules = Adaptive::default();
        let mut model = Self {
            now: 0,
            workers,
            work: work * 1e3,
            is_random: true,
            between: 1e6 / rate,
            learner: Learner::new(&rules),
            rules,
            random: Random(0x9e37_79b9_7f4a_7c15),
            events: BTreeMap::new(),
            number: 0,
            busy: 0,
            waiting: VecDeque::new(),
            in_flight: 0,
            window: Window::default(),
        };
        model.after(1, Event::Call);
        model
    }

    fn after(&mut self, time: u64, event: Event) {
        self.number += 1;
        self.events.insert((self.now + time, self.number), event);
    }

    /// Goes on for so many seconds.
    fn run(&mut self, seconds: u64) -> Outcome {
        let until = self.now + seconds * 1_000_000;
        let mut outcome = Outcome::default();
        while self.now < until {
            let ((now, _), event) = self.events.pop_first().unwrap();
            self.now = now;
            match event {
                Event::Call => self.call(&mut outcome),
                Event::Done(began) => self.done(began, &mut outcome),
            }
        }
        outcome
    }

    fn call(&mut self, outcome: &mut Outcome) {
        let next = self.random.exponential(self.between);
        self.after(next, Event::Call);
        if self.in_flight >= self.learner.limit() {
            outcome.refused += 1;
            self.window.is_met = true;
            return;
        }
        self.in_flight += 1;
        self.window.peak = self.window.peak.max(self.in_flight);
        self.waiting.push_back(self.now);
        self.work();
    }

    fn work(&mut self) {
        while self.busy < self.workers
            && let Some(began) = self.waiting.pop_front()
        {
            self.busy += 1;
            let time = if self.is_random { self.random.exponential(self.work) } else { self.work as u64 };
            self.after(time, Event::Done(began));
        }
    }

    fn done(&mut self, began: u64, outcome: &mut Outcome) {
        self.in_flight -= 1;
        self.busy -= 1;
        self.work();
        outcome.times.push(self.now - began);
        self.window.times.push(self.now - began);
        let (start, ended) = (self.window.began, self.now / 1_000);
        let calls = self.window.times.len() as u64;
        if ended - start < self.learner.window() || calls < CALLS {
            return;
        }
        self.window.times.sort_unstable();
        let typical = self.window.times[calls as usize / 2];
        let Window { peak, is_met, .. } = self.window;
        let seen = Seen { began: start, ended, calls, typical, peak, is_met };
        self.learner.learn(&seen, &self.rules);
        outcome.limits.push(self.learner.limit());
        self.window = Window { began: ended, times: Vec::new(), peak: self.in_flight, is_met: false };
    }
}

#[test]
fn the_limit_comes_near_to_the_workers_and_calls_wait_little() {
    for (workers, work, rate) in [(4, 20.0, 500.0), (50, 20.0, 5_000.0), (200, 100.0, 4_000.0)] {
        for is_random in [true, false] {
            let mut model = Model { is_random, ..Model::new(workers, work, rate) };
            model.run(12);
            let mut outcome = model.run(25);
            let (limit, workers) = (outcome.limit() as usize, workers);
            assert!((workers..=3 * workers).contains(&limit), "{limit} for {workers}");
            let answered = outcome.times.len() as f64 / 25.0;
            let most = workers as f64 * 1_000.0 / work;
            // Trials leave workers idle for some part of a second.
            assert!(answered >= 0.9 * most, "{answered} of {most} in a second");
            let typical = outcome.quantile(0.5);
            assert!(typical <= 2.7 * work * 1e3, "{typical} µs with {workers}");
        }
    }
}

#[test]
fn nothing_is_refused_while_the_load_is_light() {
    let mut model = Model::new(50, 20.0, 1_000.0);
    let outcome = model.run(60);
    assert_eq!(outcome.refused, 0);
    assert_eq!(model.learner.limit(), FIRST, "it has not shrunk");
    let base = model.learner.base();
    assert!((6_000..=20_000).contains(&base), "{base}: the median of the work is 14 ms");
}

#[test]
fn a_backend_that_loses_workers_gets_fewer_calls_and_then_more_again() {
    let mut model = Model { is_random: false, ..Model::new(50, 20.0, 5_000.0) };
    model.run(20);
    model.workers = 15;
    model.run(5);
    let mut less = model.run(10);
    let limit = less.limit();
    assert!((15..=45).contains(&limit), "{limit}");
    assert!(less.quantile(0.5) <= 60_000.0, "{}", less.quantile(0.5));
    model.workers = 50;
    model.run(5);
    let mut more = model.run(10);
    let limit = more.limit();
    assert!((50..=150).contains(&limit), "{limit}");
    assert!(more.times.len() >= 22_500, "{}", more.times.len());
}

#[test]
fn a_backend_that_becomes_slower_by_itself_is_not_starved() {
    let mut model = Model::new(50, 20.0, 1_000.0);
    model.run(20);
    // 60 calls would be in flight, and there are 50 workers.
    model.work = 60_000.0;
    model.run(5);
    let outcome = model.run(20);
    assert!(outcome.times.len() as f64 / 20.0 >= 0.85 * 833.0, "{} in 20 s", outcome.times.len());
    assert!(outcome.refused() <= 0.3, "{}", outcome.refused());
}

#[test]
fn a_gateway_that_begins_under_too_much_load_finds_the_base() {
    let mut model = Model::new(4, 20.0, 500.0);
    model.run(10);
    let base = model.learner.base();
    assert!((8_000..=40_000).contains(&base), "{base}, and all of the first hundred waited");
}

#[test]
fn bounds_hold() {
    let rules = Adaptive { min: 20, max: 30, ..Adaptive::default() };
    let mut model = Model::new(4, 20.0, 500.0);
    model.learner.retune(&rules);
    assert_eq!(model.learner.limit(), 30, "what was learnt is kept as far as it may");
    model.rules = rules;
    model.run(10);
    let outcome = model.run(10);
    // Trials alone are below.
    assert!(
        outcome.limits.iter().filter(|limit| (20..=30).contains(*limit)).count() * 10
            >= outcome.limits.len() * 8
    );
    let narrow = Adaptive { min: 500, max: 800, ..Adaptive::default() };
    assert_eq!((Learner::new(&narrow).limit(), Learner::new(&Adaptive::default()).limit()), (500, 100));
}

#[test]
fn one_window_changes_little() {
    let rules = Adaptive::default();
    let mut learner = Learner::new(&rules);
    let mut seen = Seen { began: 0, ended: 100, calls: 100, typical: 10_000, peak: 100, is_met: false };
    let mut next = |learner: &mut Learner, typical, peak| {
        (seen.began, seen.ended) = (seen.ended, seen.ended + 200);
        learner.learn(&Seen { typical, peak, ..seen }, &rules);
        learner.limit
    };
    // The first is but a beginning, and in the second there are calls of the first.
    (0..3).for_each(|_| _ = next(&mut learner, 10_000, 10));
    assert_eq!((learner.base(), learner.limit), (10_000, 100.0));
    assert_eq!(next(&mut learner, 14_000, 50), 110.0, "within what is tolerated it grows by its root");
    assert_eq!(next(&mut learner, 10_000, 54), 110.0, "less than half was made use of");
    let halved = 110.0 / 2.0 + 110_f64.sqrt();
    assert_eq!(next(&mut learner, 90_000, 110), halved, "never by more than a half");
    assert_eq!(learner.slow_from(&rules), 15_000);
    // The window after that has calls of before.
    next(&mut learner, 90_000, 60);
    let before = learner.limit;
    assert_eq!(next(&mut learner, 20_000, 10), before, "a little slow, and not because of these");
    assert!(next(&mut learner, 90_000, 10) < before, "far too slow");
}

/// Who is refused last is not to be refused for the sake of knowledge.
#[test]
fn trials_spare_those_who_matter_and_say_nothing_where_these_are_too_many() {
    let rules = Adaptive::default();
    let mut learner = Learner::new(&rules);
    let seen = |second: u64, peak| Seen {
        began: second * 1_000,
        ended: second * 1_000 + 900,
        calls: 100,
        typical: 10_000,
        peak,
        is_met: true,
    };
    learner.learn(&seen(0, 100), &rules);
    learner.learn(&seen(1, 100), &rules);
    assert_eq!((learner.limit(), learner.full()), (33, 100), "it began under load");
    learner.learn(&seen(2, 80), &rules);
    assert_eq!((learner.limit(), learner.full()), (100, 100));
}
