//! HTTP rules become routes.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::aggregate::{name_of, streamed_name_of};
use super::condition::Written;
use super::descriptors::Catalogue;
use super::loops::Sent;
use super::services::Exposed;
use super::versions::queries;
use crate::call::Dialect;
use crate::codec::binding::{Binding, BindingOptions, Body, Rule};
use crate::codec::field_path::FieldPath;
use crate::config::Config;
use crate::config::place::Place;
use crate::config::problem::{Problem, Problems, quote};
use crate::config::route;
use crate::config::service::{HttpMapping, Unknown};
use crate::config::settings::word::nearest;
use crate::config::value::name::Verb;
use crate::route::condition::Condition;
use crate::route::table::{Inserted, Table};
use crate::route::template::Template;
use crate::schema::rule::HttpRule;
use crate::snapshot::case::{Action, Case};
use crate::snapshot::fixed::Fixed;
use crate::snapshot::{ACCESS_TOKEN, Route, TRAILERS};

/// One verb and path for a method, wherever it was written.
struct Mapping<'a> {
    verb: &'a str,
    template: &'a str,
    body: &'a str,
    response_body: &'a str,
    place: Option<Place>,
    /// What to do when it is wrong, where the place does not show it.
    hint: Option<&'static str>,
    /// The method that streams what the method answers.
    streamed: Option<&'a Exposed<'a>>,
    /// For which requests.
    condition: Condition,
}

/// The place is that of the service's pattern, as the proto file may not be at hand.
const ANNOTATION: &str = "The rule is the method's google.api.http annotation. Mend the proto file, or replace the rule \
                          by a file under `descriptors` with `http_rules`.";

/// What is exposed beside what a surface has.
#[derive(Clone, Copy)]
pub(super) struct Known<'a, 'c> {
    /// The methods of all versions.
    pub(super) all: &'a [Exposed<'c>],
    /// Whether the descriptors of all upstreams are there.
    pub(super) is_complete: bool,
    /// What routes are answered with that make no call, by the places of the routes in the configuration.
    pub(super) fixed: &'a [Option<Arc<Fixed>>],
}

struct Builder<'a, 'c> {
    config: &'a Config,
    methods: HashMap<String, Arc<Route>>,
    table: Table<Case>,
    sent: Vec<Sent>,
    known: Known<'a, 'c>,
    problems: &'a mut Problems,
}

/// All exposed methods by their names, and their routes: those of the configuration first, so that they
/// win over equal ones, then those of the annotations.
///
/// Beside them are the redirects among the routes.
pub(super) fn build(
    config: &Config,
    exposed: &[Exposed<'_>],
    known: Known<'_, '_>,
    catalogue: &Catalogue,
    problems: &mut Problems,
) -> (HashMap<String, Arc<Route>>, Table<Case>, Vec<Sent>) {
    let mut builder =
        Builder { config, methods: HashMap::new(), table: Table::new(), sent: Vec::new(), known, problems };
    for method in exposed {
        builder.own(method);
    }
    for (route, fixed) in config.routes.iter().zip(known.fixed) {
        match fixed {
            Some(fixed) => builder.fixed(route, fixed),
            None => builder.configured(route, exposed),
        }
    }
    for method in exposed {
        builder.mapped(method, catalogue);
    }
    if known.is_complete {
        builder.warn_of_strangers(catalogue);
    }
    (builder.methods, builder.table, builder.sent)
}

/// A method that is called and that no service exposes.
pub(super) fn not_exposed<'n>(name: &str, exposed: impl Iterator<Item = &'n str>) -> Problem {
    let known: Vec<_> = exposed.collect();
    let hint = "Check its name, and that `services` has a pattern for its service.";
    let hint = match nearest(name, &known) {
        Some(near) => format!("Did you mean `{near}`? {hint}"),
        None => hint.to_owned(),
    };
    Problem::error(format!("The method {name} is not exposed.")).hint(hint)
}

/// The verb of a configured route, as the table has it.
fn verb_of(route: &route::Route) -> &str {
    match &route.method.value {
        Verb::Any => "*",
        Verb::Is(verb) => verb,
    }
}

fn condition_of(route: &route::Route, problems: &mut Problems) -> Condition {
    Written::of(&route.host, &route.headers, &route.query, &route.cookies).condition(problems)
}

/// How routes of the same verb and path are ordered: by their conditions, those that are declared first before others
/// that ask for as much. There is no order among two with the same condition.
fn order(new: &Case, other: &Case) -> Option<Ordering> {
    match (new.condition.as_deref(), other.condition.as_deref()) {
        (new, other) if new == other => None,
        (Some(new), Some(other)) => Some(new.order(other)),
        (Some(_), None) => Some(Ordering::Less),
        (None, _) => Some(Ordering::Greater),
    }
}

/// What a route leads to, in a sentence about another one.
fn described(case: &Case) -> String {
    match &case.action {
        Action::Call(route) => format!("the route of {}", route.endpoint.full_name),
        Action::Fixed(_) => "answered without a call".to_owned(),
    }
}

/// Whether a method has routes at all: REST, with JSON or XML.
fn is_routed(method: &Exposed<'_>) -> bool {
    method.endpoint.speaks(Dialect::Rest) || method.endpoint.speaks(Dialect::Xml)
}

impl Builder<'_, '_> {
    fn configured(&mut self, route: &route::Route, exposed: &[Exposed<'_>]) {
        if route.redirect.is_some() || route.answer.is_some() {
            // What is wrong with it was told.
            return;
        }
        let (name, place) = match &route.call {
            Some(call) => (call.to_string(), call.place),
            None => (name_of(route).to_string(), route.path.place),
        };
        let Some(method) = exposed.iter().find(|exposed| exposed.endpoint.full_name == name) else {
            // The upstream that defines it may be the one that could not be asked, and of what cannot be aggregated
            // was told already what is wrong with it.
            let all = self.known.all;
            if self.known.is_complete
                && route.call.is_some()
                && !all.iter().any(|other| other.endpoint.full_name == name)
            {
                let names = all.iter().map(|exposed| &*exposed.endpoint.full_name);
                self.problems.push(not_exposed(&name, names).at(place));
            }
            return;
        };
        if !is_routed(method) {
            let text = format!("The method {name} is not served as REST, so it can have no route.");
            let hint = "Add rest or xml to the `dialects` of its service.";
            return self.problems.push(Problem::error(text).at(place).hint(hint));
        }
        let text = |value: &Option<crate::config::place::Located<String>>| {
            value.as_ref().map_or_else(String::new, |value| value.value.clone())
        };
        let (body, response_body) = (text(&route.body), text(&route.response_body));
        let mapping = Mapping {
            verb: verb_of(route),
            template: &route.path,
            body: &body,
            response_body: &response_body,
            place: route.path.place,
            hint: None,
            streamed: route.aggregate.as_ref().and_then(|_| {
                let name = streamed_name_of(route).to_string();
                exposed.iter().find(|exposed| exposed.endpoint.full_name == name)
            }),
            condition: condition_of(route, self.problems),
        };
        self.add(method, &mapping);
    }

    /// A route without a call.
    fn fixed(&mut self, route: &route::Route, made: &Arc<Fixed>) {
        let condition = condition_of(route, self.problems);
        let verb = verb_of(route);
        let fault = |text: String| {
            let text = format!("The route {verb} {} is not valid: {text}", route.path.value);
            Problem::error(text).at(route.path.place)
        };
        // It was valid when the answer was made.
        let Ok(template) = Template::parse(&route.path) else { return };
        let case = Case::new(condition.clone(), Action::Fixed(Arc::clone(made)));
        match self.table.insert_among(verb, template, case, order) {
            Ok(Inserted::New) => self.sent.extend(Sent::of(Arc::clone(made), verb, condition, route)),
            Ok(Inserted::Conflict { first, .. }) => {
                let text = format!(
                    "{verb} {} is {} already, so this is not answered.",
                    route.path.value,
                    described(first.target())
                );
                let hint =
                    "The rule that is declared first wins. Change one of the two, or give it a condition.";
                self.problems.push(Problem::warning(text).at(route.path.place).hint(hint));
            }
            Err(error) => self.problems.push(fault(error.to_string())),
        }
    }

    /// The path that a method has in gRPC.
    fn own(&mut self, method: &Exposed<'_>) {
        let path = method.endpoint.method.path.as_str();
        let rule = Rule { variables: &[], body: "*", response_body: "" };
        match self.route(method, rule, path) {
            Ok(route) => {
                self.warn_of_taken(method);
                if method.endpoint.speaks(Dialect::WebSocket) {
                    // There the query names any field, whatever the body of the rules is.
                    self.check_key(method, &format!("/ws{path}"));
                }
                drop(self.methods.insert(method.endpoint.full_name.clone(), Arc::new(route)));
            }
            Err(error) => {
                let text = format!("The method {} cannot be served: {error}.", method.endpoint.full_name);
                self.problems.push(Problem::error(text).at(method.settings.service.place));
            }
        }
    }

    /// Words of a query that WebSockets take for themselves are no fields there.
    fn warn_of_taken(&mut self, method: &Exposed<'_>) {
        if !method.endpoint.speaks(Dialect::WebSocket) {
            return;
        }
        let schema = &method.endpoint.schema;
        let input = schema.message(method.method().input());
        for word in [ACCESS_TOKEN, TRAILERS] {
            if let Some(position) = input.field_by_name(schema, word.as_bytes()) {
                let name = schema.text(input.fields()[position].name());
                let text = format!(
                    "The field {name} of {} cannot be set by the query of a WebSocket, where {word} has a meaning of its \
                     own.",
                    method.endpoint.full_name
                );
                let hint =
                    "Send it in the first message, or leave websocket out of the `dialects` of the service.";
                self.problems.push(Problem::warning(text).at(method.settings.service.place).hint(hint));
            }
        }
    }

    fn mapped(&mut self, method: &Exposed<'_>, catalogue: &Catalogue) {
        if !is_routed(method) || method.settings.http.value == HttpMapping::None {
            return;
        }
        let place = method.settings.service.place;
        let selector = method.endpoint.full_name.replace('/', ".");
        if let Some(rule) = catalogue.rule_of(method.upstream, &selector) {
            for binding in &rule.bindings {
                let mapping = Mapping {
                    verb: &binding.verb,
                    template: &binding.template,
                    body: &binding.body,
                    response_body: &binding.response_body,
                    place: Some(binding.place),
                    hint: None,
                    streamed: None,
                    condition: Condition::default(),
                };
                self.add(method, &mapping);
            }
            return;
        }
        match method.method().rule() {
            Some(rule) => {
                for rule in std::iter::once(rule).chain(&rule.additional_bindings) {
                    self.rule(method, rule, place);
                }
            }
            None if super::services::is_auto(method.settings) => {
                let path = format!("/{}", method.endpoint.full_name);
                let mapping = Mapping {
                    verb: "POST",
                    template: &path,
                    body: "*",
                    response_body: "",
                    place,
                    hint: None,
                    streamed: None,
                    condition: Condition::default(),
                };
                self.add(method, &mapping);
            }
            None => {}
        }
    }

    fn rule(&mut self, method: &Exposed<'_>, rule: &HttpRule, place: Option<Place>) {
        let name = &method.endpoint.full_name;
        let Some((verb, template)) = rule.verb_and_template() else {
            let text = format!("The google.api.http rule of {name} names no verb and path.");
            let hint = "Give it one of get, put, post, delete, patch or custom.";
            return self.problems.push(Problem::error(text).at(place).hint(hint));
        };
        let (body, response_body) = (&*rule.body, &*rule.response_body);
        self.add(
            method,
            &Mapping {
                verb,
                template,
                body,
                response_body,
                place,
                hint: Some(ANNOTATION),
                streamed: None,
                condition: Condition::default(),
            },
        );
    }

    fn add(&mut self, method: &Exposed<'_>, mapping: &Mapping<'_>) {
        let name = &*method.endpoint.full_name;
        let fault = |text: String| {
            let text =
                format!("The route {} {} of {name} is not valid: {text}", mapping.verb, mapping.template);
            let problem = Problem::error(text).at(mapping.place);
            match mapping.hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            }
        };
        let template = match Template::parse(mapping.template) {
            Ok(template) => template,
            Err(error) => return self.problems.push(fault(error.to_string())),
        };
        let variables: Vec<_> = template.variables().iter().map(ToString::to_string).collect();
        let rule = Rule { variables: &variables, body: mapping.body, response_body: mapping.response_body };
        let mut route = match self.route(method, rule, mapping.template) {
            Ok(route) => route,
            Err(error) => return self.problems.push(fault(format!("{error}."))),
        };
        let streamed = mapping.streamed.and_then(|method| self.route(method, rule, mapping.template).ok());
        route.streamed = streamed.map(Arc::new);
        // A method on WebSockets has been looked at as a whole.
        if *route.binding.body() != Body::Whole && !method.endpoint.speaks(Dialect::WebSocket) {
            self.check_key(method, mapping.template);
        }
        let case = Case::new(mapping.condition.clone(), Action::Call(Arc::new(route)));
        match self.table.insert_among(mapping.verb, template, case, order) {
            Ok(Inserted::New) => {}
            Ok(Inserted::Conflict { first, .. }) => {
                let other = first.target();
                if other.route().is_some_and(|other| Arc::ptr_eq(&other.endpoint, &method.endpoint)) {
                    return;
                }
                let text = format!(
                    "{} {} is {} already, so {name} is not reached by it.",
                    mapping.verb,
                    mapping.template,
                    described(other)
                );
                let hint = "The rule that is declared first wins. Change one of the two.";
                self.problems.push(Problem::warning(text).at(mapping.place).hint(hint));
            }
            Err(error) => self.problems.push(fault(error.to_string())),
        }
    }

    /// Reports a field that nobody could send: what has its name in the query is taken for an API key, or for the name of
    /// a version.
    fn check_key(&mut self, method: &Exposed<'_>, template: &str) {
        let keys = self.config.identity.api_keys.as_ref();
        let key = keys.and_then(|keys| Some((keys.query.as_ref()?, "hold API keys", "the key")));
        let versions = queries(self.config).map(|query| (query, "name a version", "it"));
        let depth = self.config.codec.query_depth.value as usize;
        for (query, use_of, what) in key.into_iter().chain(versions) {
            if FieldPath::resolve(&method.endpoint.schema, method.method().input(), query, depth).is_ok() {
                let text = format!(
                    "The query parameter {} is to {use_of}, but it is a field of requests to {} too, on {template}.",
                    quote(query),
                    method.endpoint.full_name,
                );
                let hint = format!("Choose another name for {what}.");
                self.problems.push(Problem::error(text).at(query.place).hint(hint));
            }
        }
    }

    fn route(&self, method: &Exposed<'_>, rule: Rule<'_>, template: &str) -> Result<Route, String> {
        let endpoint = &method.endpoint;
        let table = method.method();
        let types = [table.input(), table.output()];
        let binding = Binding::new(&endpoint.schema, types, rule, self.options(method))?;
        Ok(Route::new(Arc::clone(endpoint), binding, template))
    }

    fn options(&self, method: &Exposed<'_>) -> BindingOptions {
        let codec = &self.config.codec;
        BindingOptions {
            read: method.endpoint.options.read.clone(),
            ignore_unknown_query: method.settings.json.unknown_query.value == Unknown::Ignore,
            others_query: method.endpoint.split.query.clone(),
            max_parameters: self.config.http.query_parameters.value as usize,
            max_elements: self.config.codec.xml_elements.value as usize,
            max_path: codec.query_depth.value as usize,
            max_depth: codec.message_depth.value as usize,
        }
    }

    /// Rules for methods that nobody exposes are spelling mistakes in most cases.
    fn warn_of_strangers(&mut self, catalogue: &Catalogue) {
        let known: HashSet<_> =
            self.known.all.iter().map(|method| method.endpoint.full_name.replace('/', ".")).collect();
        for rule in catalogue.rules().filter(|rule| !known.contains(&rule.selector.value)) {
            let text = format!("The rule is for {}, which is not exposed.", rule.selector.value);
            let hint = "Check the name, and that `services` has a pattern for its service.";
            self.problems.push(Problem::warning(text).at(rule.selector.place).hint(hint));
        }
    }
}
