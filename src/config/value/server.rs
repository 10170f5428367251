//! Name servers.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

/// The port of name servers.
const PORT: u16 = 53;

/// Where a name server listens: an IP address, with a port if that is not 53.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameServer(pub SocketAddr);

impl Scalar for NameServer {
    const WHAT: &'static str = "the address of a name server, such as 10.0.0.2";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let address = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, PORT));
        let address = address.or_else(|_| text.parse::<SocketAddr>());
        address.ok().filter(|address| address.port() != 0).map(Self).ok_or_else(|| {
            let hint = "Write an IP address, such as 10.0.0.2 or fd00::2, and a port if that is not 53: 10.0.0.2:5353 \
                        or [fd00::2]:5353.";
            Flaw::new(format!("{} is not the address of a name server.", quote(text)), hint)
        })
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^([0-9.]+(:[0-9]+)?|[0-9A-Fa-f:.]+|\\[[0-9A-Fa-f:.]+\\]:[0-9]+)$" })
    }

    fn to_json(&self) -> Json {
        if self.0.port() == PORT { self.0.ip().to_string().into() } else { self.0.to_string().into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::check;

    #[test]
    fn name_servers() {
        let hint = "Write an IP address, such as 10.0.0.2 or fd00::2, and a port if that is not 53: 10.0.0.2:5353 or \
                    [fd00::2]:5353.";
        check::<NameServer>(&[
            ("10.0.0.2", Ok("10.0.0.2")),
            ("10.0.0.2:53", Ok("10.0.0.2")),
            ("10.0.0.2:5353", Ok("10.0.0.2:5353")),
            ("fd00::2", Ok("fd00::2")),
            ("[fd00::2]:5353", Ok("[fd00::2]:5353")),
            ("10.0.0.2:0", Err(("`10.0.0.2:0` is not the address of a name server.", hint))),
            ("ns1.internal", Err(("`ns1.internal` is not the address of a name server.", hint))),
            ("", Err(("`` is not the address of a name server.", hint))),
        ]);
    }
}
