//! `/routes`, and the same for the command line.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value as Json, json};

use super::Gateway;
use crate::call::Dialect;
use crate::route::condition::{Condition, Wanted};
use crate::snapshot::case::Action;
use crate::snapshot::fixed::{Content, Fixed};
use crate::snapshot::split::Choice;
use crate::snapshot::{Endpoint, Part, Snapshot};

/// The names of the dialects in which a method is served: REST by its routes, the others by its own path.
/// SOAP has no streams of requests.
pub fn dialects(endpoint: &Endpoint) -> Vec<&'static str> {
    let streams = endpoint.method.client_streaming;
    let spoken = endpoint.dialects.iter().filter(|dialect| !(streams && **dialect == Dialect::Soap));
    spoken.map(|dialect| dialect.name()).collect()
}

/// The services in SOAP: the path of each, its name as all of its methods, and one of them.
pub fn soap(snapshot: &Snapshot) -> impl Iterator<Item = (String, String, &Endpoint)> {
    let services = snapshot.surfaces().enumerate().flat_map(|(surface, all)| {
        // What versions share is there once.
        all.services.iter().filter(move |service| surface == 0 || service.is_versioned())
    });
    services.filter(|service| service.speaks(Dialect::Soap)).filter_map(|service| {
        let endpoint = &service.routes.first()?.endpoint;
        Some((format!("/soap/{}", service.name), format!("{}/*", service.name), &**endpoint))
    })
}

/// A way to reach a method, or what is answered without one.
#[derive(Clone, Copy, Debug)]
pub struct Way<'s> {
    /// The verb, `*` for any.
    pub verb: &'s str,
    /// The template of the path.
    pub path: &'s str,
    /// For which requests; absent where for all.
    pub condition: Option<&'s Condition>,
    /// What it leads to.
    pub leads: Leads<'s>,
}

/// What a way leads to.
#[derive(Clone, Copy, Debug)]
pub enum Leads<'s> {
    /// A method.
    Method(&'s Endpoint),
    /// An answer without a call.
    Fixed(&'s Fixed),
}

impl<'s> Way<'s> {
    /// The method, if it leads to one.
    pub const fn endpoint(&self) -> Option<&'s Endpoint> {
        match self.leads {
            Leads::Method(endpoint) => Some(endpoint),
            Leads::Fixed(_) => None,
        }
    }
}

/// Every route of a snapshot, and behind them in the order of their names the methods that have none and are reached by
/// their own path, in other dialects than REST.
pub fn ways(snapshot: &Snapshot) -> Vec<Way<'_>> {
    let mut ways: Vec<_> = snapshot
        .routes()
        .map(|route| Way {
            verb: route.method(),
            path: route.template().as_str(),
            condition: route.target().condition.as_deref(),
            leads: match &route.target().action {
                Action::Call(route) => Leads::Method(&route.endpoint),
                Action::Fixed(fixed) => Leads::Fixed(fixed),
            },
        })
        .collect();
    let routed: HashSet<_> = ways.iter().filter_map(Way::endpoint).map(name_of).collect();
    let others = snapshot.methods().filter(|own| !routed.contains(&name_of(&own.endpoint)));
    let by_routes = [Dialect::Rest, Dialect::Xml, Dialect::Soap];
    let others =
        others.filter(|own| own.endpoint.dialects.iter().any(|dialect| !by_routes.contains(dialect)));
    let mut others: Vec<_> = others.collect();
    others.sort_by_key(|own| (&own.template, &own.endpoint.version));
    ways.extend(others.into_iter().map(|own| Way {
        verb: "POST",
        path: &own.template,
        condition: None,
        leads: Leads::Method(&own.endpoint),
    }));
    ways
}

/// What is answered without a call, in a few words: `-> /v2/users/{id} (308)`, `answer (200)`.
pub fn summary(fixed: &Fixed) -> String {
    match &fixed.content {
        Content::Redirect(to) => format!("-> {} ({})", to.location.as_str(), to.status.as_u16()),
        Content::Page(page) => format!("answer ({})", page.status.as_u16()),
    }
}

fn fixed(fixed: &Fixed) -> (&'static str, Json) {
    match &fixed.content {
        Content::Redirect(to) => {
            ("redirect", json!({ "to": to.location.as_str(), "status": to.status.as_u16() }))
        }
        Content::Page(page) => {
            let content_type = page.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
            let (status, bytes) = (page.status.as_u16(), page.body.len());
            ("answer", json!({ "status": status, "content_type": content_type, "bytes": bytes }))
        }
    }
}

/// A condition; `*` is any value.
fn when(condition: &Condition) -> Json {
    let pairs = |pairs: &[(Box<str>, Wanted)]| -> Json {
        let value = |wanted: &Wanted| match wanted {
            Wanted::Any => "*".to_owned(),
            Wanted::Is(text) => text.to_string(),
        };
        pairs.iter().map(|(name, wanted)| (name.to_string(), value(wanted))).collect()
    };
    json!({
        "host": condition.host.as_ref().map(ToString::to_string),
        "headers": pairs(&condition.headers),
        "query": pairs(&condition.query),
        "cookies": pairs(&condition.cookies),
    })
}

/// A method, which several versions may have.
fn name_of(endpoint: &Endpoint) -> (&str, Option<&str>) {
    (&endpoint.full_name, endpoint.version.as_deref())
}

fn part(part: &Part) -> Json {
    json!({
        "name": part.name,
        "method": part.method,
        "upstream": part.upstream,
        "optional": part.is_optional,
    })
}

fn choice(choice: &Choice) -> Json {
    json!({
        "upstream": choice.upstream,
        "when": choice.when,
        "share": choice.share,
        "sticky": choice.sticky,
    })
}

/// Every way to reach a method, for programs.
pub fn routes(snapshot: &Snapshot) -> Json {
    let routes = ways(snapshot).into_iter().map(|way| {
        let Way { verb, path, condition, leads } = way;
        let mut route = match leads {
            Leads::Method(endpoint) => method(verb, path, endpoint),
            Leads::Fixed(found) => {
                let (key, value) = fixed(found);
                json!({ "verb": verb, "path": path, "method": null, key: value })
            }
        };
        if let Some(condition) = condition {
            route["when"] = when(condition);
        }
        route
    });
    let soap = soap(snapshot).map(|(path, method, endpoint)| {
        let mut route = json!({
            "verb": "POST",
            "path": path,
            "method": method,
            "upstream": endpoint.upstream(),
            "dialects": [Dialect::Soap.name()],
            "client_streaming": false,
            "server_streaming": false,
        });
        if let Some(version) = &endpoint.version {
            route["version"] = (**version).into();
        }
        route
    });
    routes.chain(soap).collect()
}

fn method(verb: &str, path: &str, endpoint: &Endpoint) -> Json {
    let mut route = json!({
        "verb": verb,
        "path": path,
        "method": endpoint.full_name,
        "upstream": endpoint.upstream(),
        "dialects": dialects(endpoint),
        // Besides, the route itself can be upgraded.
        "websocket": endpoint.speaks(Dialect::WebSocket).then(|| format!("/ws/{}", endpoint.full_name)),
        "policies": endpoint.policies,
        "client_streaming": endpoint.method.client_streaming,
        "server_streaming": endpoint.method.server_streaming,
    });
    if let Some(version) = &endpoint.version {
        route["version"] = (**version).into();
    }
    if !endpoint.parts.is_empty() {
        route["parts"] = endpoint.parts.iter().map(part).collect();
    }
    if !endpoint.split.choices.is_empty() {
        route["split"] = endpoint.split.choices.iter().map(choice).collect();
    }
    if let Some(shadow) = &endpoint.split.shadow {
        route["shadow"] = json!({ "upstream": shadow.upstream, "share": shadow.share });
    }
    route
}

pub(super) async fn answer(State(gateway): State<Arc<dyn Gateway>>) -> Response {
    super::answer(StatusCode::OK, &routes(&gateway.snapshot()))
}
