//! `/reload`

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::Gateway;

/// What came of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the new configuration is served; otherwise the old one goes on.
    pub reloaded: bool,
    /// The generation that is served now.
    pub generation: u64,
    /// Everything that is wrong.
    pub errors: Vec<Said>,
    /// What works, but probably not as meant.
    pub warnings: Vec<Said>,
}

/// One thing that is said about a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What is wrong, in a sentence.
    pub message: String,
    /// Where: file, line and column.
    pub place: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Said {
    fn json(&self) -> Json {
        json!({ "message": self.message, "place": self.place, "hint": self.hint })
    }
}

pub(super) async fn answer(State(gateway): State<Arc<dyn Gateway>>) -> Response {
    let outcome = gateway.reload().await;
    let list = |said: &[Said]| said.iter().map(Said::json).collect::<Json>();
    let json = json!({
        "reloaded": outcome.reloaded,
        "generation": outcome.generation,
        "errors": list(&outcome.errors),
        "warnings": list(&outcome.warnings),
    });
    let status = if outcome.reloaded { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    super::answer(status, &json)
}
