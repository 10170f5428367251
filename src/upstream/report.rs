//! What an upstream can tell about its connections.

use std::time::Duration;

use super::source::SourceReport;

/// The connections of an upstream at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many connections were opened since the upstream exists. It grows when a backend was away and is
    /// back.
    pub opened: u64,
    /// Calls that are with a target.
    pub in_flight: u32,
    /// Calls that wait for a connection, or for a target that takes no more of them at a time.
    pub pending: u32,
    /// What was learnt of how many calls it takes, if that is learnt.
    pub adaptive: Option<AdaptiveReport>,
    /// For how long calls fail at once, as most of them failed. No time at all: some try whether it is over.
    pub open_for: Option<Duration>,
    /// Whether all targets are used, as too few are neither left alone nor unwell.
    pub panics: bool,
    /// Each target, in the order of the configuration.
    pub targets: Vec<TargetReport>,
    /// Where targets come from that are not written, in the order of the configuration.
    pub sources: Vec<SourceReport>,
}

impl Report {
    /// Whether no target can be reached, as far as is known, or there is none. Nothing is tried to learn it.
    pub fn is_away(&self) -> bool {
        self.targets.iter().all(|target| target.away)
    }
}

/// What was learnt of how many calls an upstream takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdaptiveReport {
    /// How many unary calls may be with it at a time.
    pub limit: u32,
    /// How many are.
    pub in_flight: u64,
    /// How long a call takes that does not wait there. Nothing before that is known.
    pub base: Duration,
    /// How long half of the last calls took. Nothing before that is known.
    pub typical: Duration,
}

/// The connections to one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetReport {
    /// Where it is, as the configuration writes it.
    pub target: String,
    /// Which source has found it, by the name of the source; nothing if it is written.
    pub source: Option<String>,
    /// Connections that are open and take new calls.
    pub open: usize,
    /// Connections that are being opened.
    pub opening: usize,
    /// Cores that leave the target alone for a while, as it could not be reached.
    pub resting: usize,
    /// The most attempts that failed one after the other on one core.
    pub failures: u32,
    /// Whether it could not be reached when that was tried, which was not long ago, and there is no connection.
    pub away: bool,
    /// Calls that are with it.
    pub in_flight: u32,
    /// Calls that failed by its fault since it last answered one.
    pub failed_calls: u32,
    /// For how long it is left alone, as calls to it failed. No time at all: until a call has tried it.
    pub ejected_for: Option<Duration>,
    /// Its share of the calls, by those of the others.
    pub weight: u32,
    /// Which part of its share it gets, in thousandths: less than all while it starts.
    pub part: u32,
    /// What its calls came to in the last while, where that is counted.
    pub recent: Option<Recent>,
    /// Whether it is well by its own word, or was not asked.
    pub healthy: bool,
}

/// What calls to a target came to in the last while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// All of them.
    pub calls: u64,
    /// Those that failed by its fault.
    pub failed: u64,
    /// How long it typically takes to answer, where that is known.
    pub typical: Option<Duration>,
}
