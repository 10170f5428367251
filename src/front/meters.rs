//! What the front counts.

use crate::telemetry::metrics::Tally;

/// Calls of streaming methods that are open.
pub static STREAMS: Tally<1> =
    Tally::levels("transom_streams", "Calls of streaming methods that are open.", [""]);

/// Messages of streams.
pub static MESSAGES: Tally<2> = Tally::counters(
    "transom_stream_messages_total",
    "Messages of streams that were received from callers and sent to them.",
    [r#"direction="received""#, r#"direction="sent""#],
);
pub(super) const RECEIVED: usize = 0;
pub(super) const SENT: usize = 1;

/// WebSockets.
pub static SOCKETS: Tally<1> = Tally::levels("transom_websockets", "WebSockets that are open.", [""]);

/// Messages of WebSockets.
pub static SOCKET_MESSAGES: Tally<2> = Tally::counters(
    "transom_websocket_messages_total",
    "Messages that were received from clients and sent to them on WebSockets.",
    [r#"direction="received""#, r#"direction="sent""#],
);

/// How WebSockets ended.
pub static SOCKET_CLOSES: Tally<27> = Tally::counters(
    "transom_websocket_closes_total",
    "WebSockets that ended, by the close code that decided it; 1006 is a connection that was lost.",
    [
        r#"code="1000""#,
        r#"code="1001""#,
        r#"code="1002""#,
        r#"code="1003""#,
        r#"code="1006""#,
        r#"code="1007""#,
        r#"code="1008""#,
        r#"code="1009""#,
        r#"code="1011""#,
        r#"code="1012""#,
        r#"code="4001""#,
        r#"code="4002""#,
        r#"code="4003""#,
        r#"code="4004""#,
        r#"code="4005""#,
        r#"code="4006""#,
        r#"code="4007""#,
        r#"code="4008""#,
        r#"code="4009""#,
        r#"code="4010""#,
        r#"code="4011""#,
        r#"code="4012""#,
        r#"code="4013""#,
        r#"code="4014""#,
        r#"code="4015""#,
        r#"code="4016""#,
        r#"code="_OTHER""#,
    ],
);

/// What could not be transcoded.
pub static CODEC_ERRORS: Tally<2> = Tally::counters(
    "transom_codec_errors_total",
    "Requests of callers that could not be read as messages, and messages of backends that could not be written.",
    [r#"operation="read""#, r#"operation="write""#],
);
pub(super) const READ: usize = 0;
pub(super) const WRITE: usize = 1;
