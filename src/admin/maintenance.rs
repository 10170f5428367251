//! `/maintenance`

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::{Gateway, answer, refused};
use crate::snapshot::maintenance::{MAX_MESSAGE, Order};

/// The longest order, in bytes.
const MAX: usize = 8 << 10;

/// The longest time after which callers are told to try again, in seconds: a day.
const LATEST: u64 = 86_400;

pub(super) async fn show(State(gateway): State<Arc<dyn Gateway>>) -> Response {
    shown(&*gateway)
}

/// The body is an object with `message`, `retry_after` in seconds, both or nothing at all.
pub(super) async fn begin(State(gateway): State<Arc<dyn Gateway>>, body: String) -> Response {
    match read(&body) {
        Ok(order) => {
            gateway.handle().maintenance().by_operator(Some(order));
            shown(&*gateway)
        }
        Err(text) => refused(400, &text),
    }
}

pub(super) async fn end(State(gateway): State<Arc<dyn Gateway>>) -> Response {
    gateway.handle().maintenance().by_operator(None);
    shown(&*gateway)
}

fn shown(gateway: &dyn Gateway) -> Response {
    let state = gateway.handle().maintenance().state();
    let terms = gateway.snapshot();
    let wait = state.retry_after().unwrap_or(terms.maintenance.retry_after);
    let json = json!({
        "maintenance": state.is_on(),
        "message": state.is_on().then(|| state.message()),
        "retry_after": state.is_on().then_some(wait.as_secs()),
        "by_file": state.file.is_some(),
        "by_operator": state.order.is_some(),
    });
    answer(StatusCode::OK, &json)
}

/// Reads an order.
///
/// # Errors
/// What is wrong with it, in sentences.
fn read(text: &str) -> Result<Order, String> {
    const HINT: &str =
        "Send nothing, or an object such as {\"message\": \"Back at ten.\", \"retry_after\": 600}.";
    if text.len() > MAX {
        return Err(format!("The order is longer than {MAX} bytes."));
    }
    if text.trim().is_empty() {
        return Ok(Order::default());
    }
    let Ok(Json::Object(object)) = serde_json::from_str(text) else {
        return Err(format!("The order is no JSON object. {HINT}"));
    };
    let mut order = Order::default();
    for (key, value) in object {
        match (&*key, value) {
            ("message" | "retry_after", Json::Null) => {}
            ("message", Json::String(message)) if message.len() <= MAX_MESSAGE => {
                order.message = Some(message);
            }
            ("message", Json::String(_)) => {
                return Err(format!("The message is longer than {MAX_MESSAGE} bytes."));
            }
            ("message", _) => return Err(format!("The message is no text. {HINT}")),
            ("retry_after", value) => {
                let seconds = value.as_u64().filter(|seconds| (1..=LATEST).contains(seconds));
                let seconds = seconds.ok_or_else(|| {
                    format!("`retry_after` is no whole number of seconds from 1 to {LATEST}. {HINT}")
                })?;
                order.retry_after = Some(Duration::from_secs(seconds));
            }
            (other, _) => {
                return Err(format!(
                    "There is no key {:?} in an order. {HINT}",
                    other.chars().take(64).collect::<String>()
                ));
            }
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_or_explained() {
        let order = |message: Option<&str>, seconds: Option<u64>| Order {
            message: message.map(str::to_owned),
            retry_after: seconds.map(Duration::from_secs),
        };
        for (text, expected) in [
            ("", order(None, None)),
            (" \n", order(None, None)),
            ("{}", order(None, None)),
            (r#"{"message":"Back at ten."}"#, order(Some("Back at ten."), None)),
            (r#"{"message":null,"retry_after":600}"#, order(None, Some(600))),
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        let hint =
            "Send nothing, or an object such as {\"message\": \"Back at ten.\", \"retry_after\": 600}.";
        for (text, expected) in [
            ("on", format!("The order is no JSON object. {hint}")),
            ("[]", format!("The order is no JSON object. {hint}")),
            (r#"{"message":1}"#, format!("The message is no text. {hint}")),
            (
                r#"{"retry_after":"5m"}"#,
                format!("`retry_after` is no whole number of seconds from 1 to 86400. {hint}"),
            ),
            (
                r#"{"retry_after":0}"#,
                format!("`retry_after` is no whole number of seconds from 1 to 86400. {hint}"),
            ),
            (r#"{"text":"x"}"#, format!("There is no key \"text\" in an order. {hint}")),
        ] {
            assert_eq!(read(text), Err(expected), "{text}");
        }
        let long = format!("{{\"message\":\"{}\"}}", "x".repeat(MAX_MESSAGE + 1));
        assert_eq!(read(&long), Err("The message is longer than 1024 bytes.".to_owned()));
        assert_eq!(read(&"x".repeat(MAX + 1)), Err("The order is longer than 8192 bytes.".to_owned()));
    }
}
