//! What breaks for callers when one generation follows another because descriptors have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::live::Live;
use crate::schema::Schema;
use crate::schema::diff::{Breaks, Change, diff};
use crate::schema::rule::HttpRule;
use crate::snapshot::surface::Surface;
use crate::snapshot::{Endpoint, Snapshot};

/// A generation, as far as it is compared.
#[derive(Clone, Copy, Debug)]
pub struct Generation<'a> {
    /// What is served.
    pub snapshot: &'a Snapshot,
    /// Its upstreams.
    pub live: &'a Live,
}

/// What breaks for callers of what `old` serves when `new` takes its place, by change of descriptors alone: what the
/// configuration takes away is meant so. Where descriptors are not known now, nothing is said.
pub fn breaking(old: Generation<'_>, new: Generation<'_>) -> Vec<Change> {
    // By version, as each has routes of its own.
    let mut pairs: BTreeMap<(*const Schema, *const Schema, Option<&str>), Pair<'_>> = BTreeMap::new();
    for own in old.snapshot.methods() {
        let endpoint = &own.endpoint;
        // What it is made of is compared itself, and how it is put together is configured.
        if !endpoint.parts.is_empty() {
            continue;
        }
        let Some(schema) = successor(endpoint, old, new) else { continue };
        if Arc::ptr_eq(schema, &endpoint.schema) {
            continue;
        }
        let key = (Arc::as_ptr(&endpoint.schema), Arc::as_ptr(schema), endpoint.version.as_deref());
        let pair = pairs.entry(key).or_insert((&endpoint.schema, schema, BTreeSet::new()));
        pair.2.insert(&endpoint.full_name);
    }
    let mut changes = Vec::new();
    for ((_, _, version), (old_schema, new_schema, methods)) in pairs {
        changes.extend(diff(old_schema, new_schema, methods.iter().copied()));
        for name in methods {
            let surface = surface(version, new);
            changes.extend(
                surface.into_iter().flat_map(|surface| lost_rules(name, old_schema, new_schema, surface)),
            );
        }
    }
    changes.sort();
    changes.dedup();
    changes
}

/// Two schemas and the methods in use that both should have.
type Pair<'a> = (&'a Schema, &'a Schema, BTreeSet<&'a str>);

/// What requests for a version can reach from now on. Another version is another contract, and one that is not there any
/// more was taken away.
fn surface<'a>(version: Option<&str>, new: Generation<'a>) -> Option<&'a Surface> {
    match version {
        Some(version) => new.snapshot.version(version).map(|version| &*version.surface),
        None => Some(&new.snapshot.surface),
    }
}

/// The schema that describes an endpoint from now on, if one does that should.
fn successor<'a>(endpoint: &Endpoint, old: Generation<'_>, new: Generation<'a>) -> Option<&'a Arc<Schema>> {
    let surface = surface(endpoint.version.as_deref(), new)?;
    if let Some(same) = surface.methods.get(&endpoint.full_name) {
        return Some(&same.endpoint.schema);
    }
    // A method that another one has answered for is not the upstream's to take away.
    let is_own = old.live.schema(&endpoint.upstream)?.method(&endpoint.full_name).is_some();
    let schema = match is_own {
        true => new.live.schema(&endpoint.upstream)?,
        false => &surface.services.find(endpoint.service())?.schema,
    };
    // It is there and not exposed any more, as somebody has configured.
    schema.method(&endpoint.full_name).is_none().then_some(schema)
}

/// The routes of a method's annotations that are nobody's any more.
fn lost_rules(name: &str, old: &Schema, new: &Schema, surface: &Surface) -> Vec<Change> {
    let (Some((_, old)), Some((_, new))) = (old.method(name), new.method(name)) else { return Vec::new() };
    let rules = |rule: Option<&HttpRule>| -> BTreeSet<(String, String)> {
        let all = rule.into_iter().flat_map(|rule| std::iter::once(rule).chain(&rule.additional_bindings));
        let all = all.filter_map(HttpRule::verb_and_template);
        all.map(|(verb, template)| (verb.to_owned(), template.to_owned())).collect()
    };
    let (service, method) = name.split_once('/').unwrap_or((name, ""));
    let served = |verb: &str, template: &str| {
        surface.routes.routes().iter().any(|route| {
            route.method() == verb
                && route.template().as_str() == template
                && route.target().route().is_some_and(|route| route.endpoint.full_name == name)
        })
    };
    let lost = rules(old.rule()).difference(&rules(new.rule())).cloned().collect::<Vec<_>>();
    lost.into_iter()
        .filter(|(verb, template)| !served(verb, template))
        .map(|(verb, template)| Change {
            element: service.to_owned(),
            member: method.to_owned(),
            old: format!("reached by {verb} {template}"),
            new: "not reached by it".to_owned(),
            breaks: Breaks::Json,
            effect: "callers of this route get 404",
        })
        .collect()
}
