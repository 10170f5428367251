//! `websocket`

use std::time::Duration;

use super::limits::DAY;
use super::place::Located;
use super::settings::declare::settings;
use super::value::size::ByteSize;

settings! {
    /// Limits of WebSockets.
    pub struct WebSocket default {
        /// The largest message of a client.
        message: Located<ByteSize> = ByteSize::mib(1).into() => ByteSize::kib(1)..=ByteSize::gib(1),
        /// How many messages a client may send in a second on one socket; twice as many at once. No limit if this is
        /// left out.
        messages_per_second: Option<Located<u32>> = None => 1..=1_000_000,
        /// How long a client may be silent before it is sent a ping. If it does not answer within the same time, the
        /// socket is closed.
        ping_interval: Located<Duration> = Duration::from_secs(30).into()
            => Duration::from_secs(1)..=Duration::from_secs(3600),
        /// How long a socket may be open without a message in either direction.
        idle_timeout: Located<Duration> = Duration::from_secs(15 * 60).into() => Duration::from_secs(1)..=DAY,
        /// How long a socket may be open. No limit if this is left out.
        duration: Option<Located<Duration>> = None => Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 3600),
        /// Sockets at a time.
        sockets: Located<u32> = 100_000.into() => 1..=10_000_000,
        /// Sockets at a time from one address; with IPv6, from one network of 64 bits. Those that come through a proxy count
        /// for the caller if the proxy is one of `trusted_proxies`, and else for the proxy.
        sockets_per_address: Located<u32> = 10_000.into() => 1..=10_000_000,
    }
}
