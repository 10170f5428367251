//! Where traces go.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::address::Target;
use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const HINT: &str = "Write http://HOST:4317, the address at which the collector takes OTLP over gRPC.";

/// The port at which collectors take OTLP over gRPC.
const PORT: u16 = 4317;

/// The address of a collector, `http://host:port`, where it takes OTLP over gRPC. Port 4317 if none is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collector {
    authority: String,
}

impl Collector {
    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.authority)
    }
}

impl Scalar for Collector {
    const WHAT: &'static str = "a URL such as http://collector:4317";

    fn parse(text: &str, base: &Path) -> Result<Self, Flaw> {
        if text.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:")) {
            return Err(Flaw::new("This version of Transom does not send traces over TLS yet.", HINT));
        }
        let target = Target::parse(text, base).map_err(|flaw| Flaw::new(flaw.message, HINT))?;
        let Target::Tcp { host, port } = target else {
            let message =
                format!("{} is a socket of this machine, where no collector is asked.", quote(text));
            return Err(Flaw::new(message, HINT));
        };
        let authority = text.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let has_port =
            authority.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
        let port = if has_port { port } else { PORT };
        Ok(Self { authority: Target::Tcp { host, port }.authority() })
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[Hh][Tt][Tt][Pp]://[^@/?#\\s]+/?$" })
    }

    fn to_json(&self) -> Json {
        self.url().into()
    }
}

#[cfg(test)]
mod tests {
    use super::{Collector, HINT};
    use crate::config::value::check;

    #[test]
    fn collectors() {
        check::<Collector>(&[
            ("http://collector:4317", Ok("http://collector:4317")),
            ("http://Collector/", Ok("http://collector:4317")),
            ("http://127.0.0.1:80", Ok("http://127.0.0.1:80")),
            ("http://[::1]", Ok("http://[::1]:4317")),
            ("http://[::1]:1", Ok("http://[::1]:1")),
            ("https://c", Err(("This version of Transom does not send traces over TLS yet.", HINT))),
            ("HTTPS://c", Err(("This version of Transom does not send traces over TLS yet.", HINT))),
            (
                "unix:/run/c",
                Err(("`unix:/run/c` is a socket of this machine, where no collector is asked.", HINT)),
            ),
            ("collector:4317", Err(("`collector:4317` has no scheme.", HINT))),
            ("http://c/v1/traces", Err(("A target is a host and a port, without `/v1/traces`.", HINT))),
            ("http://me:pw@c", Err(("A target cannot carry a user name or password.", HINT))),
        ]);
    }
}
