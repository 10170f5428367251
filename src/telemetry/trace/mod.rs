//! Distributed traces: W3C trace context, sampling, spans and their export by OTLP.
//!
//! ```text
//! context  traceparent and tracestate, read strictly
//! span     what took time, collected for calls that are sampled and for no others
//! export   from the cores to the collector
//! otlp     the messages of OTLP, as far as they are needed
//! ```
//!
//! A call that is not sampled costs the reading of two headers, or the making of one.

pub mod context;
pub mod export;
pub mod span;

mod otlp;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use self::context::{Context, Ids};
use self::export::Exporter;
use self::span::Trace;

/// Decides which calls are traced, and collects the spans of those.
#[derive(Debug)]
pub struct Tracer {
    /// Of 2^56 traces that begin here so many are sampled.
    threshold: AtomicU64,
    exporter: Arc<Exporter>,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Decision {
    /// It is part of a trace that its caller does not sample: nothing is recorded, and the caller's context goes on as
    /// it came.
    Unsampled(Context),
    /// A trace begins that is not sampled. The backend learns that from this context.
    NewUnsampled(Context),
    /// Its spans are collected.
    Sampled(Trace),
}

impl Tracer {
    /// A tracer that samples `ratio` (0 to 1) of the traces that begin here. A trace that began elsewhere is sampled if
    /// the caller says so.
    pub fn new(ratio: f64, exporter: Arc<Exporter>) -> Self {
        let tracer = Self { threshold: AtomicU64::new(0), exporter };
        tracer.sample(ratio);
        tracer
    }

    /// Samples another part of the traces from now on.
    pub fn sample(&self, ratio: f64) {
        const ALL: f64 = (1_u64 << 56) as f64;
        self.threshold.store((ratio.clamp(0.0, 1.0) * ALL) as u64, Relaxed);
    }

    /// Decides about a request with this context of its caller, if it has a valid one. By the last 56 bits of the
    /// trace's id, which are random, as other samplers by ratio do; so a ratio means the same in all of them.
    pub fn start(&self, parent: Option<Context>) -> Decision {
        match parent {
            Some(parent) if !parent.is_sampled() => Decision::Unsampled(parent),
            Some(parent) => {
                Decision::Sampled(Trace::new(parent.child(), Some(parent), Arc::clone(&self.exporter)))
            }
            None => {
                let ids = Ids::random();
                if ids.random_part() < self.threshold.load(Relaxed) {
                    Decision::Sampled(Trace::new(Context::new(ids, true), None, Arc::clone(&self.exporter)))
                } else {
                    Decision::NewUnsampled(Context::new(ids, false))
                }
            }
        }
    }

    /// Where the spans go.
    pub fn exporter(&self) -> &Exporter {
        &self.exporter
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_kept() {
        let tracer = Tracer::new(0.1, Exporter::start("http://127.0.0.1:1").unwrap());
        let sampled =
            |count: usize| (0..count).filter(|_| matches!(tracer.start(None), Decision::Sampled(_))).count();
        // Six times the standard deviation, sqrt(20,000 * 0.1 * 0.9) = 42.4.
        assert!((1746..=2254).contains(&sampled(20_000)));
        tracer.sample(0.0);
        assert_eq!(sampled(1000), 0);
        tracer.sample(1.0);
        assert_eq!(sampled(1000), 1000);
    }

    #[test]
    fn the_last_bits_decide_as_everywhere() {
        let tracer = Tracer::new(0.5, Exporter::start("http://127.0.0.1:1").unwrap());
        assert_eq!(tracer.threshold.load(Relaxed), 1 << 55);
        let context = Context::parse(b"00-ffffffffffffffffff7fffffffffffff-00f067aa0ba902b7-00").unwrap();
        assert_eq!(context.ids().random_part(), (1 << 55) - 1);
    }
}
