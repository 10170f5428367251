//! Decisions about targets and tries, without connections: which target a call goes to, which one is left alone for a
//! while, whether a call is sent again and when, or to two of them, and how many there may be.
//!
//! Nothing here looks at a clock or makes a random number: both are given. Times are milliseconds since some moment in
//! the past, the same one for all calls.

pub mod adaptive;
pub mod balance;
pub mod budget;
pub mod circuit;
pub mod health;
pub mod outlier;
pub mod rates;
pub mod retry;
pub mod start;

pub(super) mod age;
pub(super) mod backoff;
pub(super) mod discovery;
pub(super) mod latency;
pub(super) mod panic;
pub(super) mod race;
pub(super) mod window;
