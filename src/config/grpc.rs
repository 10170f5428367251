//! `grpc`

use super::place::Located;
use super::policy::Use;
use super::settings::declare::settings;

settings! {
    /// The services of the package `grpc` that Transom answers itself, about what it exposes: in gRPC, gRPC-Web and
    /// Connect, on every listener. Each is `true`, `false` or a mapping.
    pub struct Grpc default {
        /// Answer `grpc.health.v1.Health`: whether the gateway, and the upstream of each service that is exposed, can
        /// be called.
        health: OwnService = OwnService::default(),
        /// Answer `grpc.reflection`: whoever may call it learns the names of all services that are exposed, and the
        /// descriptors of their messages, without comments and without other services. What XML Schema and WSDL tell is
        /// a matter of `documents`.
        reflection: OwnService = OwnService::default(),
    }
}

settings! {
    /// A service that Transom answers itself: whether it does, or a mapping.
    pub struct OwnService default, short for enabled {
        /// Whether it is answered.
        enabled: Located<bool> = true.into(),
        /// The policies that say who may call it. All of them hold that apply; without any, everybody may who can
        /// connect.
        policy: Vec<Use> = Vec::new(),
    }
    example "Write `true`, `false` or `{policy: [POLICY]}`."
}
