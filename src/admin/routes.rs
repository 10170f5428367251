//! `/routes`, and the same for the command line.

use std::collections::HashSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::Gateway;
use crate::call::Dialect;
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
    let spoken = snapshot.surface.services.iter().filter(|service| service.speaks(Dialect::Soap));
    spoken.filter_map(|service| {
        let endpoint = &service.routes.first()?.endpoint;
        Some((format!("/soap/{}", service.name), format!("{}/*", service.name), &**endpoint))
    })
}

/// A way to reach a method.
#[derive(Clone, Copy, Debug)]
pub struct Way<'s> {
    /// The verb, `*` for any.
    pub verb: &'s str,
    /// The template of the path.
    pub path: &'s str,
    /// The method.
    pub endpoint: &'s Endpoint,
}

/// Every route of a snapshot, and behind them in the order of their names the methods that have none and are reached by
/// their own path, in other dialects than REST.
pub fn ways(snapshot: &Snapshot) -> Vec<Way<'_>> {
    let routes = snapshot.surface.routes.routes().iter();
    let mut ways: Vec<_> = routes
        .map(|route| Way {
            verb: route.method(),
            path: route.template().as_str(),
            endpoint: &route.target().endpoint,
        })
        .collect();
    let routed: HashSet<&str> = ways.iter().map(|way| &*way.endpoint.full_name).collect();
    let others = snapshot.surface.methods.values().filter(|own| !routed.contains(&*own.endpoint.full_name));
    let by_routes = [Dialect::Rest, Dialect::Xml, Dialect::Soap];
    let others =
        others.filter(|own| own.endpoint.dialects.iter().any(|dialect| !by_routes.contains(dialect)));
    let mut others: Vec<_> =
        others.map(|own| Way { verb: "POST", path: &own.template, endpoint: &own.endpoint }).collect();
    others.sort_by_key(|way| way.path);
    ways.append(&mut others);
    ways
}

fn part(part: &Part) -> Json {
    json!({
        "name": part.name,
        "method": part.method,
        "upstream": part.upstream,
        "optional": part.is_optional,
    })
}

/// Every way to reach a method, for programs.
pub fn routes(snapshot: &Snapshot) -> Json {
    let routes = ways(snapshot).into_iter().map(|Way { verb, path, endpoint }| {
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
        if !endpoint.parts.is_empty() {
            route["parts"] = endpoint.parts.iter().map(part).collect();
        }
        route
    });
    let soap = soap(snapshot).map(|(path, method, endpoint)| {
        json!({
            "verb": "POST",
            "path": path,
            "method": method,
            "upstream": endpoint.upstream(),
            "dialects": [Dialect::Soap.name()],
            "client_streaming": false,
            "server_streaming": false,
        })
    });
    routes.chain(soap).collect()
}

pub(super) async fn answer(State(gateway): State<Arc<dyn Gateway>>) -> Response {
    super::answer(StatusCode::OK, &routes(&gateway.snapshot()))
}
