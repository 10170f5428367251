//! What the gateway tells about itself: primitives of metrics, traces and logs.
//!
//! ```text
//! core     which core a thread serves
//! metrics  counters, levels and histograms by core, and their text for Prometheus
//! trace    W3C trace context, sampling, spans and their export by OTLP
//! hopper   a bounded way from the cores to a thread that may wait
//! log      log levels that change at run time
//! process  what the operating system knows of the process
//! ```
//!
//! The room imports nothing of the crate. Each module that has something to count owns its family of metrics, as a
//! static: a process has one set of them, and nothing is looked up where something is counted.

pub mod core;
pub mod hopper;
pub mod log;
pub mod metrics;
pub mod process;
pub mod random;
pub mod trace;
