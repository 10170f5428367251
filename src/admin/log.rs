//! What is logged, shown and changed while the process runs.

use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use super::{answer, refused};
use crate::telemetry::log;

/// The longest filter, in bytes.
const MAX: usize = 1 << 10;

pub(super) async fn show() -> Response {
    answer(StatusCode::OK, &json!({ "filter": log::current() }))
}

/// The body is the filter. It holds until the next one, or until a configuration is loaded that has one.
pub(super) async fn change(filter: String) -> Response {
    if filter.len() > MAX {
        return refused(413, &format!("The filter is longer than {MAX} bytes."));
    }
    match log::set(filter.trim()) {
        Ok(()) => {
            tracing::info!(filter = filter.trim(), "an operator has changed what is logged");
            show().await
        }
        Err(text) => refused(400, &text),
    }
}
