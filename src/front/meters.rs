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

/// What could not be transcoded.
pub static CODEC_ERRORS: Tally<2> = Tally::counters(
    "transom_codec_errors_total",
    "Requests of callers that could not be read as messages, and messages of backends that could not be written.",
    [r#"operation="read""#, r#"operation="write""#],
);
pub(super) const READ: usize = 0;
pub(super) const WRITE: usize = 1;
