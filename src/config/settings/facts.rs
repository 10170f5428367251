//! What sections say about one another.
//!
//! It is noted while they are read, so that it is checked whatever else is wrong with them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::Scalar;
use super::collection::Named;
use super::read::Reader;
use super::word::{listed, nearest};
use crate::config::place::{Located, Place};
use crate::config::problem::{Problem, quote};
use crate::config::schema::plain;

/// How many names a hint lists.
const MAX_LISTED: usize = 20;

#[derive(Default)]
pub(super) struct Facts {
    /// The names of upstreams that sections refer to.
    upstreams: Vec<Located<String>>,
    /// The names of policies that sections refer to.
    policies: Vec<Located<String>>,
    /// The names of plans that sections refer to.
    plans: Vec<Located<String>>,
    /// The names of issuers of tokens, and of those who know tokens, that sections refer to.
    issuers: Vec<Located<String>>,
    introspections: Vec<Located<String>>,
    /// Values that must not stand twice, by what they are, with the place of the first.
    once: HashMap<(&'static str, String), Option<Place>>,
}

impl Reader<'_> {
    /// Notes that a section refers to an upstream, for [`Self::check_upstreams`].
    pub(crate) fn refers_to_upstream(&mut self, name: &Located<String>) {
        self.facts.upstreams.push(name.clone());
    }

    /// Notes that a section refers to a policy, for [`Self::check_policies`].
    pub(crate) fn refers_to_policy(&mut self, name: &Located<String>) {
        self.facts.policies.push(name.clone());
    }

    /// Notes that a section refers to a plan, for [`Self::check_plans`].
    pub(crate) fn refers_to_plan(&mut self, name: &Located<String>) {
        self.facts.plans.push(name.clone());
    }

    /// Notes that a section refers to an issuer of tokens, for [`Self::check_tokens`].
    pub(crate) fn refers_to_issuer(&mut self, name: &Located<String>) {
        self.facts.issuers.push(name.clone());
    }

    /// The same for somebody who knows what tokens mean.
    pub(crate) fn refers_to_introspection(&mut self, name: &Located<String>) {
        self.facts.introspections.push(name.clone());
    }

    /// Reports the names that sections refer to and that no upstream has.
    pub(crate) fn check_upstreams<T>(&mut self, upstreams: &Named<T>) {
        let references = std::mem::take(&mut self.facts.upstreams);
        self.check_names("upstream", "upstreams", &upstreams.names().collect::<Vec<_>>(), &references);
    }

    /// Reports the names that sections refer to and that no policy has.
    pub(crate) fn check_policies<T>(&mut self, policies: Option<&Named<T>>) {
        let references = std::mem::take(&mut self.facts.policies);
        let hint = "Say under `policies` who may call: `policies: {NAME: {require: {any: [api_key: {}]}}}`.";
        self.check_some("policy", "policies", policies, &references, hint);
    }

    /// Reports the names that sections refer to and that no plan has.
    pub(crate) fn check_plans<T>(&mut self, plans: Option<&Named<T>>) {
        let references = std::mem::take(&mut self.facts.plans);
        let hint = "Say under `plans` how much may be called: `plans: {NAME: {rates: [100/min]}}`.";
        self.check_some("plan", "plans", plans, &references, hint);
    }

    /// Reports the names that sections refer to and that no issuer of tokens has, and nobody who knows tokens.
    pub(crate) fn check_tokens<T, U>(
        &mut self,
        issuers: Option<&Named<T>>,
        introspections: Option<&Named<U>>,
    ) {
        let references = std::mem::take(&mut self.facts.issuers);
        let hint =
            "Say who it is: `identity: {jwt: {NAME: {issuer: https://id.example, audience: [shop]}}}`.";
        self.check_some("issuer of tokens", "issuers under `identity.jwt`", issuers, &references, hint);
        let references = std::mem::take(&mut self.facts.introspections);
        let hint = "Say who it is: `identity: {introspection: {NAME: {url: https://id.example/introspect, client_id: \
                    gateway, client_secret: file:secret}}}`.";
        let all = "names under `identity.introspection`";
        self.check_some("introspection", all, introspections, &references, hint);
    }

    /// Reports the names that none has of those that there may be. `hint` is for when there is none at all.
    fn check_some<T>(
        &mut self,
        what: &str,
        all: &str,
        known: Option<&Named<T>>,
        references: &[Located<String>],
        hint: &str,
    ) {
        if let Some(known) = known {
            return self.check_names(what, all, &known.names().collect::<Vec<_>>(), references);
        }
        for name in references {
            let message = format!("There is no {what} {}.", quote(name));
            self.problems.push(Problem::error(message).at(name.place).hint(hint));
        }
    }

    fn check_names(&mut self, what: &str, all: &str, known: &[&str], references: &[Located<String>]) {
        let set: HashSet<_> = known.iter().copied().collect();
        for name in references.iter().filter(|name| !set.contains(name.as_str())) {
            let shown = listed(&known[..known.len().min(MAX_LISTED)]);
            let more = if known.len() > MAX_LISTED { ", ..." } else { "." };
            let mut hint = format!("The {all} are: {shown}{more}");
            // Comparing costs something, and what would not be kept need not be said.
            let near = if self.problems.is_full() { None } else { nearest(name, known) };
            if let Some(near) = near {
                hint = format!("Did you mean `{near}`? {hint}");
            }
            let message = format!("There is no {what} {}.", quote(name));
            self.problems.push(Problem::error(message).at(name.place).hint(hint));
        }
    }

    /// Reports a value that stands for the second time; `what` says of what kind it is.
    pub(crate) fn once<T: Scalar>(&mut self, what: &'static str, value: &Located<T>) {
        let text = plain(&value.value.to_json());
        match self.facts.once.entry((what, text)) {
            Entry::Vacant(entry) => {
                entry.insert(value.place);
            }
            Entry::Occupied(first) => {
                let message = format!("The {what} {} stands twice.", quote(&first.key().1));
                let problem = Problem::error(message).at(value.place).related(*first.get(), "first here");
                self.problems.push(problem.hint("Keep one of the two."));
            }
        }
    }
}
