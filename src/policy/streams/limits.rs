//! How much may pass in the streams of a caller, and how many may be open.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::call::Origin;
use crate::call::identity::Identity;
use crate::call::service::BoxFuture;
use crate::policy::limit::store::{Demand, Kind, Limit, Outcome, Rate, Store, Subject, Taken};
use crate::policy::limit::subject::CountedBy;
use crate::policy::refusal::{Exceeded, Reason};
use crate::policy::rule::Policy;

/// What a unit of a limit in bytes is. What is less is added up in each stream, so that small messages cost nobody a
/// question.
pub const UNIT: usize = 1024;

/// What bounds the streams of callers.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    /// How many may be open at a time.
    pub open: Option<Open>,
    /// How long each may be.
    pub duration: Option<Duration>,
    /// What may pass in all of them together.
    pub passing: Option<Passing>,
}

/// How many streams may be open at a time.
#[derive(Clone, Debug)]
pub struct Open {
    /// The name of the policy.
    pub name: Box<str>,
    /// What tells it from what else is counted.
    pub key: Box<str>,
    /// Whose they are.
    pub counted_by: CountedBy,
    /// How many.
    pub most: NonZeroU32,
}

/// What may pass in all streams of a caller together.
#[derive(Clone, Debug)]
pub struct Passing {
    /// Whose they are.
    pub counted_by: CountedBy,
    /// Which messages count.
    pub direction: Direction,
    /// How many messages, and how many bytes of them. Each has its own counts.
    pub flows: Vec<Arc<Flow>>,
}

/// Which messages of a stream count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Those of the caller and those that it is sent, against the same limit.
    #[default]
    Both,
    /// Those of the caller.
    Received,
    /// Those that it is sent.
    Sent,
}

impl Direction {
    pub(super) const fn has_received(self) -> bool {
        matches!(self, Self::Both | Self::Received)
    }

    pub(super) const fn has_sent(self) -> bool {
        matches!(self, Self::Both | Self::Sent)
    }
}

/// What is counted of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Each message.
    Messages,
    /// Their bytes, in units of [`UNIT`].
    Bytes,
}

/// A limit of what may pass.
#[derive(Debug)]
pub struct Flow {
    /// What is counted.
    measure: Measure,
    limit: Arc<Limit>,
    /// What callers are told, for each rate: `100/s of "chat"`.
    names: Box<[Box<str>]>,
}

impl Flow {
    /// The rates of a policy, each with how it is written.
    pub fn new(measure: Measure, policy: &str, rates: &[(Rate, String)]) -> Self {
        let kind = match measure {
            Measure::Messages => "messages",
            Measure::Bytes => "bytes",
        };
        Self {
            measure,
            limit: Arc::new(Limit {
                name: format!("{kind}:{policy}").into(),
                rates: rates.iter().map(|(rate, _)| *rate).collect(),
                quotas: Box::default(),
            }),
            names: rates.iter().map(|(_, text)| format!("{text} of {policy:?}").into()).collect(),
        }
    }

    fn exceeded(&self, outcome: &Outcome, weight: u32) -> (Reason, Exceeded) {
        let standings = outcome.standings.as_slice();
        if standings.is_empty() {
            return (Reason::Uncounted, Exceeded::default());
        }
        let met =
            standings.iter().rposition(|standing| standing.remaining < weight.into()).unwrap_or_default();
        let met = self.names.get(met).map(ToString::to_string).unwrap_or_default();
        let reason = match self.measure {
            Measure::Messages => Reason::Messages,
            Measure::Bytes => Reason::Bytes,
        };
        (reason, Exceeded { met, wait: outcome.wait })
    }
}

/// Why a stream ends, and by which policy.
pub(super) struct Over {
    pub(super) policy: Arc<Policy>,
    pub(super) reason: Reason,
    pub(super) exceeded: Exceeded,
}

/// Takes the messages of one direction of a stream from the limits that hold for it.
#[derive(Default)]
pub(super) struct Meter {
    claims: Vec<Claim>,
    /// The claim that is asked, and its answer if that has to be waited for.
    at: usize,
    weight: u32,
    waiting: Option<BoxFuture<Outcome>>,
}

struct Claim {
    policy: Arc<Policy>,
    flow: Arc<Flow>,
    store: Arc<dyn Store>,
    kind: Kind,
    text: Box<[u8]>,
    /// Bytes that have passed and are less than a unit.
    rest: usize,
}

impl Claim {
    /// How much a message counts as.
    fn weight(&mut self, bytes: usize) -> Option<NonZeroU32> {
        match self.flow.measure {
            Measure::Messages => Some(NonZeroU32::MIN),
            Measure::Bytes => {
                let sum = self.rest.saturating_add(bytes);
                self.rest = sum % UNIT;
                NonZeroU32::new(u32::try_from(sum / UNIT).unwrap_or(u32::MAX))
            }
        }
    }
}

impl Meter {
    /// Adds what a policy says, for who calls.
    pub(super) fn add(
        &mut self,
        policy: &Arc<Policy>,
        passing: &Passing,
        origin: &Origin,
        identity: Option<&Identity>,
        store: &Arc<dyn Store>,
    ) {
        let (kind, text) = passing.counted_by.find(origin, identity);
        let text: Box<[u8]> = text.of(kind).text.into();
        for flow in &passing.flows {
            self.claims.push(Claim {
                policy: Arc::clone(policy),
                flow: Arc::clone(flow),
                store: Arc::clone(store),
                kind,
                text: text.clone(),
                rest: 0,
            });
        }
    }

    /// Whether nothing is counted.
    pub(super) const fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// Takes a message of so many bytes. Once that has begun it is to be asked until it is decided.
    pub(super) fn poll_take(&mut self, cx: &mut Context<'_>, bytes: usize) -> Poll<Result<(), Over>> {
        while let Some(claim) = self.claims.get_mut(self.at) {
            let outcome = match &mut self.waiting {
                Some(waiting) => {
                    let outcome = ready!(waiting.as_mut().poll(cx));
                    self.waiting = None;
                    outcome
                }
                None => {
                    let Some(weight) = claim.weight(bytes) else {
                        self.at += 1;
                        continue;
                    };
                    self.weight = weight.get();
                    let subject = Subject { kind: claim.kind, text: &claim.text };
                    match claim.store.take(&Demand { limit: &claim.flow.limit, subject, weight }) {
                        Taken::Now(outcome) => outcome,
                        Taken::Later(outcome) => {
                            self.waiting = Some(outcome);
                            continue;
                        }
                    }
                }
            };
            if !outcome.is_admitted {
                let (reason, exceeded) = claim.flow.exceeded(&outcome, self.weight);
                return Poll::Ready(Err(Over { policy: Arc::clone(&claim.policy), reason, exceeded }));
            }
            self.at += 1;
        }
        self.at = 0;
        Poll::Ready(Ok(()))
    }
}
