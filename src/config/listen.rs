//! `listeners`

use std::net::{Ipv4Addr, SocketAddr};

use super::place::Located;
use super::settings::declare::settings;

settings! {
    /// An address that Transom listens on, HTTP/1.1 and cleartext HTTP/2 on the same port.
    pub struct Listener default {
        /// IP address and port, or `localhost` and a port. Port 0 lets the system choose.
        address: Located<SocketAddr> = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)).into(),
    }
    later { tls }
    example "Write `- address: 0.0.0.0:8080`."
}
