//! What is measured of calls, on both sides of the gateway.

use crate::status::Code;
use crate::telemetry::metrics::{Dimension, Durations, Family};

/// How long calls of one method took, by their code.
pub type Calls = Durations<RpcCode>;

/// Calls that were received, each once, whatever became of them.
pub static SERVER: Family<Calls> = Family::new(
    "rpc_server_call_duration_seconds",
    "How long calls of callers took, to the end of the answer.",
    &["rpc_method", "dialect"],
);

/// Calls that were sent to upstreams, each try of them.
pub static CLIENT: Family<Calls> = Family::new(
    "rpc_client_call_duration_seconds",
    "How long calls to upstreams took, each try of them, to the end of the answer.",
    &["upstream", "rpc_method"],
);

/// Parts of aggregated methods that were called, each once, for however many items.
pub static PARTS: Family<Calls> = Family::new(
    "transom_part_duration_seconds",
    "How long parts of aggregated methods took, for all their items, to the end of the answer.",
    &["rpc_method", "part"],
);

/// The canonical code that a call ended with.
#[derive(Debug)]
pub struct RpcCode;

impl Dimension for RpcCode {
    const LABEL: &'static str = "rpc_response_status_code";
    const VALUES: &'static [&'static str] = &Code::NAMES;
}
