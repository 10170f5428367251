//! The pure rooms, tested from outside: they build and run without the feature `gateway`.

#![allow(clippy::unwrap_used, reason = "tests")]

mod conformance;
