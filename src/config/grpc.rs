//! `grpc`

use super::place::Located;
use super::settings::declare::settings;

settings! {
    /// The services of the package `grpc` that Transom answers itself, about what it exposes: in gRPC, gRPC-Web and
    /// Connect, on every listener.
    pub struct Grpc default {
        /// Answer `grpc.health.v1.Health`: whether the gateway, and the upstream of each service that is exposed, can
        /// be called.
        health: Located<bool> = true.into(),
        /// Answer `grpc.reflection`: whoever can connect learns the names of all services that are exposed, and the
        /// descriptors of their messages, without comments and without other services. With `false` nobody does.
        reflection: Located<bool> = true.into(),
    }
}
