//! What an upstream can tell about its connections.

/// The connections of an upstream at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many connections were opened since the upstream exists. It grows when a backend was away and is
    /// back.
    pub opened: u64,
    /// Each target, in the order of the configuration.
    pub targets: Vec<TargetReport>,
}

impl Report {
    /// Whether no target can be reached, as far as is known. Nothing is tried to learn it.
    pub fn is_away(&self) -> bool {
        !self.targets.is_empty() && self.targets.iter().all(|target| target.away)
    }
}

/// The connections to one target; each core has at most one that takes new calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetReport {
    /// Where it is, as the configuration writes it.
    pub target: String,
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
}
