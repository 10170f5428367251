//! Histograms of times.

use std::fmt::Write;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::PerCore;
use super::family::Series;
use super::text::{Kind, Seconds, label, line};

/// The upper bounds of the buckets, in microseconds: those that OpenTelemetry advises for durations of HTTP and RPC, and
/// two below them, as a gateway alone takes less than the first.
pub const BOUNDS: [u64; 16] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 75_000, 100_000, 250_000, 500_000, 750_000, 1_000_000,
    2_500_000, 5_000_000, 7_500_000, 10_000_000,
];

/// A label with a closed set of values, by which the histograms of a series are told apart.
pub trait Dimension: Send + Sync + 'static {
    /// The name of the label.
    const LABEL: &'static str;
    /// All its values.
    const VALUES: &'static [&'static str];
}

/// A time with its bucket, to be counted in several places.
#[derive(Clone, Copy, Debug)]
pub struct Time {
    bucket: usize,
    nanos: u64,
}

impl From<Duration> for Time {
    fn from(duration: Duration) -> Self {
        let seconds = duration.as_secs().saturating_mul(1_000_000_000);
        let nanos = seconds.saturating_add(duration.subsec_nanos().into());
        let bucket = BOUNDS.iter().position(|bound| nanos <= bound * 1_000).unwrap_or(BOUNDS.len());
        Self { bucket, nanos }
    }
}

/// How long something took, by one more label: a histogram for each value of it that has occurred.
#[derive(Debug)]
pub struct Durations<D> {
    by_value: Box<[OnceLock<Box<PerCore<Histogram>>>]>,
    dimension: PhantomData<D>,
}

/// The last bucket is that of all that took longer.
#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl<D: Dimension> Durations<D> {
    /// Counts one that took so long. `value` is the position of the dimension's value.
    pub fn record(&self, value: usize, time: impl Into<Time>) {
        let histogram = self.by_value[value].get_or_init(Box::default).mine();
        let time = time.into();
        histogram.buckets[time.bucket].fetch_add(1, Relaxed);
        histogram.nanos.fetch_add(time.nanos, Relaxed);
    }

    /// How many were counted with a value.
    pub fn count(&self, value: usize) -> u64 {
        let cores = self.by_value[value].get().into_iter().flat_map(|cores| cores.all());
        cores.flat_map(|histogram| &histogram.buckets).map(|bucket| bucket.load(Relaxed)).sum()
    }
}

impl<D: Dimension> Default for Durations<D> {
    fn default() -> Self {
        Self { by_value: D::VALUES.iter().map(|_| OnceLock::new()).collect(), dimension: PhantomData }
    }
}

impl<D: Dimension> Series for Durations<D> {
    const KIND: Kind = Kind::Histogram;

    fn render(&self, name: &str, labels: &str, out: &mut String) {
        for (cores, value) in self.by_value.iter().zip(D::VALUES) {
            let Some(cores) = cores.get() else { continue };
            let mut labels = labels.to_owned();
            label(&mut labels, D::LABEL, value);
            let (mut counts, mut nanos) = ([0_u64; BOUNDS.len() + 1], 0_u64);
            for histogram in cores.all() {
                for (count, bucket) in counts.iter_mut().zip(&histogram.buckets) {
                    *count += bucket.load(Relaxed);
                }
                nanos = nanos.wrapping_add(histogram.nanos.load(Relaxed));
            }
            let mut sum = 0;
            let bounds = BOUNDS.iter().map(|bound| Seconds(bound * 1_000).to_string());
            for (count, bound) in counts.iter().zip(bounds.chain(["+Inf".to_owned()])) {
                sum += count;
                let length = labels.len();
                write!(labels, ",le=\"{bound}\"").expect("a String takes everything");
                line(out, name, "_bucket", &labels, sum);
                labels.truncate(length);
            }
            line(out, name, "_sum", &labels, Seconds(nanos));
            line(out, name, "_count", &labels, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::{Family, Metric};

    struct Side;

    impl Dimension for Side {
        const LABEL: &'static str = "side";
        const VALUES: &'static [&'static str] = &["left", "right"];
    }

    #[test]
    fn buckets_are_cumulative_and_bounds_inclusive() {
        static FAMILY: Family<Durations<Side>> = Family::new("t_seconds", "Times.", &["what"]);
        let series = FAMILY.series(&["walk"]);
        for micros in [0, 1_000, 1_001, 10_000_000, 10_000_001, 3_600_000_000] {
            series.record(1, Duration::from_micros(micros));
        }
        assert_eq!((series.count(0), series.count(1)), (0, 6));
        let mut text = String::new();
        FAMILY.render(&mut text);
        let mut expected = "# HELP t_seconds Times.\n# TYPE t_seconds histogram\n".to_owned();
        for (bound, count) in [
            ("0.001", 2),
            ("0.0025", 3),
            ("0.005", 3),
            ("0.01", 3),
            ("0.025", 3),
            ("0.05", 3),
            ("0.075", 3),
            ("0.1", 3),
            ("0.25", 3),
            ("0.5", 3),
            ("0.75", 3),
            ("1", 3),
            ("2.5", 3),
            ("5", 3),
            ("7.5", 3),
            ("10", 4),
            ("+Inf", 6),
        ] {
            writeln!(expected, "t_seconds_bucket{{what=\"walk\",side=\"right\",le=\"{bound}\"}} {count}")
                .unwrap();
        }
        expected.push_str("t_seconds_sum{what=\"walk\",side=\"right\"} 3620.002002\n");
        expected.push_str("t_seconds_count{what=\"walk\",side=\"right\"} 6\n");
        assert_eq!(text, expected);
    }

    #[test]
    fn an_eternity_is_counted() {
        let durations = Durations::<Side>::default();
        durations.record(0, Duration::MAX);
        assert_eq!(durations.count(0), 1);
    }
}
