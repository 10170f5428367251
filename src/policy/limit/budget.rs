//! What a plan or a policy lets callers do, and what they are told of it.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;

use super::store::{Limit, Outcome, Quota, Rate, Window};
use super::subject::CountedBy;
use crate::call::identity::Identity;
use crate::call::priority::Priority;
use crate::call::told::RateLimit;

/// How much may be called.
#[derive(Debug)]
pub struct Budget {
    /// The rates and quotas; absent without any. Their name is that of the budget where others count too.
    pub limit: Option<Arc<Limit>>,
    /// How many calls at a time.
    pub concurrency: Option<NonZeroU32>,
    /// Whose calls are refused first.
    pub priority: Priority,
    /// What it is called here, so that a plan and a policy of one name count apart.
    key: Box<str>,
    /// The name that callers are told.
    name: Box<str>,
    /// What stands in `RateLimit` before each number, in the order of the rates and quotas.
    items: Box<[Box<str>]>,
    /// The value of `RateLimit-Policy`.
    policy: HeaderValue,
}

impl Budget {
    /// A budget of the kind `plan` or `policy`, with a name of letters, digits, `-`, `_` and `.`.
    pub fn new(
        kind: &str,
        name: &str,
        rates: &[Rate],
        quotas: &[Quota],
        concurrency: Option<NonZeroU32>,
        priority: Priority,
    ) -> Self {
        let named = rates.iter().map(rate_name).chain(quotas.iter().map(quota_name));
        let items: Box<[Box<str>]> = named.map(|counter| format!("\"{name}-{counter}\"").into()).collect();
        let terms = rates.iter().map(rate_terms).chain(quotas.iter().map(quota_terms));
        let policy: Vec<_> = items.iter().zip(terms).map(|(item, terms)| format!("{item}{terms}")).collect();
        let key: Box<str> = format!("{kind}:{name}").into();
        let is_counted = !items.is_empty();
        let limit = || Limit { name: key.clone(), rates: rates.into(), quotas: quotas.into() };
        Self {
            limit: is_counted.then(|| Arc::new(limit())),
            concurrency,
            priority,
            key: key.clone(),
            name: name.into(),
            items,
            policy: value(policy.join(", ")),
        }
    }

    /// What it is called among all budgets.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// The name that callers are told.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The most that a single call may count as; absent if there is no bound.
    pub fn most(&self) -> Option<u64> {
        let limit = self.limit.as_ref()?;
        let bursts = limit.rates.iter().map(|rate| u64::from(rate.burst.get()));
        bursts.chain(limit.quotas.iter().map(|quota| quota.count.get())).min()
    }

    /// What the caller is told of where it stands (draft-ietf-httpapi-ratelimit-headers): the names of the rates and
    /// quotas, how much is left of each, and after how many seconds there is all of it again.
    pub(super) fn told(&self, outcome: &Outcome) -> Option<RateLimit> {
        let standings = outcome.standings.as_slice();
        if standings.is_empty() {
            return None;
        }
        let mut state = Vec::with_capacity(48 * standings.len());
        for (item, standing) in self.items.iter().zip(standings) {
            if !state.is_empty() {
                state.extend_from_slice(b", ");
            }
            state.extend_from_slice(item.as_bytes());
            state.extend_from_slice(b";r=");
            push_number(standing.remaining, &mut state);
            state.extend_from_slice(b";t=");
            push_number(whole_seconds(standing.reset), &mut state);
        }
        Some(RateLimit { policy: self.policy.clone(), state: value(state) })
    }

    /// What of it a call of this weight has met, in words, and whether that is a quota.
    pub(super) fn met(&self, outcome: &Outcome, weight: u32) -> (String, bool) {
        let Some(limit) = &self.limit else { return (String::new(), false) };
        let standings = outcome.standings.as_slice();
        // A quota takes longer than a rate, so that it says more.
        let met =
            standings.iter().rposition(|standing| standing.remaining < weight.into()).unwrap_or_default();
        match met.checked_sub(limit.rates.len()).and_then(|at| limit.quotas.get(at)) {
            Some(quota) => (format!("{} of {:?}", quota_name(quota), self.name), true),
            None => {
                let rate = limit.rates.get(met).map(rate_name).unwrap_or_default();
                (format!("{rate} of {:?}", self.name), false)
            }
        }
    }
}

/// The seconds that a time takes, counted up: whoever waits that long has waited long enough.
pub fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Appends a number in digits.
fn push_number(number: u64, text: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[at..]);
}

fn value(text: impl Into<Bytes>) -> HeaderValue {
    HeaderValue::from_maybe_shared(text.into()).expect("names and digits are visible ASCII")
}

/// `100/min`, `10/s burst 20`
fn rate_name(rate: &Rate) -> String {
    let period = match rate.period.as_secs() {
        1 => "s".to_owned(),
        60 => "min".to_owned(),
        3600 => "h".to_owned(),
        86_400 => "day".to_owned(),
        seconds => format!("{seconds}s"),
    };
    let burst = if rate.burst == rate.count { String::new() } else { format!(" burst {}", rate.burst) };
    format!("{}/{period}{burst}", rate.count)
}

fn quota_name(quota: &Quota) -> String {
    let window = match quota.window {
        Window::Day => "day",
        Window::Month => "month",
    };
    format!("{}/{window}", quota.count)
}

/// The burst, and how long it takes until all of it is there: the same rate in the terms of the draft, in which nobody
/// has more left than the quota.
fn rate_terms(rate: &Rate) -> String {
    let refill = rate.period.saturating_mul(rate.burst.get()) / rate.count.get();
    format!(";q={};w={}", rate.burst, whole_seconds(refill))
}

fn quota_terms(quota: &Quota) -> String {
    match quota.window {
        Window::Day => format!(";q={};w=86400", quota.count),
        // Months are not of one length.
        Window::Month => format!(";q={}", quota.count),
    }
}

/// What a policy lets callers do.
#[derive(Clone, Debug)]
pub struct Limits {
    /// By what it counts.
    pub counted_by: CountedBy,
    /// How much.
    pub allowed: Allowed,
}

/// How much callers may do.
#[derive(Clone, Debug)]
pub enum Allowed {
    /// The same for each.
    Same(Arc<Budget>),
    /// What their plan says.
    ByPlan(ByPlan),
}

/// Budgets by plan.
#[derive(Clone, Debug)]
pub struct ByPlan {
    /// All plans.
    pub plans: Arc<HashMap<Box<str>, Arc<Budget>>>,
    /// For who has none that is known. Without it they may not call.
    pub default: Option<Arc<Budget>>,
}

impl Limits {
    /// What a caller may do; `None` if it has no plan that is known.
    pub(super) fn budget(&self, identity: Option<&Identity>) -> Option<&Arc<Budget>> {
        match &self.allowed {
            Allowed::Same(budget) => Some(budget),
            Allowed::ByPlan(ByPlan { plans, default }) => {
                let plan = identity.and_then(|identity| identity.plan.as_deref());
                plan.and_then(|plan| plans.get(plan)).or(default.as_ref())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::super::store::{Standing, Standings};
    use super::*;

    fn rate(count: u32, seconds: u64, burst: u32) -> Rate {
        let number = |number| NonZeroU32::new(number).unwrap();
        Rate { count: number(count), period: Duration::from_secs(seconds), burst: number(burst) }
    }

    fn quota(count: u64, window: Window) -> Quota {
        Quota { count: NonZeroU64::new(count).unwrap(), window }
    }

    fn outcome(standings: &[(u64, u64)]) -> Outcome {
        let mut all = Standings::default();
        for (remaining, millis) in standings {
            all.push(Standing { remaining: *remaining, reset: Duration::from_millis(*millis) });
        }
        Outcome { is_admitted: false, wait: None, standings: all }
    }

    /// The fields are lists of structured fields (RFC 9651): strings with parameters that are whole numbers.
    #[test]
    fn fields_name_each_rate() {
        let rates = [rate(1000, 60, 1000), rate(50, 1, 50)];
        let pro = Budget::new("plan", "pro", &rates, &[], None, Priority::Normal);
        let told = pro.told(&outcome(&[(999, 60), (0, 1000)])).unwrap();
        assert_eq!(told.policy, "\"pro-1000/min\";q=1000;w=60, \"pro-50/s\";q=50;w=1");
        assert_eq!(told.state, "\"pro-1000/min\";r=999;t=1, \"pro-50/s\";r=0;t=1");
        assert_eq!(pro.told(&outcome(&[])), None);

        let quotas = [quota(10_000, Window::Day), quota(100_000, Window::Month)];
        let free = Budget::new("policy", "a.b-c_d", &[rate(10, 1, 25)], &quotas, None, Priority::Normal);
        let told =
            free.told(&outcome(&[(25, 0), (9_999, 86_399_001), (18_446_744_073_709_551_615, 0)])).unwrap();
        assert_eq!(
            told.policy,
            "\"a.b-c_d-10/s burst 25\";q=25;w=3, \"a.b-c_d-10000/day\";q=10000;w=86400, \
             \"a.b-c_d-100000/month\";q=100000"
        );
        assert_eq!(
            told.state,
            "\"a.b-c_d-10/s burst 25\";r=25;t=0, \"a.b-c_d-10000/day\";r=9999;t=86400, \
             \"a.b-c_d-100000/month\";r=18446744073709551615;t=0"
        );
        assert_eq!(
            free.met(&outcome(&[(0, 1), (5, 0), (5, 0)]), 1),
            ("10/s burst 25 of \"a.b-c_d\"".into(), false)
        );
        assert_eq!(
            free.met(&outcome(&[(0, 1), (0, 1), (5, 0)]), 1),
            ("10000/day of \"a.b-c_d\"".into(), true)
        );
        assert_eq!(
            free.met(&outcome(&[(9, 1), (9, 1), (5, 0)]), 6),
            ("100000/month of \"a.b-c_d\"".into(), true)
        );
        assert_eq!((pro.most(), free.most()), (Some(50), Some(25)));
        assert_eq!(&*free.limit.as_ref().unwrap().name, "policy:a.b-c_d");
    }
}
