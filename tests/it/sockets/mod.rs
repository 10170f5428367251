//! WebSockets through the real binary: clients that others wrote, a client that keeps to nothing, and very many at once.

use std::net::SocketAddr;

use serde_json::json;

use crate::support::backend;
use crate::support::client::{self, Answer, Version};
use crate::support::gateway::Gateway;
use crate::support::process::Server;

mod clients;
mod conformance;
mod crowd;
mod life;
mod raw;
mod slow;

/// The origin that the gateway's services allow.
const ORIGIN: &str = "https://shop.example";

/// A gateway in front of the echo server of `tests/python`.
struct Setting {
    gateway: Gateway,
    backend: Server,
}

impl Setting {
    fn new() -> Self {
        Self::with("")
    }

    /// With more of a configuration.
    fn with(more: &str) -> Self {
        let backend = backend::python_server("tests/python/echo_server.py");
        let config = format!(
            "{}{more}upstreams:\n  echo: http://{}\nservices:\n  - {{service: \"**\", cors: {{origins: [\"{ORIGIN}\"]}}}}\n\
             telemetry: {{access_log: json}}\n",
            Gateway::ANY_PORT,
            backend.address()
        );
        Self { gateway: Gateway::with_config(&config), backend }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Waits until the stream of this name has come so far at the backend, and says how many messages it has sent or
    /// received.
    fn reaches(&self, state: &str, id: &str) -> u64 {
        let answer = self.get(&format!("/v1/await/{state}/{id}"));
        assert_eq!(answer["reached"], true, "{id} is not {state}");
        answer["messages"].as_u64().unwrap_or(0)
    }

    /// Fails unless an ordinary call is answered.
    fn is_alive(&self) {
        assert_eq!(self.get("/v1/echo/alive"), json!({"string": "alive"}));
    }

    fn get(&self, target: &str) -> serde_json::Value {
        self.send("GET", target, &[], "").json()
    }

    /// Sends an ordinary request over HTTP/1.1.
    fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &'static str) -> Answer {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(client::send(self.address(), Version::Http1, method, target, headers, body))
    }
}
