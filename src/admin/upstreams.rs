//! `/upstreams`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::Gateway;
use crate::upstream::source::SourceReport;

fn source(source: &SourceReport) -> Json {
    json!({
        "source": source.name,
        "targets": source.targets,
        "answered_before_ms": source.answered.map(|answered| answered.as_millis() as u64),
        "failure": source.failure,
    })
}

pub(super) async fn answer(State(gateway): State<Arc<dyn Gateway>>) -> Response {
    let snapshot = gateway.snapshot();
    let upstreams = gateway.upstreams().into_iter().map(|(name, report)| {
        let missing = snapshot.missing.iter().find(|missing| missing.upstream == name);
        let methods = snapshot.methods().filter(|own| own.endpoint.upstream == name).count();
        let targets: Vec<Json> = report
            .targets
            .iter()
            .map(|target| {
                json!({
                    "target": target.target,
                    "source": target.source,
                    "open": target.open,
                    "opening": target.opening,
                    "resting": target.resting,
                    "failures": target.failures,
                    "in_flight": target.in_flight,
                    "failed_calls": target.failed_calls,
                    "ejected_for_ms": target.ejected_for.map(|left| left.as_millis() as u64),
                    "healthy": target.healthy,
                    "weight": target.weight,
                    "share": f64::from(target.part) / 1000.0,
                    "recent": target.recent.map(|recent| json!({
                        "calls": recent.calls,
                        "failed": recent.failed,
                        "typical_ms": recent.typical.map(|time| (time.as_secs_f64() * 1e5).round() / 100.0),
                    })),
                })
            })
            .collect();
        json!({
            "name": name,
            "methods": methods,
            "missing": missing.map(|missing| &missing.reason),
            "opened": report.opened,
            "in_flight": report.in_flight,
            "pending": report.pending,
            "adaptive": report.adaptive.map(|learnt| json!({
                "limit": learnt.limit,
                "in_flight": learnt.in_flight,
                "base_us": learnt.base.as_micros() as u64,
                "typical_us": learnt.typical.as_micros() as u64,
            })),
            "circuit_open_for_ms": report.open_for.map(|left| left.as_millis() as u64),
            "panics": report.panics,
            "targets": targets,
            "sources": report.sources.iter().map(source).collect::<Vec<_>>(),
        })
    });
    super::answer(StatusCode::OK, &upstreams.collect())
}
