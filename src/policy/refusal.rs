//! Why a call is refused.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::limit::budget::whole_seconds;
use crate::call::Dialect;
use crate::status::{Code, Status, details};
use crate::telemetry::metrics::text::{Head, Kind, label, line};
use crate::telemetry::metrics::{Metric, PerCore};

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Nothing shows who the caller is.
    Missing,
    /// What shows it is not known or not right.
    Invalid,
    /// It holds no more.
    Expired,
    /// It was taken back.
    Revoked,
    /// Several of a kind were offered, of which others may believe another one.
    Several,
    /// The caller cannot be asked for more now: too much of that goes on.
    Busy,
    /// Whoever knows the caller does not answer.
    Unreachable,
    /// The caller is known and lacks what the method asks for.
    Forbidden,
    /// The caller's address may not call.
    Address,
    /// The caller has no plan that is known.
    Plan,
    /// It calls more often than it may.
    Rate,
    /// It has called as much as it may until the next day or month.
    Quota,
    /// As many of its calls go on as may.
    Concurrency,
    /// Too many calls of all callers go on.
    Shed,
    /// Whoever counts calls cannot be asked.
    Uncounted,
    /// As many of its streams are open as may be.
    Streams,
    /// A stream was open for as long as it may be.
    Duration,
    /// More messages passed in its streams than may.
    Messages,
    /// More bytes did.
    Bytes,
}

/// What a call has exceeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exceeded {
    /// In words: `100/min of "free"`.
    pub met: String,
    /// After how long it may be called again, if that is known.
    pub wait: Option<Duration>,
}

impl Reason {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 19] = [
        Self::Missing,
        Self::Invalid,
        Self::Expired,
        Self::Revoked,
        Self::Several,
        Self::Busy,
        Self::Unreachable,
        Self::Forbidden,
        Self::Address,
        Self::Plan,
        Self::Rate,
        Self::Quota,
        Self::Concurrency,
        Self::Shed,
        Self::Uncounted,
        Self::Streams,
        Self::Duration,
        Self::Messages,
        Self::Bytes,
    ];

    /// Its name, for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Several => "several",
            Self::Busy => "busy",
            Self::Unreachable => "unreachable",
            Self::Forbidden => "forbidden",
            Self::Address => "address",
            Self::Plan => "plan",
            Self::Rate => "rate",
            Self::Quota => "quota",
            Self::Concurrency => "concurrency",
            Self::Shed => "shed",
            Self::Uncounted => "uncounted",
            Self::Streams => "streams",
            Self::Duration => "duration",
            Self::Messages => "messages",
            Self::Bytes => "bytes",
        }
    }

    /// What the caller is told. `wanted` is what it has to send.
    pub(super) fn status(self, wanted: &str, exceeded: &Exceeded) -> Status {
        let send = if wanted.is_empty() { String::new() } else { format!(" Send {wanted}.") };
        let unknown = |text: &str| Status::caller(Code::Unauthenticated, format!("{text}.{send}"));
        let denied = |text: &str| Status::caller(Code::PermissionDenied, text);
        let unavailable = |text: &str| Status::gateway(Code::Unavailable, text);
        let met = &exceeded.met;
        let used_up = || {
            Status::caller(
                Code::ResourceExhausted,
                format!("The limit {met} is used up. {}", exceeded.again()),
            )
        };
        let status = match self {
            Self::Missing => unknown("The call needs credentials"),
            Self::Invalid => unknown("The credentials of the call are not valid"),
            Self::Expired => unknown("The credentials of the call have expired"),
            Self::Revoked => unknown("The credentials of the call were revoked"),
            Self::Several => {
                unknown("The call offers several credentials of one kind, of which one is to be sent")
            }
            Self::Busy => {
                unavailable("Too many credentials are being checked at the moment. Call again in a second.")
            }
            Self::Unreachable => unavailable(
                "It cannot be found out at the moment who calls, as the issuer of the credentials does not answer. Call \
                 again in a few seconds.",
            ),
            Self::Forbidden => denied(
                "The caller is known, but may not call this: it lacks a role, scope or claim that is asked for.",
            ),
            Self::Address => denied("This may not be called from the address of the caller."),
            Self::Plan => denied(
                "The caller has no plan that is known here, so that nothing says how much it may call. Ask those who run \
                 this service for one.",
            ),
            Self::Rate | Self::Quota => used_up().with_detail(details::quota_failure(met)),
            Self::Concurrency | Self::Streams => {
                let text = format!("The limit {met} is reached. Call again when one of them has ended.");
                Status::caller(Code::ResourceExhausted, text).with_detail(details::quota_failure(met))
            }
            Self::Duration => {
                let text =
                    format!("The call went on for {met}, which is as long as it may. Call again to go on.");
                Status::caller(Code::DeadlineExceeded, text)
            }
            Self::Messages => {
                let text = format!(
                    "More messages passed in streams than the limit {met} allows. {}",
                    exceeded.again()
                );
                Status::caller(Code::ResourceExhausted, text).with_detail(details::quota_failure(met))
            }
            Self::Bytes => {
                let text = match exceeded.wait {
                    Some(_) => {
                        format!(
                            "More bytes passed in streams than the limit {met} allows. {}",
                            exceeded.again()
                        )
                    }
                    None => format!("A message is larger than what the limit {met} ever lets pass at once."),
                };
                Status::caller(Code::ResourceExhausted, text).with_detail(details::quota_failure(met))
            }
            Self::Shed => unavailable("Too many calls go on at the moment. Call again in a second."),
            Self::Uncounted => unavailable(
                "How much the caller has called cannot be looked up at the moment. Call again in a second.",
            ),
        };
        match self.wait(exceeded) {
            Some(wait) => status.with_detail(details::retry_info(wait)),
            None => status,
        }
    }

    /// After how long the caller may call again, if that is known.
    pub(super) const fn wait(self, exceeded: &Exceeded) -> Option<Duration> {
        match self {
            Self::Busy | Self::Concurrency | Self::Streams | Self::Shed | Self::Uncounted => {
                Some(Duration::from_secs(1))
            }
            _ => exceeded.wait,
        }
    }
}

impl Exceeded {
    fn again(&self) -> String {
        match self.wait.map(whole_seconds) {
            None => "This call counts as more than there ever is of it.".to_owned(),
            Some(0 | 1) => "Call again in a second.".to_owned(),
            Some(seconds) => format!("Call again in {seconds} seconds."),
        }
    }
}

/// Calls that policy has refused.
pub static REFUSED: Refused = Refused(PerCore::new());

/// Counts refusals by reason and dialect. Both are closed sets: no caller makes it grow.
#[derive(Debug)]
pub struct Refused(PerCore<Cells>);

#[derive(Debug)]
struct Cells([[AtomicU64; Dialect::ALL.len()]; Reason::ALL.len()]);

impl Default for Cells {
    fn default() -> Self {
        Self(std::array::from_fn(|_| std::array::from_fn(|_| AtomicU64::new(0))))
    }
}

impl Refused {
    /// Counts one.
    pub(super) fn count(&self, reason: Reason, dialect: Dialect) {
        self.0.mine().0[reason as usize][dialect as usize].fetch_add(1, Relaxed);
    }
}

impl Metric for Refused {
    fn render(&self, out: &mut String) {
        let name = "transom_policy_refusals_total";
        let help = "Calls that policy has refused, by the reason and the dialect of the caller.";
        Head { name, help, kind: Kind::Counter }.render(out);
        for reason in Reason::ALL {
            for dialect in Dialect::ALL {
                let of = |cells: &Cells| cells.0[reason as usize][dialect as usize].load(Relaxed);
                let mut labels = String::new();
                label(&mut labels, "reason", reason.name());
                label(&mut labels, "dialect", dialect.name());
                line(out, name, "", &labels, self.0.all().map(of).sum::<u64>());
            }
        }
    }
}
