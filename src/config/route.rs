//! `routes`

use std::collections::HashMap;

use super::aggregate::{AggregatePart, is_name};
use super::fixed::{FixedAnswer, Redirect};
use super::place::{Located, Place};
use super::problem::{Problem, quote};
use super::settings::collection::Named;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::value::name::{MethodName, Verb};

settings! {
    /// A route beside those that the descriptors declare: a method, an answer from several, or one without a call.
    pub struct Route {
        /// The path template, as in google.api.http: `/v1/orders/{id}`.
        path: Located<String>,
        /// The HTTP method, or `*` for all.
        method: Located<Verb>,
        /// The host that requests are for: a name without a port such as `api.example`, or `*.example` for all below it.
        host: Option<Located<String>> = None,
        /// Headers that requests have, and their values; `*` is any value.
        headers: Option<Named<Located<String>>> = None,
        /// Parameters that the query of requests has, and their values; `*` is any value.
        query: Option<Named<Located<String>>> = None,
        /// Cookies that requests have, and their values; `*` is any value.
        cookies: Option<Named<Located<String>>> = None,
        /// The gRPC method that is called: `package.Service/Method`.
        call: Option<Located<MethodName>> = None,
        /// The parts that the answer consists of, by the names of its fields. Each is a call; those that need nothing of
        /// one another run at the same time.
        aggregate: Option<Named<AggregatePart>> = None,
        /// Where callers are sent, in place of a call.
        redirect: Option<Redirect> = None,
        /// What everybody is answered, in place of a call.
        answer: Option<FixedAnswer> = None,
        /// The name under which what is aggregated is a gRPC method of its own: `package.Service/Method`. Made of verb and
        /// path if this is left out.
        name: Option<Located<MethodName>> = None,
        /// The request field that the body is, or `*` for the whole message. Without it a request has no
        /// body.
        body: Option<Located<String>> = None,
        /// The response field that is answered in place of the whole message.
        response_body: Option<Located<String>> = None,
    }
    check check(path, call, aggregate, redirect, answer, name, body, response_body)
    example "Write `- {path: /v1/orders/{id}, method: GET, call: shop.v1.Orders/GetOrder}`, with quotes around the path."
}

/// How many parts a route may have.
const MAX_PARTS: usize = 64;

impl Route {
    #[expect(clippy::too_many_arguments, reason = "one for each key that says something about another")]
    fn check(
        reader: &mut Reader<'_>,
        path: Option<&Located<String>>,
        call: Option<&Option<Located<MethodName>>>,
        aggregate: Option<&Option<Named<AggregatePart>>>,
        redirect: Option<&Option<Redirect>>,
        answer: Option<&Option<FixedAnswer>>,
        name: Option<&Option<Located<MethodName>>>,
        body: Option<&Option<Located<String>>>,
        response_body: Option<&Option<Located<String>>>,
    ) {
        let mut error = |text: String, place: Option<_>, hint: &str| {
            let _: Option<()> = reader.error(Problem::error(text).at(place).hint(hint));
        };
        if let (Some(None), Some(Some(name))) = (aggregate, name) {
            let text = "`name` is the name of what is aggregated, but nothing is.".to_owned();
            error(text, name.place, "Remove it, or write the parts under `aggregate`.");
        }
        let has = [
            call.map(Option::is_some),
            aggregate.map(Option::is_some),
            redirect.map(Option::is_some),
            answer.map(Option::is_some),
        ];
        // What could not be read was meant to be something.
        let count = has.iter().filter(|has| has.unwrap_or(true)).count();
        if let (Some(Some(call)), [_, Some(true), ..]) = (call, has) {
            let text = "A route is either a call or an aggregate, but here is both.".to_owned();
            error(text, call.place, "Remove one of the two. A call can be a part of the aggregate.");
        } else if let Some(path) = path.filter(|_| count > 1) {
            let text = format!(
                "The route {} has more than one of `call`, `aggregate`, `redirect` and `answer`.",
                quote(path)
            );
            error(text, path.place, "Keep one of them.");
        }
        if let Some(path) = path.filter(|_| count == 0) {
            let text = format!("The route {} says nothing of what it answers with.", quote(path));
            let hint = "Write `call: package.Service/Method`, `aggregate:` with the parts of the answer, `redirect:` with a path, \
                        or `answer:` with a text or a file.";
            error(text, path.place, hint);
        }
        let is_fixed = count == 1 && (has[2] == Some(true) || has[3] == Some(true));
        for (key, place) in [("body", of(body)), ("response_body", of(response_body))] {
            if let Some(place) = place.filter(|_| is_fixed) {
                let text = format!("`{key}` says something about a call, but the route makes none.");
                error(text, place, "Remove it.");
            }
        }
        if let Some(Some(parts)) = aggregate {
            check_parts(reader, parts);
        }
    }
}

/// Where a key is written, if it is.
fn of<T>(key: Option<&Option<Located<T>>>) -> Option<Option<Place>> {
    key.and_then(Option::as_ref).map(|key| key.place)
}

/// Parts are fields of a message, so their names are names of fields.
fn check_parts(reader: &mut Reader<'_>, parts: &Named<AggregatePart>) {
    let mut error = |text: String, name: &Located<String>, first: Option<_>, hint: String| {
        let problem = Problem::error(text).at(name.place).related(first, "first here");
        let _: Option<()> = reader.error(problem.hint(hint));
    };
    let mut folded: HashMap<String, &Located<String>> = HashMap::new();
    for (name, _) in parts.iter() {
        if !is_name(name) {
            let text =
                format!("{} cannot be the name of a part, as that is a field of the answer.", quote(name));
            let hint = format!("Write letters, digits and `_`: {}.", name.replace(['-', '.'], "_"));
            error(text, name, None, hint);
        } else if matches!(name.as_str(), "errors" | "item") {
            let text = format!("No part can have the name {}, which has a meaning of its own.", quote(name));
            error(text, name, None, "Choose another name.".to_owned());
        }
        if let Some(first) = folded.insert(name.replace('_', "").to_ascii_lowercase(), name)
            && first.value != name.value
        {
            let text = format!("The parts {} and {} have the same name in JSON.", quote(first), quote(name));
            error(text, name, first.place, "Choose another name for one of the two.".to_owned());
        }
    }
    if let Some((name, _)) = parts.get(MAX_PARTS) {
        let text = format!("The route has {} parts. At most {MAX_PARTS} are allowed.", parts.len());
        error(text, name, None, "Make two routes of it.".to_owned());
    }
}
