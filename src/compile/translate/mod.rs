//! Translated services become methods: the messages of the service that callers know are held against those of the one
//! that answers, and tables are made of it by which each becomes the other.

use std::collections::HashSet;
use std::sync::Arc;

use super::aggregate::method_place;
use super::aggregate::request::among;
use super::common::Commons;
use super::descriptors::Catalogue;
use super::policies::Policies;
use super::services::{Exposed, Sought, Subject, endpoint, settings_of};
use super::upstreams::Upstream;
use super::versions::Assignment;
use crate::call;
use crate::call::meters::CLIENT;
use crate::call::service::CallService;
use crate::compose::translate::names::{Names, Renaming};
use crate::compose::translate::service::{self, Side, Translated};
use crate::compose::translate::table::Tables;
use crate::config::Config;
use crate::config::place::Place;
use crate::config::problem::{Problem, Problems};
use crate::config::service::Service as Settings;
use crate::config::translation::Translation;
use crate::schema::Schema;
use crate::schema::method::Method;

mod draft;
mod emit;
mod enums;
mod fit;
mod loss;
mod masks;
mod oneofs;
mod written;

use draft::{Drafts, Way};

/// What translated services are made of.
pub(super) struct Interpreter<'k, 'c> {
    pub(super) config: &'c Config,
    pub(super) policies: &'k Policies,
    pub(super) upstreams: &'k [Upstream],
    pub(super) catalogue: &'k Catalogue,
    pub(super) versions: &'k Assignment<'c>,
    /// Whether the descriptors of all upstreams are there.
    pub(super) is_complete: bool,
}

/// The service that answers.
struct Answering {
    schema: Arc<Schema>,
    /// The position of its upstream; absent where it is translated itself.
    upstream: Option<usize>,
}

/// A method and the one that answers for it.
struct Pair<'s> {
    own: &'s Method,
    other: &'s Method,
}

/// A translation whose services are known.
struct Found<'c> {
    translation: &'c Translation,
    settings: &'c Settings,
    schema: Arc<Schema>,
    /// The position of what describes it.
    described: usize,
    answering: Answering,
}

impl<'c> Interpreter<'_, 'c> {
    /// Adds the methods of translated services. One that is answered by another of them comes behind it.
    pub(super) fn expose(&self, exposed: &mut Vec<Exposed<'c>>, problems: &mut Problems) {
        let mut open: Vec<_> = self.config.translations.iter().enumerate().collect();
        while !open.is_empty() {
            let waits = |translation: &Translation| {
                open.iter().any(|(_, other)| *other.service.value == *translation.by.value)
            };
            let (waiting, due): (Vec<_>, Vec<_>) =
                open.iter().copied().partition(|(_, translation)| waits(translation));
            if due.is_empty() {
                let (_, first) = waiting[0];
                let text = format!("The service {} answers for itself in the end.", first.service.value);
                let hint = "Name a service of an upstream in `by` of one of these translations.";
                problems.push(Problem::error(text).at(first.by.place).hint(hint));
                return;
            }
            for (position, translation) in due {
                let found = self.find(position, translation, exposed, problems);
                if let Some(found) = found {
                    self.service(&found, exposed, problems);
                }
            }
            open = waiting;
        }
    }

    /// The services of a translation; nothing if one is missing, which has been said then.
    fn find(
        &self,
        position: usize,
        translation: &'c Translation,
        exposed: &[Exposed<'c>],
        problems: &mut Problems,
    ) -> Option<Found<'c>> {
        let answering = self.answering(translation, exposed, problems);
        let service = &translation.service;
        let described = self.catalogue.translated(position);
        let schema = described.and_then(|described| self.catalogue.schema_of(described));
        let schema = schema.filter(|schema| schema.service(&service.value).is_some());
        let settings = settings_of(self.config, &service.value);
        if schema.is_none() && self.is_complete {
            let text = format!("No descriptors define the service {}.", service.value);
            let hint =
                "Name them here: `descriptors: [{set: FILE}]`, or `protos` with `include` and `files`.";
            problems.push(Problem::error(text).at(service.place).hint(hint));
        }
        if settings.is_none() {
            let text =
                format!("Nobody can call the service {}, as no pattern of `services` fits.", service.value);
            let hint = format!("Add `{}` to `services`.", service.value);
            problems.push(Problem::error(text).at(service.place).hint(hint));
        }
        Some(Found {
            translation,
            settings: settings?.1,
            schema: Arc::clone(schema?),
            described: described?,
            answering: answering?,
        })
    }

    fn answering(
        &self,
        translation: &Translation,
        exposed: &[Exposed<'_>],
        problems: &mut Problems,
    ) -> Option<Answering> {
        let by = &translation.by;
        if self.config.translations.iter().any(|other| *other.service.value == *by.value) {
            // What is wrong with that one has been said.
            let other = exposed.iter().find(|exposed| exposed.service() == &*by.value)?;
            return Some(Answering { schema: Arc::clone(&other.endpoint.schema), upstream: None });
        }
        let defines = |upstream: usize| {
            let schema = self.catalogue.schema_of(upstream)?;
            schema.service(&by.value).is_some().then(|| Arc::clone(schema))
        };
        let known: Vec<_> = (0..self.upstreams.len()).filter_map(|at| Some((at, defines(at)?))).collect();
        let names: Vec<_> = known.iter().map(|(at, _)| &*self.upstreams[*at].name).collect();
        let wanted = translation.upstream.as_ref().map(|name| &*name.value);
        let exposing = exposed.iter().find(|exposed| exposed.service() == &*by.value);
        let wanted = wanted.or_else(|| exposing?.endpoint.upstream());
        let chosen = match (wanted, &*known) {
            (Some(wanted), _) => known.iter().find(|(at, _)| self.upstreams[*at].name == wanted),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        if let Some((upstream, schema)) = chosen {
            self.check_exposed(translation, *upstream, exposed, problems)?;
            return Some(Answering { schema: Arc::clone(schema), upstream: Some(*upstream) });
        }
        if !self.is_complete {
            return None;
        }
        let problem = match (wanted, names.is_empty()) {
            (Some(wanted), _) => {
                let text = format!("The upstream {wanted:?} does not define the service {}.", by.value);
                Problem::error(text).at(translation
                    .upstream
                    .as_ref()
                    .and_then(|name| name.place)
                    .or(by.place))
            }
            (None, true) => {
                Problem::error(format!("No upstream defines the service {}.", by.value)).at(by.place)
            }
            (None, false) => {
                let text = format!(
                    "The service {} is defined by several upstreams, so one must be chosen.",
                    by.value
                );
                Problem::error(text).at(by.place)
            }
        };
        let hint = match names.is_empty() {
            true => "Check its name, and the descriptors of the upstream.".to_owned(),
            false => format!("Write `upstream: NAME`. It is defined by: {}.", names.join(", ")),
        };
        problems.push(problem.hint(hint));
        None
    }

    /// Refuses that a service is exposed from other upstreams only than the one that is to answer, as its policies would hold
    /// there and not here.
    fn check_exposed(
        &self,
        translation: &Translation,
        upstream: usize,
        exposed: &[Exposed<'_>],
        problems: &mut Problems,
    ) -> Option<()> {
        let (by, name) = (&translation.by, &*self.upstreams[upstream].name);
        let mut elsewhere = exposed.iter().filter(|exposed| exposed.service() == &*by.value);
        let other = elsewhere.clone().find_map(|exposed| exposed.endpoint.upstream());
        if other.is_none() || elsewhere.any(|exposed| exposed.endpoint.upstream() == Some(name)) {
            return Some(());
        }
        let text = format!(
            "The service {} is exposed from the upstream {:?}, but {name:?} is to answer here, where its policies do not hold.",
            by.value,
            other.unwrap_or_default()
        );
        let place = translation.upstream.as_ref().and_then(|name| name.place).or(by.place);
        let hint = "Name the same upstream in both, or a service that is not exposed.";
        problems.push(Problem::error(text).at(place).hint(hint));
        None
    }

    /// The methods of a translated service.
    fn service(&self, found: &Found<'c>, exposed: &mut Vec<Exposed<'c>>, problems: &mut Problems) {
        let Some(pairs) = pairs(found, problems) else { return };
        let before = problems.errors();
        let Some(made) = tables(found, &pairs, problems) else { return };
        if problems.errors() > before {
            return;
        }
        let versions = self.versions_of(found, problems);
        for (at, pair) in pairs.iter().enumerate() {
            for version in &versions {
                let one = self.method(found, (pair, at), &made, *version, exposed, problems);
                exposed.extend(one);
            }
        }
    }

    /// The versions that a translated service belongs to; none for all of them. It is answered in the same way in each.
    fn versions_of(&self, found: &Found<'c>, problems: &mut Problems) -> Vec<Option<usize>> {
        let (service, settings) = (&found.translation.service, found.settings);
        let sought = self.versions.of(&service.value, settings, |_| false);
        let version = |wanted: Sought<'c>| {
            let named = wanted
                .upstream
                .filter(|named| Some(&named.value) != settings.upstream.as_ref().map(|own| &own.value));
            if let Some(named) = named {
                let text = format!(
                    "The service {} has no upstream of its own, as it is translated, but here is one for it.",
                    service.value
                );
                let problem = Problem::error(text).at(named.place).related(service.place, "translated here");
                problems.push(problem.hint("Name no upstream here, or remove the translation."));
            }
            wanted.version
        };
        sought.into_iter().map(version).collect()
    }

    fn method(
        &self,
        found: &Found<'c>,
        (pair, at): (&Pair<'_>, usize),
        made: &Made,
        version: Option<usize>,
        exposed: &[Exposed<'c>],
        problems: &mut Problems,
    ) -> Option<Exposed<'c>> {
        let Found { translation, settings, schema, described, answering } = found;
        let name = schema.text(pair.own.name());
        let other = format!("{}/{}", translation.by.value, answering.schema.text(pair.other.name()));
        let upstream = answering.upstream.map(|upstream| &self.upstreams[upstream]);
        // Where the method that answers is exposed itself, its policies hold as well.
        let own = exposed.iter().find(|exposed| {
            exposed.endpoint.full_name == other
                && upstream.is_none_or(|upstream| exposed.endpoint.upstream == upstream.name)
        });
        let (method, answers): (_, Arc<dyn CallService>) = match (own, upstream) {
            (Some(own), _) => (Arc::clone(&own.endpoint.method), Arc::clone(&own.endpoint.service)),
            (None, Some(upstream)) => {
                let (schema, name) = (&answering.schema, answering.schema.text(pair.other.name()));
                let place = method_place(schema, &translation.by.value, name)?;
                let subject = Subject { schema, service: &schema.services()[place.0], method: pair.other };
                let position = answering.upstream?;
                let answers = Commons::of(self.config).answers(position, upstream, &subject);
                (Arc::new(called(pair.other, &other, &upstream.name)?), answers)
            }
            (None, None) => return None,
        };
        let (request, answer) = made.roots[at];
        let codec = &self.config.codec;
        let translated = Translated::new(service::Settings {
            route: own.map(|_| method.path.as_str().into()),
            method,
            name: other.as_str().into(),
            service: answers,
            request: Side { tables: Arc::clone(&made.request), table: request },
            answer: Side { tables: Arc::clone(&made.answer), table: answer },
            violations: Renaming { names: Arc::clone(&made.violations), scope: request, is_strict: false },
            length: codec.message.as_usize(),
            depth: codec.message_depth.value as usize,
        });
        let place = method_place(schema, &translation.service.value, name)?;
        let subject = Subject { schema, service: &schema.services()[place.0], method: pair.own };
        let mut endpoint = endpoint(self.config, settings, None, Arc::new(translated), &subject, problems)?;
        endpoint.version = self.versions.name(version);
        if let Some(own) = own {
            // What the choice of an upstream is made by has to come along, and is nobody's field.
            endpoint.split.needs_head = own.endpoint.split.needs_head;
            endpoint.split.query.clone_from(&own.endpoint.split.query);
        }
        endpoint.upstream = match (own, upstream) {
            (_, Some(upstream)) => upstream.name.clone(),
            (own, None) => own?.endpoint.upstream.clone(),
        };
        let mut endpoint = self.policies.around(settings, name, endpoint);
        // What policy decides by has to come along for those of the method that answers too.
        for policy in own.iter().flat_map(|own| &own.endpoint.policies) {
            if !endpoint.policies.contains(policy) {
                endpoint.policies.push(policy.clone());
            }
        }
        Some(Exposed { endpoint: Arc::new(endpoint), settings, upstream: *described, place, version })
    }
}

/// The method that answers, as it is called where it is not exposed itself.
fn called(method: &Method, full_name: &str, upstream: &str) -> Option<call::Method> {
    Some(call::Method {
        path: format!("/{full_name}").parse().ok()?,
        client_streaming: method.client_streaming(),
        server_streaming: method.server_streaming(),
        idempotent: method.is_idempotent(),
        safe: method.is_safe(),
        meter: CLIENT.series(&[upstream, full_name]),
    })
}

/// Each method of the service that callers know with the one that answers for it; nothing if one is missing.
fn pairs<'f>(found: &'f Found<'_>, problems: &mut Problems) -> Option<Vec<Pair<'f>>> {
    let Found { translation, schema, answering, .. } = found;
    let own = schema.service(&translation.service.value)?;
    let other = answering.schema.service(&translation.by.value)?;
    let text = |schema: &'f Schema, methods: &'f [Method]| -> Vec<&'f str> {
        methods.iter().map(|method| schema.text(method.name())).collect()
    };
    let names = text(schema, own.methods());
    let others = text(&answering.schema, other.methods());
    let before = problems.errors();
    let unknown = |service: &str, name: &str, known: &[&str], place: Option<Place>| {
        let text = format!("The service {service} has no method {name}.");
        Problem::error(text).at(place).hint(among("methods", name, known))
    };
    let written = translation.methods.iter().map(|(name, _)| name).chain(&translation.without);
    for name in written.filter(|name| !names.contains(&&*name.value)) {
        problems.push(unknown(&translation.service.value, &name.value, &names, name.place));
    }
    let mut pairs = Vec::new();
    for (method, name) in own.methods().iter().zip(&names) {
        if translation.without.iter().any(|without| *without.value == **name) {
            continue;
        }
        let written = translation.methods.iter().find(|(own, _)| *own.value == **name);
        let wanted = written.map_or(*name, |(_, other)| &**other);
        let Some(answers) = other.method(&answering.schema, wanted) else {
            problems.push(match written {
                Some((_, other)) => unknown(&translation.by.value, wanted, &others, other.place),
                None => {
                    let text = format!("{} has no method for {}/{name}.", translation.by.value, translation.service.value);
                    let hint = format!(
                        "Say which one answers, `methods: {{{name}: NAME}}`, or offer it no longer, `without: [{name}]`. {}",
                        among("methods", name, &others)
                    );
                    Problem::error(text).at(translation.service.place).hint(hint)
                }
            });
            continue;
        };
        let kinds = [method, answers].map(|method| (method.client_streaming(), method.server_streaming()));
        if kinds[0] != kinds[1] {
            let text = format!(
                "{}/{name} {}, but {}/{wanted} {}.",
                translation.service.value,
                streams(kinds[0]),
                translation.by.value,
                streams(kinds[1])
            );
            let place = written.map_or(translation.service.place, |(_, other)| other.place);
            let hint = format!("Name a method of the same kind, or write `without: [{name}]`.");
            problems.push(Problem::error(text).at(place).hint(hint));
            continue;
        }
        pairs.push(Pair { own: method, other: answers });
    }
    (problems.errors() == before).then_some(pairs)
}

const fn streams((client, server): (bool, bool)) -> &'static str {
    match (client, server) {
        (false, false) => "takes one message and answers with one",
        (true, false) => "takes a stream and answers with one message",
        (false, true) => "takes one message and answers with a stream",
        (true, true) => "takes a stream and answers with one",
    }
}

/// What all methods of a service are translated by.
struct Made {
    request: Arc<Tables>,
    answer: Arc<Tables>,
    /// What callers call the fields of requests.
    violations: Arc<Names>,
    /// For each method the positions of the tables of its request and its answer.
    roots: Vec<(usize, usize)>,
}

/// Holds all messages against one another.
fn tables(found: &Found<'_>, pairs: &[Pair<'_>], problems: &mut Problems) -> Option<Made> {
    let Found { translation, schema, answering, .. } = found;
    let mut said = HashSet::new();
    let mut used = HashSet::new();
    let way = |is_request| {
        let (from, to) = if is_request { (schema, &answering.schema) } else { (&answering.schema, schema) };
        Way { translation, from, to, is_request }
    };
    let mut request = Drafts::new(way(true), problems, &mut said, &mut used);
    let roots: Vec<_> = pairs.iter().map(|pair| request.root(pair.own.input(), pair.other.input())).collect();
    let request = request.finish();
    let mut answer = Drafts::new(way(false), problems, &mut said, &mut used);
    let answers: Vec<_> =
        pairs.iter().map(|pair| answer.root(pair.other.output(), pair.own.output())).collect();
    let answer = answer.finish();
    let violations = Arc::new(masks::flipped(&request));
    written::unused(found.translation, [schema, &answering.schema], &used, problems);
    let [request, answer] = masks::resolved(&request, &answer, translation, problems)?;
    Some(Made {
        request: Arc::new(request),
        answer: Arc::new(answer),
        violations,
        roots: roots.into_iter().zip(answers).collect(),
    })
}

#[cfg(test)]
mod tests;
