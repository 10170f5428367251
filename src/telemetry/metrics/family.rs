//! Series whose labels come from the configuration.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::text::{Head, Kind, label, line};
use super::{Metric, PerCore};

/// What a series of a [`Family`] counts.
pub trait Series: Default + Send + Sync + 'static {
    /// Its kind.
    const KIND: Kind;

    /// Writes its values.
    fn render(&self, name: &str, labels: &str, out: &mut String);
}

/// Series with the same labels, by their values. A series is kept as long as somebody holds it: one that the
/// configuration does not name any more is gone the next time that the family is read.
#[derive(Debug)]
pub struct Family<S> {
    head: Head,
    labels: &'static [&'static str],
    series: Mutex<BTreeMap<String, Arc<S>>>,
}

impl<S: Series> Family<S> {
    /// A family without series, with the names of their labels.
    pub const fn new(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Self {
        let head = Head { name, help, kind: S::KIND };
        Self { head, labels, series: Mutex::new(BTreeMap::new()) }
    }

    /// The series with these values of the labels, in their order. It is the same one for the same values while it is
    /// held, so that counts go on over a change of the configuration.
    pub fn series(&self, values: &[&str]) -> Arc<S> {
        let labels = self.labels_of(values);
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(series.entry(labels).or_default())
    }

    /// The same, if there is one already.
    pub fn existing(&self, values: &[&str]) -> Option<Arc<S>> {
        let labels = self.labels_of(values);
        self.series.lock().unwrap_or_else(PoisonError::into_inner).get(&labels).map(Arc::clone)
    }

    fn labels_of(&self, values: &[&str]) -> String {
        let mut labels = String::new();
        self.labels.iter().zip(values).for_each(|(name, value)| label(&mut labels, name, value));
        labels
    }
}

impl<S: Series> Metric for Family<S> {
    fn render(&self, out: &mut String) {
        self.head.render(out);
        let held: Vec<_> = {
            let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
            series.retain(|_, series| Arc::strong_count(series) > 1);
            series.iter().map(|(labels, series)| (labels.clone(), Arc::clone(series))).collect()
        };
        for (labels, series) in held {
            series.render(self.head.name, &labels, out);
        }
    }
}

/// A counter.
#[derive(Debug, Default)]
pub struct Count(PerCore<AtomicU64>);

impl Count {
    /// Adds to it.
    pub fn add(&self, amount: u64) {
        self.0.mine().fetch_add(amount, Relaxed);
    }

    /// The present value.
    pub fn value(&self) -> u64 {
        self.0.all().map(|cell| cell.load(Relaxed)).sum()
    }
}

impl Series for Count {
    const KIND: Kind = Kind::Counter;

    fn render(&self, name: &str, labels: &str, out: &mut String) {
        line(out, name, "", labels, self.value());
    }
}

/// A level: how many of something there are.
#[derive(Debug, Default)]
pub struct Level(PerCore<AtomicU64>);

impl Level {
    /// Raises the level by one until what is returned is dropped.
    pub fn hold(self: &Arc<Self>) -> HeldLevel {
        self.0.mine().fetch_add(1, Relaxed);
        HeldLevel(Arc::clone(self))
    }

    /// The present level.
    pub fn value(&self) -> u64 {
        let sum = self.0.all().fold(0_u64, |sum, cell| sum.wrapping_add(cell.load(Relaxed)));
        (sum as i64).max(0) as u64
    }
}

impl Series for Level {
    const KIND: Kind = Kind::Gauge;

    fn render(&self, name: &str, labels: &str, out: &mut String) {
        line(out, name, "", labels, self.value());
    }
}

/// A number that goes up and down, or is said anew.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Says it anew.
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Adds one, and says what it was before.
    pub fn raise(&self) -> u64 {
        self.0.fetch_add(1, Relaxed)
    }

    /// Takes one away, which was added before.
    pub fn lower(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// The present value.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Series for Gauge {
    const KIND: Kind = Kind::Gauge;

    fn render(&self, name: &str, labels: &str, out: &mut String) {
        line(out, name, "", labels, self.value());
    }
}

/// A level that is raised by one.
#[derive(Debug)]
pub struct HeldLevel(Arc<Level>);

impl Drop for HeldLevel {
    fn drop(&mut self) {
        self.0.0.mine().fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_go_up() {
        static FAMILY: Family<Count> = Family::new("events_total", "Events.", &["of"]);
        let count = FAMILY.series(&["a"]);
        count.add(2);
        count.add(3);
        let mut text = String::new();
        FAMILY.render(&mut text);
        let expected = "# HELP events_total Events.\n# TYPE events_total counter\nevents_total{of=\"a\"} 5\n";
        assert_eq!((count.value(), &*text), (5, expected));
    }

    #[test]
    fn series_live_as_long_as_they_are_held() {
        static FAMILY: Family<Level> = Family::new("things", "Things.", &["of", "kind"]);
        let text = || {
            let mut text = String::new();
            FAMILY.render(&mut text);
            text.strip_prefix("# HELP things Things.\n# TYPE things gauge\n").unwrap().to_owned()
        };
        let (a, b) = (FAMILY.series(&["a", "1"]), FAMILY.series(&["b", "\"2\""]));
        let held = a.hold();
        assert!(Arc::ptr_eq(&a, &FAMILY.series(&["a", "1"])));
        assert_eq!(text(), "things{of=\"a\",kind=\"1\"} 1\nthings{of=\"b\",kind=\"\\\"2\\\"\"} 0\n");
        assert!(FAMILY.existing(&["b", "2"]).is_none() && FAMILY.existing(&["a", "1"]).is_some());
        drop((a, b));
        assert_eq!(text(), "things{of=\"a\",kind=\"1\"} 1\n", "what is held by a level stays");
        drop(held);
        assert_eq!(text(), "");
    }
}
