//! What the calls of an upstream have in common that go to the same target, as far as its methods decide it.

use std::sync::Arc;

use super::services::{Exposed, Subject};
use super::upstreams::Upstream;
use crate::call::service::CallService;
use crate::codec::field_path::FieldPath;
use crate::config::failing::{Balance, Common, Hashed};
use crate::config::place::Located;
use crate::config::problem::{Problem, Problems};
use crate::config::value::name::MAX_FIELD_NAMES;
use crate::config::{Config, upstream};
use crate::schema::Schema;
use crate::schema::message::{Cardinality, Field, Kind};

/// How many methods a warning names.
const NAMED: usize = 5;

/// What calls have in common, by upstream.
pub(super) struct Commons<'c> {
    upstreams: Vec<One<'c>>,
}

struct One<'c> {
    name: &'c str,
    hashed: Option<&'c Hashed>,
    /// The methods whose requests do not have it.
    without: Vec<String>,
}

impl<'c> Commons<'c> {
    pub(super) fn of(config: &'c Config) -> Self {
        let one = |(name, upstream): &'c (Located<String>, upstream::Upstream)| {
            let hashed = match &upstream.balance {
                Balance::Common(Common::ConsistentHash(hashed)) => Some(hashed),
                Balance::Plain(_) => None,
            };
            One { name: name.as_str(), hashed, without: Vec::new() }
        };
        Self { upstreams: config.upstreams.iter().map(one).collect() }
    }

    /// Whether calls have something in common that only the headers of the caller tell.
    pub(super) fn need_headers(&self) -> bool {
        let hashed = self.upstreams.iter().filter_map(|one| one.hashed);
        hashed.into_iter().any(|hashed| matches!(hashed, Hashed::Header(_) | Hashed::Cookie(_)))
    }

    /// What answers a method of an upstream, which has this position.
    pub(super) fn answers(
        &mut self,
        position: usize,
        upstream: &Upstream,
        subject: &Subject<'_>,
    ) -> Arc<dyn CallService> {
        let one = self.upstreams.get_mut(position);
        if let Some(One { hashed: Some(Hashed::Field(names)), without, .. }) = one {
            if let Some(numbers) = numbers(subject, names) {
                return Arc::new(upstream.channel.by_field(numbers));
            }
            let Subject { schema, service, method } = *subject;
            without.push(format!("{}/{}", schema.text(service.name()), schema.text(method.name())));
        }
        Arc::clone(&upstream.service)
    }

    /// Warns of methods whose calls are balanced as if nothing were said.
    pub(super) fn review(&self, problems: &mut Problems) {
        for one in &self.upstreams {
            let Some(hashed @ Hashed::Field(names)) = one.hashed.filter(|_| !one.without.is_empty()) else {
                continue;
            };
            let text = format!(
                "The upstream `{}` balances calls by the field `{}` of the request, which is not there as a single value, \
                 or not before the call begins, in {}. Their calls go where fewer are in flight.",
                one.name,
                &***names,
                listed(one.without.iter().map(String::as_str))
            );
            let hint =
                "Name a field that all requests have, or expose those methods from an upstream of their own.";
            problems.push(Problem::warning(text).at(hashed.place()).hint(hint));
        }
    }

    /// Warns of methods for which nobody finds out who calls, where calls are balanced by that.
    pub(super) fn review_claims(&self, exposed: &[Exposed<'_>], problems: &mut Problems) {
        for one in &self.upstreams {
            let Some(hashed @ Hashed::Claim(name)) = one.hashed else { continue };
            let open = exposed.iter().filter(|exposed| {
                exposed.endpoint.upstream == one.name && exposed.endpoint.policies.is_empty()
            });
            let open: Vec<_> = open.map(|exposed| exposed.endpoint.full_name.as_str()).collect();
            if open.is_empty() {
                continue;
            }
            let text = format!(
                "The upstream `{}` balances calls by the claim `{}` of the caller, whom no policy knows in {}. Their calls go \
                 where fewer are in flight.",
                one.name,
                name.as_str(),
                listed(open.into_iter())
            );
            let hint = "Require with a policy that callers show who they are.";
            problems.push(Problem::warning(text).at(hashed.place()).hint(hint));
        }
    }
}

/// Some names, and how many more there are.
fn listed<'n>(names: impl ExactSizeIterator<Item = &'n str>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut names: Vec<_> = names.take(NAMED).map(str::to_owned).collect();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

/// The numbers of the fields that lead to a single value in the request of a method that takes one message.
fn numbers(subject: &Subject<'_>, names: &str) -> Option<Arc<[u32]>> {
    let Subject { schema, method, .. } = *subject;
    if method.client_streaming() {
        return None;
    }
    let schema: &Schema = schema;
    let path = FieldPath::resolve(schema, method.input(), names, MAX_FIELD_NAMES).ok()?;
    let leaf = path.leaf(schema);
    let fields = path.steps().iter().map(|&(message, position)| &schema.message(message).fields()[position]);
    let is_read =
        |field: &Field| matches!(field.cardinality(), Cardinality::Singular(_)) && !field.is_delimited();
    if matches!(leaf.kind(), Kind::Message(_)) || !fields.clone().all(is_read) {
        return None;
    }
    Some(fields.map(Field::number).collect())
}
