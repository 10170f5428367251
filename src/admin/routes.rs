//! `/routes`, and the same for the command line.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::Gateway;
use crate::call::Dialect;
use crate::snapshot::{Endpoint, Snapshot};

/// The names of the dialects in which a method is served: REST by its routes, the others by its own path.
/// SOAP has no streams of requests.
pub fn dialects(endpoint: &Endpoint) -> Vec<&'static str> {
    let streams = endpoint.method.client_streaming;
    let spoken = endpoint.dialects.iter().filter(|dialect| !(streams && **dialect == Dialect::Soap));
    spoken.map(|dialect| dialect.name()).collect()
}

/// The services in SOAP: the path of each, its name as all of its methods, and one of them.
pub fn soap(snapshot: &Snapshot) -> impl Iterator<Item = (String, String, &Endpoint)> {
    let spoken = snapshot.services.iter().filter(|service| service.speaks(Dialect::Soap));
    spoken.filter_map(|service| {
        let endpoint = &service.routes.first()?.endpoint;
        Some((format!("/soap/{}", service.name), format!("{}/*", service.name), &**endpoint))
    })
}

/// Every route of a snapshot, for programs.
pub fn routes(snapshot: &Snapshot) -> Json {
    let routes = snapshot.routes.routes().iter().map(|route| {
        let endpoint = &route.target().endpoint;
        json!({
            "verb": route.method(),
            "path": route.template().as_str(),
            "method": endpoint.full_name,
            "upstream": endpoint.upstream,
            "dialects": dialects(endpoint),
            "client_streaming": endpoint.method.client_streaming,
            "server_streaming": endpoint.method.server_streaming,
        })
    });
    let soap = soap(snapshot).map(|(path, method, endpoint)| {
        json!({
            "verb": "POST",
            "path": path,
            "method": method,
            "upstream": endpoint.upstream,
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
