//! What the server counts.

use super::refusal::Refusal;
use crate::telemetry::metrics::Tally;

/// Connections that are open.
pub static CONNECTIONS: Tally<3> = Tally::levels(
    "transom_connections",
    "Connections of clients that are open, by the version of HTTP that they speak.",
    [
        r#"network_protocol_version="unknown""#,
        r#"network_protocol_version="1.1""#,
        r#"network_protocol_version="2""#,
    ],
);
pub(super) const UNKNOWN: usize = 0;
pub(super) const HTTP1: usize = 1;
pub(super) const HTTP2: usize = 2;

/// Connections that were accepted.
pub static ACCEPTED: Tally<1> =
    Tally::counters("transom_connections_accepted_total", "Connections of clients that were accepted.", [""]);

/// Bytes on the connections.
pub static BYTES: Tally<2> = Tally::counters(
    "transom_network_io_bytes_total",
    "Bytes received from clients and sent to them, with all that HTTP adds.",
    [r#"network_io_direction="receive""#, r#"network_io_direction="transmit""#],
);
pub(super) const RECEIVED: usize = 0;
pub(super) const SENT: usize = 1;

/// Requests that no handler sees.
pub static REFUSALS: Tally<13> = Tally::counters(
    "transom_refused_requests_total",
    "Requests that were refused before a route was looked for, by the reason.",
    [
        r#"reason="uri_too_long""#,
        r#"reason="too_many_headers""#,
        r#"reason="headers_too_large""#,
        r#"reason="no_host""#,
        r#"reason="several_hosts""#,
        r#"reason="bad_host""#,
        r#"reason="host_conflict""#,
        r#"reason="trace""#,
        r#"reason="connect""#,
        r#"reason="panicked""#,
        r#"reason="expectation""#,
        r#"reason="transfer_coding""#,
        r#"reason="plaintext""#,
    ],
);

/// The position of a refusal in [`REFUSALS`].
pub(super) const fn refusal_index(refusal: Refusal) -> usize {
    match refusal {
        Refusal::UriTooLong(_) => 0,
        Refusal::TooManyHeaders(_) => 1,
        Refusal::HeadersTooLarge(_) => 2,
        Refusal::NoHost => 3,
        Refusal::SeveralHosts => 4,
        Refusal::BadHost => 5,
        Refusal::HostConflict => 6,
        Refusal::Trace => 7,
        Refusal::Connect => 8,
        Refusal::Panicked => 9,
        Refusal::Expectation => 10,
        Refusal::TransferCoding => 11,
        Refusal::Plaintext => 12,
    }
}
