//! `admin`

use std::net::{Ipv4Addr, SocketAddr};

use super::place::Located;
use super::problem::Problem;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::value::secret::Secret;

settings! {
    /// The listener for operators: health, readiness, routes, upstreams, the configuration, and reload. There is
    /// none without this section.
    pub struct Admin default, short for address {
        /// IP address and port, or `localhost` and a port.
        address: Located<SocketAddr> = SocketAddr::from((Ipv4Addr::LOCALHOST, 9901)).into(),
        /// What callers have to send as `Authorization: Bearer TOKEN`, except for `/livez` and `/readyz`. It is
        /// needed when the address can be reached from other machines.
        token: Option<Located<Secret>> = None,
    }
    check check(address, token)
    example "Write `admin: {address: 127.0.0.1:9901}`."
}

impl Admin {
    fn check(
        reader: &mut Reader<'_>,
        address: Option<&Located<SocketAddr>>,
        token: Option<&Option<Located<Secret>>>,
    ) {
        if let Some(address) = address.filter(|address| address.port() != 0) {
            reader.once("address", address);
        }
        let (Some(address), Some(token)) = (address, token) else { return };
        if token.is_none() && !address.ip().is_loopback() {
            let message = format!(
                "The admin address {} can be reached from other machines and has no token.",
                **address
            );
            let hint =
                "Write `token: file:PATH` or `token: env:NAME` beside it, or the address 127.0.0.1:9901.";
            let _: Option<()> = reader.error(Problem::error(message).at(address.place).hint(hint));
        }
    }
}
