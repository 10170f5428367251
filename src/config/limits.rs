//! `http` and `codec`: the limits that keep hostile input small.

use std::time::Duration;

use super::place::Located;
use super::settings::declare::settings;
use super::value::size::ByteSize;

/// The longest that a timeout may be.
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const HUNDRED_MILLIS: Duration = Duration::from_millis(100);

settings! {
    /// Limits of HTTP. What is larger is refused, what is slower is cut.
    pub struct Http default {
        /// The largest body of a request.
        body: Located<ByteSize> = ByteSize::mib(4).into() => ByteSize::kib(1)..=ByteSize::gib(1),
        /// All headers of a request together, decoded.
        headers: Located<ByteSize> = ByteSize::kib(60).into() => ByteSize::kib(1)..=ByteSize::mib(1),
        /// The number of headers of a request.
        header_count: Located<u32> = 100.into() => 10..=1_000,
        /// The longest path with its query.
        uri: Located<ByteSize> = ByteSize::kib(8).into() => ByteSize::kib(1)..=ByteSize::kib(60),
        /// Requests at a time on an HTTP/2 connection.
        streams_per_connection: Located<u32> = 100.into() => 1..=10_000,
        /// How much of a request's body an HTTP/2 client may send ahead of the call that reads it.
        stream_window: Located<ByteSize> = ByteSize::kib(64).into() => ByteSize::kib(16)..=ByteSize::mib(16),
        /// How many more calls of an HTTP/2 connection may be reset than are completed before it is told to go.
        resets: Located<u32> = 100.into() => 10..=100_000,
        /// How many frames that carry nothing of a request (pings, settings, windows) an HTTP/2 client may send in ten
        /// seconds, beyond ten for each frame of a request or an answer, before it is told to go.
        control_frames: Located<u32> = 1_000.into() => 100..=1_000_000,
        /// Connections at a time; more wait. Without it: fewer than half of the files that the process may open.
        connections: Option<Located<u32>> = None => 1..=1_000_000,
        /// How long the headers of a request may take.
        header_timeout: Located<Duration> = Duration::from_secs(10).into()
            => HUNDRED_MILLIS..=Duration::from_secs(300),
        /// How long a request may pause within its body.
        body_timeout: Located<Duration> = Duration::from_secs(10).into()
            => HUNDRED_MILLIS..=Duration::from_secs(3600),
        /// How long a request may take to arrive as a whole.
        request_timeout: Located<Duration> = Duration::from_secs(60).into() => HUNDRED_MILLIS..=DAY,
        /// How long a client may take nothing of what is sent to it.
        write_timeout: Located<Duration> = Duration::from_secs(10).into()
            => HUNDRED_MILLIS..=Duration::from_secs(3600),
        /// How long a connection without requests is kept.
        idle_timeout: Located<Duration> = Duration::from_secs(60).into() => Duration::from_secs(1)..=DAY,
        /// How long calls in flight may take to finish once the process is told to stop. Streams that go on
        /// are cut then.
        drain_timeout: Located<Duration> = Duration::from_secs(30).into() => HUNDRED_MILLIS..=DAY,
        /// How long connections are still taken once the process is told to stop, while `/readyz` says that it
        /// is not ready: the time that load balancers need to notice.
        drain_delay: Located<Duration> = Duration::ZERO.into() => Duration::ZERO..=Duration::from_secs(300),
        /// The number of parameters of a query, and of fields of a form.
        query_parameters: Located<u32> = 1_000.into() => 1..=100_000,
        /// Which bodies may be compressed, in gzip, br or zstd. Leave answers out where they hold a secret beside
        /// text that somebody else chose, who could tell the secret from their size (BREACH).
        compression: Located<Encodings> = Encodings::Both.into(),
    }
}

settings! {
    /// Which bodies may be compressed.
    pub enum Encodings {
        /// Those of requests and of answers.
        "both" => Both,
        /// Those of requests.
        "requests" => Requests,
        /// Those of answers.
        "answers" => Answers,
        /// None.
        "none" => None,
    }
}

settings! {
    /// Limits of messages.
    pub struct Codec default {
        /// How deep JSON and XML may be nested.
        json_depth: Located<u32> = 64.into() => 1..=256,
        /// How many elements XML may have.
        xml_elements: Located<u32> = 100_000.into() => 100..=10_000_000,
        /// How deep protobuf messages may be nested.
        message_depth: Located<u32> = 100.into() => 1..=256,
        /// The largest protobuf message, in either direction.
        message: Located<ByteSize> = ByteSize::mib(4).into() => ByteSize::kib(1)..=ByteSize::gib(1),
        /// How many fields the dotted path of a query parameter may have.
        query_depth: Located<u32> = 32.into() => 1..=256,
    }
}
