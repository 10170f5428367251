//! What a peer may ask of the server, in numbers.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use crate::call::network::Networks;

/// Bounds for everything that a peer can make grow or last.
///
/// The defaults are safe on the open internet. A value is used as it is; nothing here is checked against
/// anything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most header fields of a request. On HTTP/1 hyper answers more than this with a bare 431.
    pub headers: usize,
    /// Most bytes of header fields. On HTTP/1 they are counted as they are written; on HTTP/2 this is
    /// `SETTINGS_MAX_HEADER_LIST_SIZE`, counted as RFC 9113 section 10.5.1 says, and h2 answers more with a
    /// bare 431.
    pub header_bytes: usize,
    /// Longest path and query, in bytes.
    pub uri: usize,
    /// Most calls at a time on an HTTP/2 connection.
    pub streams: u32,
    /// How many bytes of a request's body an HTTP/2 peer may send ahead of the call that reads them.
    pub stream_window: u32,
    /// The same for all calls of a connection together. If it is less than that of all its calls, some that
    /// nobody reads hold up the others.
    pub connection_window: u32,
    /// How many more calls of an HTTP/2 connection may be reset than are completed before it is told to go. One
    /// that goes on is cut at twice as many.
    pub resets: usize,
    /// How many frames that carry nothing of a request an HTTP/2 client may send within ten seconds, beyond ten for
    /// each that does and for each of an answer, before it is told to go. One that goes on is cut at twice as many.
    pub control_frames: usize,
    /// How long a request's head may take from its first byte on; also the preface of HTTP/2.
    pub header_timeout: Duration,
    /// How long a connection may stay open without a call.
    pub idle_timeout: Duration,
    /// How long a peer may take nothing of what is ready for it: bytes of the connection, or, on HTTP/2, of
    /// one call. The connection or the call is ended then.
    pub write_timeout: Duration,
    /// How long calls in flight may take to finish once the server is told to stop.
    pub drain_timeout: Duration,
    /// The proxies that are believed about whose connection they pass on.
    pub proxies: Arc<Networks>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            headers: 100,
            header_bytes: 60 * 1024,
            uri: 8 * 1024,
            streams: 100,
            stream_window: 64 * 1024,
            connection_window: 100 * 64 * 1024,
            resets: 100,
            control_frames: 1_000,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(30),
            proxies: Arc::default(),
        }
    }
}

/// How many connections the process may have open by default: fewer than half of its file descriptors, so
/// that each can have one to an upstream, and at most a million.
pub fn default_connections() -> usize {
    connections_for(getrlimit(Resource::Nofile).current)
}

/// `None` stands for no limit.
fn connections_for(descriptors: Option<u64>) -> usize {
    let half = descriptors.unwrap_or(u64::MAX) / 2;
    usize::try_from(half).unwrap_or(usize::MAX).saturating_sub(1).clamp(1, 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_stay_below_half_of_the_descriptors() {
        for (descriptors, connections) in [
            (Some(1_024), 511),
            (Some(20_000), 9_999),
            (Some(3), 1),
            (Some(u64::MAX), 1_000_000),
            (None, 1_000_000),
        ] {
            assert_eq!(connections_for(descriptors), connections, "{descriptors:?}");
        }
        assert!(default_connections() >= 1);
    }
}
