//! Aggregated routes become methods: a service is written for them, with the messages that they take and answer, and
//! loaded together with the files that define the types of their parts. What answers such a method is a plan of calls.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::descriptors::Catalogue;
use super::policies::Policies;
use super::routes::not_exposed;
use super::services::{Exposed, Subject, endpoint, settings_of};
use crate::compose::plan::{self, Form, Plan};
use crate::config::Config;
use crate::config::aggregate::AggregatePart;
use crate::config::place::Place;
use crate::config::problem::{Problem, Problems, quote};
use crate::config::route::Route;
use crate::config::service::{Expose, Service as Settings};
use crate::config::settings::collection::Named;
use crate::config::value::name::{MethodName, Verb};
use crate::route::template::Template;
use crate::schema::Schema;
use crate::schema::files::{Files, Published, are_same};
use crate::schema::load::is_built_in;
use crate::snapshot::{self, Endpoint};
use crate::status::exposure::Exposure;
use crate::wire::writer;

mod describe;
mod inferred;
mod order;
mod part;
pub(super) mod request;
pub(super) mod types;

use inferred::Fields;
use part::Part;

/// The service of aggregated routes that have no name.
const SERVICE: &str = "transom.routes.Routes";
/// The longest name that is made of a path, in bytes.
const MAX_NAME: usize = 200;
/// `MethodOptions.IdempotencyLevel`.
const NO_SIDE_EFFECTS: u64 = 1;
const IDEMPOTENT: u64 = 2;

/// An aggregated route and its name.
pub(super) struct Composed<'c> {
    route: &'c Route,
    parts: &'c Named<AggregatePart>,
    pub(super) name: MethodName,
}

impl Composed<'_> {
    /// Where the name comes from.
    fn place(&self) -> Option<Place> {
        self.route.name.as_ref().map_or(self.route.path.place, |name| name.place)
    }
}

/// The name of an aggregated route.
pub(super) fn name_of(route: &Route) -> MethodName {
    if let Some(name) = &route.name {
        return name.value.clone();
    }
    let verb = match &route.method.value {
        Verb::Any => "any",
        Verb::Is(verb) => &*verb.to_ascii_lowercase(),
    };
    let text = format!("{verb}/{}", route.path.value);
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    let mut method = String::new();
    for word in words {
        if method.len() + word.len() > MAX_NAME {
            break;
        }
        let mut letters = word.chars();
        method.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        method.push_str(letters.as_str());
    }
    MethodName { service: SERVICE.to_owned(), method }
}

/// The name of the method that streams the same part by part.
pub(super) fn streamed_name_of(route: &Route) -> MethodName {
    let name = name_of(route);
    MethodName { method: describe::streamed(&name.method), ..name }
}

/// The aggregated routes of a configuration, each with a name of its own.
pub(super) fn composed<'c>(config: &'c Config, problems: &mut Problems) -> Vec<Composed<'c>> {
    let mut composed: Vec<Composed<'c>> = Vec::new();
    for route in &config.routes {
        let Some(parts) = &route.aggregate else { continue };
        let name = name_of(route);
        if let Some(first) = composed.iter().find(|other| other.name == name) {
            let text = format!("Two routes would be the method {name}.");
            let place = route.name.as_ref().map_or(route.path.place, |name| name.place);
            let problem = Problem::error(text).at(place).related(first.place(), "the other one");
            problems.push(problem.hint("Give one of them another name: `name: package.Service/Method`."));
            continue;
        }
        composed.push(Composed { route, parts, name });
    }
    composed
}

/// What aggregated routes are made of.
pub(super) struct Kitchen<'k, 'c> {
    pub(super) config: &'c Config,
    /// The settings of methods that no pattern matches.
    pub(super) plain: &'c Settings,
    pub(super) policies: &'k Policies,
    /// Whether the descriptors of all upstreams are there.
    pub(super) is_complete: bool,
}

/// A route whose parts are known.
struct Ready<'c> {
    composed: &'c Composed<'c>,
    parts: Vec<Part<'c>>,
}

/// A route whose parts have been held against one another.
struct Planned<'p> {
    fields: Fields<'p>,
    parts: Vec<plan::Part>,
}

impl<'c> Kitchen<'_, 'c> {
    /// Adds the methods that aggregated routes are, service by service.
    pub(super) fn expose(
        &self,
        composed: &[Composed<'c>],
        catalogue: &mut Catalogue,
        exposed: &mut Vec<Exposed<'c>>,
        problems: &mut Problems,
    ) {
        let mut services: Vec<(&str, Vec<Ready<'_>>)> = Vec::new();
        for composed in composed {
            let Some(parts) = self.parts(composed, exposed, problems) else { continue };
            let (name, ready) = (&*composed.name.service, Ready { composed, parts });
            match services.iter_mut().find(|(other, _)| *other == name) {
                Some((_, all)) => all.push(ready),
                None => services.push((name, vec![ready])),
            }
        }
        for (name, routes) in services {
            let made = self.service(name, &routes, catalogue, problems);
            exposed.extend(made.unwrap_or_default());
        }
    }

    /// The parts of a route; nothing if one of them cannot be called.
    fn parts<'p>(
        &self,
        composed: &'p Composed<'c>,
        exposed: &[Exposed<'c>],
        problems: &mut Problems,
    ) -> Option<Vec<Part<'p>>> {
        let mut parts = Vec::new();
        let mut is_known = true;
        for (name, settings) in composed.parts.iter() {
            let method = settings.call.to_string();
            let Some(found) = exposed.iter().find(|exposed| exposed.endpoint.full_name == method) else {
                // The upstream that defines it may be the one that could not be asked.
                if self.is_complete {
                    let names = exposed.iter().map(|exposed| &*exposed.endpoint.full_name);
                    problems.push(not_exposed(&method, names).at(settings.call.place));
                }
                is_known = false;
                continue;
            };
            let streams = &found.endpoint.method;
            if streams.client_streaming || (streams.server_streaming && settings.for_each.is_some()) {
                let (text, hint) = match streams.client_streaming {
                    true => ("takes a stream of messages", "Name a method that takes one message."),
                    false => {
                        ("answers with a stream", "Leave `for_each` out, or name a method that answers once.")
                    }
                };
                let text = format!("The method {method} {text}, so it cannot be such a part.");
                problems.push(Problem::error(text).at(settings.call.place).hint(hint));
                is_known = false;
            }
            let table = found.method();
            parts.push(Part {
                name,
                settings,
                endpoint: Arc::clone(&found.endpoint),
                input: table.input(),
                output: table.output(),
                upstream: found.upstream,
            });
        }
        is_known.then_some(parts)
    }

    /// The methods of one service.
    fn service(
        &self,
        name: &str,
        routes: &[Ready<'_>],
        catalogue: &mut Catalogue,
        problems: &mut Problems,
    ) -> Option<Vec<Exposed<'c>>> {
        let place = routes.first()?.composed.place();
        if catalogue.defines(name) {
            let text =
                format!("The service {name} is defined by an upstream, so no route can be a method of it.");
            problems.push(Problem::error(text).at(place).hint("Choose a service of another name."));
            return None;
        }
        let before = problems.errors();
        let planned: Vec<_> = routes.iter().map(|ready| plan(ready, problems)).collect();
        let library = library(routes, catalogue, place, problems);
        if problems.errors() > before {
            return None;
        }
        let file = describe(name, routes, &planned, &library);
        let (schema, files) = load(&file, &library, place, problems)?;
        let upstream = catalogue.add(&schema, files);
        let settings = settings_of(self.config, name).map_or(self.plain, |(_, settings)| settings);
        let mut made = Vec::new();
        for (ready, planned) in routes.iter().zip(planned) {
            let method = &ready.composed.name.method;
            let plan = self.plan(&schema, settings, ready, planned.parts);
            for (form, method) in
                [(Form::Whole, method.clone()), (Form::AsTheyCome, describe::streamed(method))]
            {
                let place = method_place(&schema, name, &method)?;
                let endpoint =
                    self.endpoint(&schema, place, settings, ready, plan.as_form(form), problems)?;
                made.push(Exposed { endpoint: Arc::new(endpoint), settings, upstream, place, version: None });
            }
        }
        Some(made)
    }

    fn plan(
        &self,
        schema: &Arc<Schema>,
        settings: &Settings,
        ready: &Ready<'_>,
        parts: Vec<plan::Part>,
    ) -> Plan {
        let exposes = |what| settings.errors.expose.iter().any(|exposed| exposed.value == what);
        let settings = plan::Settings {
            method: ready.composed.name.to_string().into(),
            limit: self.config.codec.message.as_usize(),
            patience: self.patience(ready),
            exposure: Exposure { unknown: exposes(Expose::Unknown), debug_info: exposes(Expose::DebugInfo) },
            schema: Arc::clone(schema),
        };
        Plan::new(settings, parts)
    }

    fn endpoint(
        &self,
        schema: &Arc<Schema>,
        (service, method): (usize, usize),
        settings: &Settings,
        ready: &Ready<'_>,
        plan: Plan,
        problems: &mut Problems,
    ) -> Option<Endpoint> {
        let service = &schema.services()[service];
        let subject = Subject { schema, service, method: &service.methods()[method] };
        let mut endpoint = endpoint(self.config, settings, None, Arc::new(plan), &subject, problems)?;
        let streams = endpoint.method.server_streaming;
        endpoint.options.write.outer_nulls = !streams;
        endpoint.parts = ready.parts.iter().map(described).collect();
        // The upstreams of parts are chosen by the head of the whole.
        let splits = || ready.parts.iter().map(|part| &part.endpoint.split);
        endpoint.split.needs_head = splits().any(|split| split.needs_head);
        endpoint.split.query = splits().flat_map(|split| split.query.iter().cloned()).collect();
        // What holds for a route holds in whichever form it is answered.
        let mut endpoint = self.policies.around(settings, &ready.composed.name.method, endpoint);
        // What policy decides by has to come along for those of the parts too.
        for policy in ready.parts.iter().flat_map(|part| &part.endpoint.policies) {
            if !endpoint.policies.contains(policy) {
                endpoint.policies.push(policy.clone());
            }
        }
        Some(endpoint)
    }

    /// How long all may take together: as long as the most patient upstream waits for one answer.
    fn patience(&self, ready: &Ready<'_>) -> Option<std::time::Duration> {
        let timeout = |part: &Part<'_>| {
            self.config.upstreams.find(&part.endpoint.upstream).map(|upstream| upstream.timeout.value)
        };
        ready.parts.iter().filter_map(timeout).max()
    }
}

fn described(part: &Part<'_>) -> snapshot::Part {
    snapshot::Part {
        name: part.name.value.clone(),
        method: part.endpoint.full_name.clone(),
        upstream: part.endpoint.upstream.clone(),
        is_optional: part.settings.optional.value,
    }
}

/// Holds the parts of a route against one another, and its path against what they take from the request.
fn plan<'p>(ready: &'p Ready<'_>, problems: &mut Problems) -> Planned<'p> {
    let route = ready.composed.route;
    let mut fields = Fields::default();
    // A template that is not valid is reported where it becomes a route.
    let template = Template::parse(&route.path).ok();
    let variables: Vec<String> =
        template.iter().flat_map(Template::variables).map(ToString::to_string).collect();
    let before = problems.errors();
    let parts = part::parts(&ready.composed.name.to_string(), &ready.parts, &mut fields, problems);
    let is_read = problems.errors() == before;
    for name in &variables {
        let place = route.path.place;
        if ready.parts.iter().any(|part| part.name.value == *name) {
            let text = format!("{} is both a part and a variable of the path.", quote(name));
            problems.push(Problem::error(text).at(place).hint("Give one of the two another name."));
        } else if is_read && fields.find(name).is_none() {
            let text = format!("No part takes the variable {{{name}}} of the path.");
            let hint = format!("Write `\"{{{name}}}\"` into the request of a part, or put `*` in its place.");
            problems.push(Problem::error(text).at(place).hint(hint));
        }
    }
    order::check(&ready.parts, &parts, problems);
    Planned { fields, parts }
}

/// The files that define the types of parts, by their names.
#[derive(Default)]
struct Library {
    /// The names of the upstreams that they are of.
    upstreams: Vec<String>,
    files: BTreeMap<String, Bytes>,
    /// For each type the file that it is in.
    types: BTreeMap<String, String>,
}

/// Brings together the files of all upstreams that have a part in a service.
fn library(
    routes: &[Ready<'_>],
    catalogue: &Catalogue,
    place: Option<Place>,
    problems: &mut Problems,
) -> Library {
    let mut upstreams: BTreeMap<usize, (&str, Vec<&Part<'_>>)> = BTreeMap::new();
    for part in routes.iter().flat_map(|ready| &ready.parts) {
        let name = &*part.endpoint.upstream;
        upstreams.entry(part.upstream).or_insert_with(|| (name, Vec::new())).1.push(part);
    }
    let services: std::collections::HashSet<_> =
        routes.iter().flat_map(|ready| &ready.parts).map(|part| part.endpoint.service().to_owned()).collect();
    let mut library = Library::default();
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    for (upstream, (owner, parts)) in upstreams {
        library.upstreams.push(format!("{owner:?}"));
        let published = Published::new(&catalogue.files_of(upstream), services.clone());
        for id in published.all() {
            let (name, wire) = (published.name(id), published.whole_bytes(id));
            match library.files.get(&name) {
                Some(other) if are_same(other, &wire) => {}
                // Whoever brings its own copy of what everybody has is as good as anybody.
                Some(_) if is_built_in(&name) => {}
                Some(_) => {
                    let first = owners.get(&name).copied().unwrap_or_default();
                    let text =
                        format!("The upstreams {first:?} and {owner:?} define the file {name} differently.");
                    let hint = "Parts of one service need types that go together. Give both upstreams one version of the \
                                file, or make routes of different services of them: `name: package.Service/Method`.";
                    problems.push(Problem::error(text).at(place).hint(hint));
                }
                None => {
                    library.files.insert(name.clone(), wire);
                    owners.insert(name, owner);
                }
            }
        }
        for part in parts {
            for name in types_of(part) {
                if let Some(id) = published.by_symbol(&name) {
                    library.types.entry(name).or_insert_with(|| published.name(id));
                }
            }
        }
    }
    library
}

/// The names of the types that a part answers with, and that its request can take from outside.
fn types_of(part: &Part<'_>) -> Vec<String> {
    let schema = &part.endpoint.schema;
    let mut names = vec![schema.text(schema.message(part.output).name()).to_owned()];
    names.extend(types::reachable(schema, part.input));
    names
}

fn describe(name: &str, routes: &[Ready<'_>], planned: &[Planned<'_>], library: &Library) -> Vec<u8> {
    let (package, service) = name.rsplit_once('.').unwrap_or(("", name));
    let methods: Vec<_> = routes
        .iter()
        .zip(planned)
        .map(|(ready, planned)| describe::Method {
            name: &ready.composed.name.method,
            request: &planned.fields.0,
            parts: ready.parts.iter().map(|part| (part.name.as_str(), part.typed())).collect(),
            idempotency: idempotency(&ready.parts),
        })
        .collect();
    let mut imports = vec!["google/protobuf/any.proto".to_owned()];
    for method in &methods {
        let requested = method.request.iter().map(|field| field.typed);
        let requested = requested.flat_map(|typed| match typed.entry() {
            Some(entry) => entry.to_vec(),
            None => vec![typed],
        });
        let names = requested.chain(method.parts.iter().map(|(_, typed)| *typed));
        let names = names.filter_map(|typed| typed.name());
        imports.extend(names.filter_map(|name| library.types.get(name).cloned()));
    }
    imports.sort();
    imports.dedup();
    let file = file_name(name);
    describe::file(&describe::File { name: &file, package, imports, service, methods })
}

fn file_name(service: &str) -> String {
    format!("transom/routes/{service}.proto")
}

/// What all parts are, the whole is too.
fn idempotency(parts: &[Part<'_>]) -> u64 {
    if parts.iter().all(|part| part.endpoint.method.safe) {
        NO_SIDE_EFFECTS
    } else if parts.iter().all(|part| part.endpoint.method.idempotent) {
        IDEMPOTENT
    } else {
        0
    }
}

fn load(
    file: &[u8],
    library: &Library,
    place: Option<Place>,
    problems: &mut Problems,
) -> Option<(Arc<Schema>, Files)> {
    let mut set = Vec::new();
    let files: Vec<&[u8]> = library.files.values().map(AsRef::as_ref).chain([file]).collect();
    files.iter().for_each(|file| writer::bytes(&mut set, 1, file));
    match Schema::load_files(&files) {
        Ok(schema) => Some((Arc::new(schema), Files::new([set.into()]))),
        Err(error) => {
            for problem in error.problems {
                let upstreams = match &*library.upstreams {
                    [first, .., last] if library.upstreams.len() == 2 => format!("{first} and {last}"),
                    all => all.join(", "),
                };
                let text = format!("The types of the parts, of {upstreams}, do not go together: {problem}.");
                let hint = "Give the route a name that nothing has, `name: package.Service/Method`, or the upstreams \
                            descriptors that define each type once.";
                problems.push(Problem::error(text).at(place).hint(hint));
            }
            None
        }
    }
}

pub(super) fn method_place(schema: &Schema, service: &str, method: &str) -> Option<(usize, usize)> {
    let place = schema.services().iter().position(|table| schema.text(table.name()) == service)?;
    let methods = schema.services()[place].methods();
    let position = methods.iter().position(|table| schema.text(table.name()) == method)?;
    Some((place, position))
}
