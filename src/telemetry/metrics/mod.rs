//! Metrics: counted by each core for itself, added up when somebody reads them.
//!
//! ```text
//! Tally   counters or levels whose labels are known when the program is built
//! Family  series whose labels come from the configuration, kept as long as somebody holds them
//! Count, Level, Gauge, Durations  what a series of a family counts
//! text    the Prometheus text format
//! ```
//!
//! Values of labels come from the configuration or from closed sets, never from callers, so that no caller can make the
//! metrics grow. Whoever counts holds the series it counts in: nothing is looked up and nothing allocated, but for the
//! first time that a histogram meets one of its codes.

mod durations;
mod family;
mod per_core;
mod tally;
pub mod text;

pub use durations::{BOUNDS, Dimension, Durations, Time};
pub use family::{Count, Family, Gauge, HeldLevel, Level, Series};
pub use per_core::PerCore;
pub use tally::{Held, Tally};

/// Something that can be read.
pub trait Metric: Sync {
    /// Writes all its lines: what it is, and its present values.
    fn render(&self, out: &mut String);
}

/// The text of all these metrics, in the text format 0.0.4 of Prometheus.
pub fn render(metrics: &[&dyn Metric]) -> String {
    let mut out = String::with_capacity(16 * 1024);
    for metric in metrics {
        metric.render(&mut out);
    }
    out
}
