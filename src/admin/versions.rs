//! `/versions`

use std::sync::Arc;
use std::time::SystemTime;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::Gateway;
use crate::snapshot::usage::{Caller, Callers};
use crate::snapshot::version::{Version, Versions};

pub(super) async fn answer(State(gateway): State<Arc<dyn Gateway>>) -> Response {
    let snapshot = gateway.snapshot();
    let versions = snapshot.versions.iter().flat_map(|versions| {
        let described = |(position, version)| version_of(versions, position, version);
        versions.list.iter().enumerate().map(described)
    });
    super::answer(StatusCode::OK, &versions.collect())
}

fn version_of(versions: &Versions, position: usize, version: &Version) -> Json {
    let mut described = json!({
        "name": *version.name,
        "default": versions.default == Some(position),
        "deprecated": version.deprecated.map(unix),
        "sunset": version.sunset.map(unix),
        "ended": version.is_over(SystemTime::now),
        "requests": version.usage.requests(),
    });
    if version.is_deprecated() {
        let Callers { known, unknown, others } = version.usage.callers();
        described["callers"] = known.iter().map(caller).collect();
        described["unknown"] = unknown.into();
        described["others"] = others.into();
    }
    described
}

fn caller(caller: &Caller) -> Json {
    json!({
        "principal": caller.principal,
        "owner": caller.owner,
        "requests": caller.requests,
        "last": unix(caller.last),
    })
}

/// Seconds since 1970.
fn unix(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
