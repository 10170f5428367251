//! What is counted of those who know callers.

use crate::telemetry::metrics::Tally;

/// What was asked, and whether there was an answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    Keys,
    KeysFailed,
    Token,
    TokenFailed,
}

/// Requests to issuers and introspection endpoints.
pub static ASKED: Tally<4> = Tally::counters(
    "transom_identity_requests_total",
    "Requests to issuers for their keys and to introspection endpoints about tokens, by whether they were answered as they should be.",
    [
        r#"kind="keys",outcome="answered""#,
        r#"kind="keys",outcome="failed""#,
        r#"kind="introspection",outcome="answered""#,
        r#"kind="introspection",outcome="failed""#,
    ],
);

/// How a token was judged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Judged {
    Remembered,
    Checked,
}

/// Bearer tokens that were good.
pub static TOKENS: Tally<2> = Tally::counters(
    "transom_identity_tokens_total",
    "Bearer tokens that were good, by whether that was remembered from before or found out for this call.",
    [r#"verdict="remembered""#, r#"verdict="checked""#],
);
