//! `plans`, `rate_limits`, and the `rate` of a policy: how much may be called

use std::collections::HashSet;
use std::hash::Hash;

use serde_json::{Value as Json, json};

use super::node::{Node, Value};
use super::place::{Located, Place};
use super::problem::Problem;
use super::schema::Schemas;
use super::settings::Setting;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::store::{OnStoreError, Store};
use super::value::counted::CountedBy;
use super::value::rate::{Quota, Rate};

/// How many rates and quotas are counted together.
const MAX_COUNTERS: usize = 8;

settings! {
    /// How much callers of a plan may call. A key, a user or a certificate says of which plan it is.
    pub struct Plan {
        /// How often: `100/min` lets 100 come at once and then one in each 0.6 seconds, `10/s burst 20` lets 20 come at
        /// once. All of them hold.
        rates: Vec<Located<Rate>> = Vec::new(),
        /// How much from the beginning of a day or a month to its end, in UTC: `10000/day`. All of them hold.
        quotas: Vec<Located<Quota>> = Vec::new(),
        /// How many calls at a time.
        concurrency: Option<Located<u32>> = None => 1..=1_000_000,
        /// Whose calls are refused first when there are too many of all callers: see `rate_limits`.
        priority: Option<Located<Priority>> = None,
    }
    check check(rates, quotas, concurrency, priority)
    example "Write `NAME: {rates: [100/min]}`."
}

settings! {
    /// Whose calls are refused first when there are too many of all callers.
    pub enum Priority {
        /// Those that may go on until all places are taken.
        "high" => High,
        /// Those that may while a tenth of the places is free.
        "normal" => Normal,
        /// Those that may while a fifth of the places is free.
        "low" => Low,
    }
}

settings! {
    /// How calls are counted.
    pub struct RateLimits default {
        /// How many calls may go on at a time in this process, those of all callers together. Callers whose plan has the
        /// priority low are refused from 80 % of it on, normal ones from 90 % on. As many as there come without this.
        max_in_flight: Option<Located<u32>> = None => 1..=10_000_000,
        /// Where rates and quotas are counted: in the `memory` of this process, or in Redis, so that several count as
        /// one. Calls at a time are always counted in this process.
        store: Store = Store::Memory,
        /// What happens to calls while the store does not answer: `local` counts them in this process alone, `deny`
        /// refuses them with UNAVAILABLE, which is 503 in HTTP.
        on_store_error: Located<OnStoreError> = OnStoreError::Local.into(),
    }
}

/// How much the callers of a policy may call: `by_plan`, or a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyRate(pub Rated);

settings! {
    /// How much the callers of a policy may call: as their plan says, or as it is said here.
    pub struct Rated {
        /// As the plan of the caller says. All policies that go by plans count together.
        by_plan: Option<ByPlan> = None,
        /// What calls are counted by: `principal` is the key, user or certificate that was shown, `owner` whom that
        /// belongs to, `ip` the address (of IPv6 its network of 64 bits), `claim NAME` a claim of the caller, `header
        /// NAME` a header, which callers may write as they like, and `everybody` counts all of them together.
        key: Located<CountedBy> = CountedBy::Principal.into(),
        /// How often. All of them hold.
        rates: Vec<Located<Rate>> = Vec::new(),
        /// How much in a day or a month, in UTC. All of them hold.
        quotas: Vec<Located<Quota>> = Vec::new(),
        /// How many calls at a time.
        concurrency: Option<Located<u32>> = None => 1..=1_000_000,
    }
    check check(by_plan, rates, quotas, concurrency)
    example EXAMPLE
}

const EXAMPLE: &str = "Write `rate: by_plan`, or `rate: {key: ip, rates: [10/s burst 20]}`.";

settings! {
    /// By the plan of the caller.
    pub struct ByPlan default {
        /// The plan of callers who have none, or one that is not known here. Without it, they are refused.
        default: Option<Located<String>> = None,
    }
    check check(default)
}

impl Setting for PolicyRate {
    const WHAT: &'static str = "`by_plan` or a mapping of limits";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        if !matches!(node.value, Value::Text(_)) {
            return Rated::read(node, reader).map(Self);
        }
        let text = reader.text(node, Self::WHAT)?;
        if text != "by_plan" {
            let text = format!("{} is neither `by_plan` nor a mapping of limits.", reader.path());
            return reader.error(Problem::error(text).at(node.place).hint(EXAMPLE));
        }
        Some(Self(Rated {
            by_plan: Some(ByPlan::default()),
            key: Located::new(CountedBy::Principal, node.place),
            rates: Vec::new(),
            quotas: Vec::new(),
            concurrency: None,
        }))
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({ "anyOf": [{ "const": "by_plan" }, Rated::schema(schemas)] })
    }

    fn written(&self) -> Option<Json> {
        self.0.written()
    }
}

impl Plan {
    fn check(
        reader: &mut Reader<'_>,
        rates: Option<&Vec<Located<Rate>>>,
        quotas: Option<&Vec<Located<Quota>>>,
        concurrency: Option<&Option<Located<u32>>>,
        priority: Option<&Option<Located<Priority>>>,
    ) {
        let (Some(rates), Some(quotas)) = (rates, quotas) else { return };
        check_counters(reader, rates, quotas);
        if rates.is_empty() && quotas.is_empty() && concurrency == Some(&None) && priority == Some(&None) {
            let text = format!("{} limits nothing.", reader.path());
            let hint = "Write `rates: [100/min]`. For callers without a limit write `priority: normal`.";
            let _: Option<()> = reader.error(Problem::error(text).hint(hint));
        }
    }
}

impl Rated {
    fn check(
        reader: &mut Reader<'_>,
        by_plan: Option<&Option<ByPlan>>,
        rates: Option<&Vec<Located<Rate>>>,
        quotas: Option<&Vec<Located<Quota>>>,
        concurrency: Option<&Option<Located<u32>>>,
    ) {
        let (Some(by_plan), Some(rates), Some(quotas), Some(concurrency)) =
            (by_plan, rates, quotas, concurrency)
        else {
            return;
        };
        check_counters(reader, rates, quotas);
        let own = rates.first().map(|rate| rate.place);
        let own = own.or_else(|| quotas.first().map(|quota| quota.place));
        let own = own.or_else(|| concurrency.as_ref().map(|calls| calls.place));
        match (by_plan, own) {
            (Some(_), Some(place)) => {
                let text = format!("{} goes by plans and has limits of its own.", reader.path());
                let hint =
                    "Write the limits in the plans, or in a policy of their own that holds beside this one.";
                let _: Option<()> = reader.error(Problem::error(text).at(place).hint(hint));
            }
            (None, None) => {
                let text = format!("{} limits nothing.", reader.path());
                let _: Option<()> = reader.error(Problem::error(text).hint(EXAMPLE));
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
    }

    /// Where it asks for something that only a caller has who is known.
    pub fn needs_identity(&self) -> Option<Option<Place>> {
        (self.by_plan.is_some() || self.key.needs_identity()).then_some(self.key.place)
    }
}

impl ByPlan {
    fn check(reader: &mut Reader<'_>, default: Option<&Option<Located<String>>>) {
        if let Some(Some(plan)) = default {
            reader.refers_to_plan(plan);
        }
    }
}

/// Reports what of rates alone could not be counted.
pub(super) fn check_rates<R: Copy + Eq + Hash>(reader: &mut Reader<'_>, rates: &[Located<R>]) {
    twice(reader, rates, |rate| *rate, "rate");
    if rates.len() > MAX_COUNTERS {
        let text = format!("{} has more than {MAX_COUNTERS} rates of a kind.", reader.path());
        let problem = Problem::error(text).at(rates.last().and_then(|rate| rate.place));
        let _: Option<()> =
            reader.error(problem.hint("Keep those that matter: two or three do in most cases."));
    }
}

/// Reports what could not be counted.
fn check_counters(reader: &mut Reader<'_>, rates: &[Located<Rate>], quotas: &[Located<Quota>]) {
    // Of the same rate or window the smaller one alone would matter.
    twice(reader, rates, |rate| *rate, "rate");
    twice(reader, quotas, |quota| quota.window, "quota of this window");
    if rates.len() + quotas.len() > MAX_COUNTERS {
        let text = format!("{} has more than {MAX_COUNTERS} rates and quotas.", reader.path());
        let place = rates.iter().map(|rate| rate.place).chain(quotas.iter().map(|quota| quota.place)).last();
        let problem = Problem::error(text).at(place.flatten());
        let _: Option<()> =
            reader.error(problem.hint("Keep those that matter: two or three do in most cases."));
    }
}

fn twice<T, K: Eq + Hash>(reader: &mut Reader<'_>, all: &[Located<T>], key: impl Fn(&T) -> K, what: &str) {
    let mut seen = HashSet::new();
    for one in all {
        if !seen.insert(key(&one.value)) {
            let text = format!("{} has the same {what} twice.", reader.path());
            let _: Option<()> = reader.error(Problem::error(text).at(one.place).hint("Keep one of the two."));
        }
    }
}
