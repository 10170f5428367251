//! Methods that stream, through the real binary: a grpcio server that misbehaves as it is told on one side,
//! clients that others wrote on the other.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::backend;
use crate::support::client::{self, Version};
use crate::support::gateway::Gateway;
use crate::support::process::Server;

mod bounds;
mod browser;
mod clients;
mod forms;
mod life;
mod small;
mod uploads;

const VERSIONS: [Version; 2] = [Version::Http1, Version::Http2];
const LINES: (&str, &str) = ("accept", "application/x-ndjson");

/// A gateway in front of the echo server of `tests/python`.
struct Setting {
    gateway: Gateway,
    backend: Server,
}

impl Setting {
    fn new() -> Self {
        Self::with_limits("")
    }

    /// With a part of the configuration that sets limits.
    fn with_limits(limits: &str) -> Self {
        let backend = backend::python_server("tests/python/echo_server.py");
        let config = format!(
            "{}{limits}upstreams:\n  echo: http://{}\nservices: [\"**\"]\n",
            Gateway::ANY_PORT,
            backend.address()
        );
        Self { gateway: Gateway::with_config(&config), backend }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Waits until the stream of this name has come so far at the backend, and says how many messages it
    /// has sent or received.
    async fn reaches(&self, state: &str, id: &str) -> u64 {
        let answer = client::get(self.address(), &format!("/v1/await/{state}/{id}")).await.json();
        assert_eq!(answer["reached"], true, "{id} is not {state}");
        answer["messages"].as_u64().unwrap_or(0)
    }

    /// Fails unless an ordinary call is answered.
    async fn is_alive(&self) {
        let answer = client::get(self.address(), "/v1/echo/alive").await;
        assert_eq!(answer.json(), json!({"string": "alive"}));
    }
}

/// The element that ends a stream which failed.
fn error(code: u8, message: &str) -> Value {
    let kind = "type.googleapis.com/google.rpc.Status";
    json!({"error": {"@type": kind, "code": code, "message": message, "details": []}})
}
