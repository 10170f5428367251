//! `/routes`, and the same for the command line.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::Gateway;
use crate::snapshot::{Endpoint, Snapshot};

/// The names of the dialects in which a method is served: REST by its routes, the others by its own path.
pub fn dialects(endpoint: &Endpoint) -> Vec<&'static str> {
    endpoint.dialects.iter().map(|dialect| dialect.name()).collect()
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
            "policies": endpoint.policies,
            "client_streaming": endpoint.method.client_streaming,
            "server_streaming": endpoint.method.server_streaming,
        })
    });
    routes.collect()
}

pub(super) async fn answer(State(gateway): State<Arc<dyn Gateway>>) -> Response {
    super::answer(StatusCode::OK, &routes(&gateway.snapshot()))
}
