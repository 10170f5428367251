//! `/livez` and `/readyz`, for those who decide whether to restart the process or to send it traffic.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{Extensions, StatusCode};
use serde_json::{Value as Json, json};

use super::{Gateway, Trusted, answer};

/// What everybody may ask.
pub(super) const PATHS: [&str; 2] = ["/livez", "/readyz"];

pub(super) async fn live() -> Response {
    answer(StatusCode::OK, &json!({ "live": true }))
}

/// Ready while something is served. What is missing is said in any case, and to those who may know it also why.
pub(super) async fn ready(State(gateway): State<Arc<dyn Gateway>>, extensions: Extensions) -> Response {
    let snapshot = gateway.snapshot();
    let is_draining = gateway.is_draining();
    let is_ready = !is_draining && snapshot.is_ready();
    let is_trusted = extensions.get::<Trusted>().is_some();
    let missing: Vec<Json> = snapshot
        .missing
        .iter()
        .map(|missing| match is_trusted {
            true => json!({ "upstream": missing.upstream, "reason": missing.reason }),
            false => json!({ "upstream": missing.upstream }),
        })
        .collect();
    let json = json!({
        "ready": is_ready,
        "draining": is_draining,
        // No reason to send traffic elsewhere: it is answered, in words.
        "maintenance": gateway.handle().maintenance().is_on(),
        "generation": gateway.generation(),
        "missing": missing,
    });
    answer(if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &json)
}
