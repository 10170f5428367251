//! gRPC clients through the gateway, beside the same clients at the backend itself.

use crate::support::backend;
use crate::support::gateway::Gateway;
use crate::support::process::{python, run};

#[test]
fn a_grpcio_client_sees_what_it_sees_of_the_backend() {
    let backend = backend::python_server("tests/python/echo_server.py");
    let gateway = Gateway::in_front_of(&[backend.address()]);
    let addresses = [backend.address().to_string(), gateway.address().to_string()];
    run(python("tests/python/grpc_client.py").args(addresses));
}
