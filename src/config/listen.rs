//! `listeners`

use std::net::{Ipv4Addr, SocketAddr};

use super::place::Located;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::tls::ListenerTls;

settings! {
    /// An address that Transom listens on: HTTP/1.1 and HTTP/2 on the same port, with TLS or without.
    pub struct Listener default {
        /// IP address and port, or `localhost` and a port. Port 0 lets the system choose.
        address: Located<SocketAddr> = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)).into(),
        /// Speak TLS here, and nothing else.
        tls: Option<ListenerTls> = None,
        /// Only proxies among `trusted_proxies` connect here, and say by the PROXY protocol (version 1 or 2) whose
        /// connection they pass on. Connections of others are closed.
        proxy_protocol: Located<bool> = false.into(),
    }
    check check(address)
    example "Write `- address: 0.0.0.0:8080`."
}

impl Listener {
    fn check(reader: &mut Reader<'_>, address: Option<&Located<SocketAddr>>) {
        // Port 0 is another port each time.
        if let Some(address) = address.filter(|address| address.port() != 0) {
            reader.once("address", address);
        }
    }
}
