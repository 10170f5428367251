//! How an upstream is to be called.

use std::time::Duration;

use super::decide::adaptive::Adaptive;
use super::decide::balance::Balance;
use super::decide::circuit::Circuit;
use super::decide::health::Health;
use super::decide::outlier::Outliers;
use super::decide::retry::Retries;
use super::group::Rules;

/// How the calls of a [`Channel`](super::channel::Channel) are carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a backend may take for one call, counted from when the request is complete. A call's
    /// own deadline may be earlier, never later. It does not bound streaming answers. Default 15 s.
    pub timeout: Duration,
    /// How long connecting to one target may take, all its addresses and the name lookup together.
    /// Default 1 s.
    pub connect_timeout: Duration,
    /// The largest message in either direction, in bytes. Default 4 MiB.
    pub max_message: usize,
    /// How long a stream may go without a message in either direction. Default 15 min.
    pub idle: Duration,
    /// Which target a call goes to.
    pub balance: Balance,
    /// How long a target that has come, or come back, gets less than its share. Default: no time.
    pub slow_start: Option<Duration>,
    /// When fewer millionths of the targets are neither left alone nor unwell, all are used. Default a quarter.
    pub panic_threshold: u32,
    /// How old a connection gets until another one takes its calls, up to a tenth less or more. Default: as old as it may.
    pub connection_age: Option<Duration>,
    /// When targets are left alone because calls to them fail. Default: not.
    pub outliers: Option<Outliers>,
    /// How many calls there may be at a time.
    pub circuit: Circuit,
    /// Between which bounds it is learnt how many unary calls there may be at a time. Default: it is not.
    pub adaptive: Option<Adaptive>,
    /// Which calls are sent again.
    pub retries: Retries,
    /// How targets are asked for their health. Default: not.
    pub health: Option<Health>,
}

impl Settings {
    pub(super) const fn rules(&self) -> Rules {
        Rules {
            outliers: self.outliers,
            circuit: self.circuit,
            adaptive: self.adaptive,
            slow_start: self.slow_start,
            panic_threshold: self.panic_threshold,
            connection_age: self.connection_age,
            connect_timeout: self.connect_timeout,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(1),
            max_message: 4 * 1024 * 1024,
            idle: Duration::from_secs(15 * 60),
            balance: Balance::default(),
            slow_start: None,
            panic_threshold: 250_000,
            connection_age: None,
            outliers: None,
            circuit: Circuit::default(),
            adaptive: None,
            retries: Retries::default(),
            health: None,
        }
    }
}
