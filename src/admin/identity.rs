//! `/identity`

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::Gateway;

pub(super) async fn answer(State(gateway): State<Arc<dyn Gateway>>) -> Response {
    let (issuers, introspections) = gateway.identities();
    let issuers: Vec<Json> = issuers
        .iter()
        .map(|report| {
            json!({
                "name": report.name,
                "place": report.place,
                "keys": report.keys,
                "answered": report.answered.map(unix),
                "failure": report.failure,
            })
        })
        .collect();
    let introspections: Vec<Json> = introspections
        .iter()
        .map(|report| json!({ "name": report.name, "place": report.place, "failure": report.failure }))
        .collect();
    super::answer(StatusCode::OK, &json!({ "jwt": issuers, "introspection": introspections }))
}

/// Seconds since 1970.
fn unix(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
