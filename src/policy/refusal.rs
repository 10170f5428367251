//! Why a call is refused.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::call::Dialect;
use crate::status::{Code, Status};
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
}

impl Reason {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Missing,
        Self::Invalid,
        Self::Expired,
        Self::Revoked,
        Self::Several,
        Self::Busy,
        Self::Unreachable,
        Self::Forbidden,
        Self::Address,
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
        }
    }

    /// What the caller is told. `wanted` is what it has to send.
    pub(super) fn status(self, wanted: &str) -> Status {
        let (code, text) = match self {
            Self::Missing => (Code::Unauthenticated, "The call needs credentials"),
            Self::Invalid => (Code::Unauthenticated, "The credentials of the call are not valid"),
            Self::Expired => (Code::Unauthenticated, "The credentials of the call have expired"),
            Self::Revoked => (Code::Unauthenticated, "The credentials of the call were revoked"),
            Self::Several => (
                Code::Unauthenticated,
                "The call offers several credentials of one kind, of which one is to be sent",
            ),
            Self::Busy => {
                let text = "Too many credentials are being checked at the moment. Call again in a second.";
                return Status::gateway(Code::Unavailable, text);
            }
            Self::Unreachable => {
                let text = "It cannot be found out at the moment who calls, as the issuer of the credentials does not answer. Call again in a few seconds.";
                return Status::gateway(Code::Unavailable, text);
            }
            Self::Forbidden => {
                let text = "The caller is known, but may not call this: it lacks a role, scope or claim that is asked for.";
                return Status::caller(Code::PermissionDenied, text);
            }
            Self::Address => {
                let text = "This may not be called from the address of the caller.";
                return Status::caller(Code::PermissionDenied, text);
            }
        };
        Status::caller(
            code,
            if wanted.is_empty() { format!("{text}.") } else { format!("{text}. Send {wanted}.") },
        )
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
