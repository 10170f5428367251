//! The pure rooms, tested from outside: they build and run without the feature `gateway`.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "tests")]

mod conformance;
mod generate;
mod limits;
mod oracle;
mod properties;
mod support;
mod xml;
