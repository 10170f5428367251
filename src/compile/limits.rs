//! How much may be called: plans and the rates of policies become budgets.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use super::identity::Known;
use super::policies::header;
use super::store::Shared;
use crate::call::priority::Priority;
use crate::config::Config;
use crate::config::place::Located;
use crate::config::plan::{self, Plan, PolicyRate};
use crate::config::policy::{self as settings, Proof, Require, Use};
use crate::config::problem::{Problem, Problems};
use crate::config::service::Service;
use crate::config::settings::collection::Named;
use crate::config::value::{counted, rate};
use crate::policy::limit::asking::{Counters, Counts};
use crate::policy::limit::budget::{Allowed, Budget, ByPlan, Limits};
use crate::policy::limit::flight::Ceiling;
use crate::policy::limit::store::{Quota, Rate, Window};
use crate::policy::limit::subject::CountedBy;
use crate::policy::rule::Policy;

/// Who counts, with what was counted before.
pub(super) fn counters(config: &Config, (counts, shared): (&Counts, &Shared)) -> Counters {
    let most = config.rate_limits.max_in_flight.as_ref();
    Counters {
        store: shared.store(&counts.memory),
        calls: Arc::clone(&counts.calls),
        ceiling: most.map(|most| Ceiling::new(Arc::clone(&counts.flight), most.value)),
    }
}

/// The budgets of plans.
pub(super) struct Plans(Arc<HashMap<Box<str>, Arc<Budget>>>);

impl Plans {
    pub(super) fn of(config: &Config) -> Self {
        let plans = config.plans.iter().flat_map(|plans| plans.iter());
        let budget = |name: &str, plan: &Plan| {
            let priority = plan.priority.as_ref().map(|priority| match priority.value {
                plan::Priority::High => Priority::High,
                plan::Priority::Normal => Priority::Normal,
                plan::Priority::Low => Priority::Low,
            });
            let (rates, quotas) = (rates(&plan.rates), quotas(&plan.quotas));
            let calls = concurrency(&plan.concurrency);
            Arc::new(Budget::new("plan", name, &rates, &quotas, calls, priority.unwrap_or_default()))
        };
        Self(Arc::new(plans.map(|(name, plan)| (name.as_str().into(), budget(name, plan))).collect()))
    }

    /// What a policy lets its callers do.
    pub(super) fn limits(
        &self,
        name: &Located<String>,
        policy: &settings::Policy,
        problems: &mut Problems,
    ) -> Option<Limits> {
        let PolicyRate(rated) = policy.rate.as_ref()?;
        let allowed = match &rated.by_plan {
            Some(_) if self.0.is_empty() => {
                let text = format!("The policy {:?} goes by plans, but there are none.", name.value);
                let hint = "Say how much they let callers do: `plans: {free: {rates: [100/min]}}`.";
                problems.push(Problem::error(text).at(rated.key.place.or(name.place)).hint(hint));
                return None;
            }
            Some(by_plan) => {
                // The configuration has checked that there is such a plan.
                let default = by_plan.default.as_ref().and_then(|plan| self.0.get(plan.as_str()));
                Allowed::ByPlan(ByPlan { plans: Arc::clone(&self.0), default: default.cloned() })
            }
            None => {
                let (rates, quotas) = (rates(&rated.rates), quotas(&rated.quotas));
                let calls = concurrency(&rated.concurrency);
                let priority = Priority::default();
                Allowed::Same(Arc::new(Budget::new("policy", name, &rates, &quotas, calls, priority)))
            }
        };
        Some(Limits { counted_by: counted_by(&rated.key)?, allowed })
    }
}

pub(super) fn counted_by(key: &Located<counted::CountedBy>) -> Option<CountedBy> {
    Some(match &key.value {
        counted::CountedBy::Principal => CountedBy::Principal,
        counted::CountedBy::Owner => CountedBy::Owner,
        counted::CountedBy::Ip => CountedBy::Address,
        counted::CountedBy::Everybody => CountedBy::Everybody,
        counted::CountedBy::Claim(name) => CountedBy::Claim(name.as_str().into()),
        counted::CountedBy::Header(name) => {
            CountedBy::Header(header(&Located { value: name.as_str(), place: key.place })?)
        }
    })
}

fn rates(rates: &[Located<rate::Rate>]) -> Vec<Rate> {
    rates.iter().map(|rate| Rate { count: rate.count, period: rate.period, burst: rate.burst }).collect()
}

fn quotas(quotas: &[Located<rate::Quota>]) -> Vec<Quota> {
    let window = |window| match window {
        rate::Window::Day => Window::Day,
        rate::Window::Month => Window::Month,
    };
    quotas.iter().map(|quota| Quota { count: quota.count, window: window(quota.window) }).collect()
}

fn concurrency(calls: &Option<Located<u32>>) -> Option<NonZeroU32> {
    // The configuration has checked that it is not 0.
    calls.as_ref().and_then(|calls| NonZeroU32::new(calls.value))
}

/// How many calls one counts as.
pub(super) fn weight(used: &Use) -> NonZeroU32 {
    // The configuration has checked that it is not 0.
    NonZeroU32::new(used.weight.value).unwrap_or(NonZeroU32::MIN)
}

/// Reports weights that mean nothing, or more than there ever is.
pub(super) fn check_weights(
    service: &Service,
    policies: &HashMap<String, Arc<Policy>>,
    problems: &mut Problems,
) {
    for used in service.policy.iter().filter(|used| used.weight.value > 1) {
        let Some(policy) = policies.get(&used.name.value) else { continue };
        let weight = used.weight.value;
        let budgets: Vec<_> = match policy.limits.as_ref().map(|limits| &limits.allowed) {
            None => {
                let text =
                    format!("The policy {:?} has no rate for which a weight would count.", used.name.value);
                let problem = Problem::error(text).at(used.weight.place);
                problems.push(problem.hint("Remove the weight, or write `rate: by_plan` in the policy."));
                continue;
            }
            Some(Allowed::Same(budget)) => vec![budget],
            Some(Allowed::ByPlan(by_plan)) => by_plan.plans.values().collect(),
        };
        let too_small = budgets.iter().filter_map(|budget| Some((budget.most()?, budget.name())));
        if let Some((most, name)) = too_small.filter(|(most, _)| *most < u64::from(weight)).min() {
            let text = format!(
                "A call that counts as {weight} can never be made: of {name:?} there are {most} at once."
            );
            let problem = Problem::error(text).at(used.weight.place);
            problems.push(problem.hint(format!("Write a weight up to {most}, or a larger burst.")));
        }
    }
}

/// A caller of a file, and its plan.
pub(super) type Planned = (Located<String>, Option<Located<String>>);

/// Warns of plans that callers have and that are none, of callers without a plan who are refused, and of plans that
/// nobody has.
pub(super) fn review(config: &Config, known: &Known<'_>, problems: &mut Problems) {
    let policies = || config.policies.iter().flat_map(|policies| policies.iter());
    let by_plan =
        || policies().filter_map(|(name, policy)| Some((name, policy.rate.as_ref()?.0.by_plan.as_ref()?)));
    let Some(plans) = &config.plans else { return };
    if by_plan().next().is_none() {
        let place = plans.first().and_then(|(name, _)| name.place);
        let text = "No policy goes by plans, so that they limit nobody.";
        let hint = "Write `rate: by_plan` in the policies of callers who have plans.";
        problems.push(Problem::warning(text).at(place).hint(hint));
        return;
    }
    let certificates = certificates(config);
    warn_of_unknown(plans, known.planned.iter().chain(&certificates), problems);
    if let Some((policy, _)) = by_plan().find(|(_, by_plan)| by_plan.default.is_none()) {
        let mut without = known.planned.iter().chain(&certificates).filter(|(_, plan)| plan.is_none());
        if let Some((name, _)) = without.next() {
            let (who, are) = and_others(name, without.count());
            let text =
                format!("{who} no plan, and the policy {:?} goes by plans: {are} refused.", policy.value);
            let hint =
                "Write a plan with each of them, or one for all others: `rate: {by_plan: {default: PLAN}}`.";
            problems.push(Problem::warning(text).at(name.place).hint(hint));
        }
    }
    let defaults = by_plan().filter_map(|(_, by_plan)| by_plan.default.as_ref());
    let had = known.planned.iter().chain(&certificates).filter_map(|(_, plan)| plan.as_ref());
    let had: HashSet<_> = had.chain(defaults).map(|plan| plan.as_str()).collect();
    let proofs = || policies().filter_map(|(_, policy)| policy.require.as_ref()).flat_map(proofs);
    let is_known =
        |proof: &Proof| matches!(proof, Proof::ApiKey(_) | Proof::Basic(_) | Proof::Certificate(_));
    // What others say of plans nobody knows before they say it.
    for (name, _) in plans.iter().filter(|(name, _)| !had.contains(name.as_str()) && proofs().all(is_known)) {
        let text = format!("Nobody has the plan {:?}.", name.value);
        let hint = format!(
            "Write `plan: {}` with keys, users or certificates that are to have it, or remove it.",
            name.value
        );
        problems.push(Problem::warning(text).at(name.place).hint(hint));
    }
}

fn warn_of_unknown<'p>(
    plans: &Named<Plan>,
    planned: impl Iterator<Item = &'p Planned>,
    problems: &mut Problems,
) {
    let mut unknown: Vec<(&Located<String>, &Located<String>, usize)> = Vec::new();
    let mut positions: HashMap<&str, usize> = HashMap::new();
    for (who, plan) in planned {
        let Some(plan) = plan.as_ref().filter(|plan| plans.find(plan).is_none()) else { continue };
        let position = *positions.entry(plan.as_str()).or_insert_with(|| {
            unknown.push((who, plan, 0));
            unknown.len() - 1
        });
        unknown[position].2 += 1;
    }
    let all: Vec<_> = plans.iter().map(|(name, _)| name.as_str()).collect();
    for (who, plan, count) in unknown {
        let (who, _) = and_others(who, count - 1);
        let text = format!("{who} the plan {:?}, which is none.", plan.value);
        let hint = format!(
            "Their calls count for the default of `by_plan`, and are refused without one. The plans are: {}.",
            all.join(", ")
        );
        problems.push(Problem::warning(text).at(plan.place).hint(hint));
    }
}

/// `"acme-1" has`, `"acme-1" and 3 others have`, and whether it is or they are.
fn and_others(name: &str, others: usize) -> (String, &'static str) {
    match others {
        0 => (format!("{name:?} has"), "it is"),
        1 => (format!("{name:?} and another one have"), "they are"),
        _ => (format!("{name:?} and {others} others have"), "they are"),
    }
}

fn proofs(require: &Require) -> &[Proof] {
    match require {
        Require::Any(proofs) | Require::All(proofs) => proofs,
    }
}

/// Callers by certificates, for whom their policy stands.
fn certificates(config: &Config) -> Vec<Planned> {
    let policies = config.policies.iter().flat_map(|policies| policies.iter());
    let of = policies.flat_map(|(name, policy)| {
        let proofs = policy.require.iter().flat_map(proofs);
        proofs.filter_map(move |proof| match proof {
            Proof::Certificate(certificate) => Some((name.clone(), certificate.plan.clone())),
            _ => None,
        })
    });
    of.collect()
}
