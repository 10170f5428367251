//! Transom is the front door for gRPC services: one binary that loads protobuf descriptors and makes
//! every method reachable as REST/JSON.
//!
//! The rooms of the crate, from the ground up, and what each may import are described in
//! `ARCHITECTURE.md` and enforced by `tests/layering.rs`. The rooms without network, `schema`,
//! `codec`, `document`, `route`, `wire` and `status`, build without the default feature `gateway`.

pub mod codec;
pub mod document;
pub mod route;
pub mod schema;
pub mod status;
pub mod wire;

#[cfg(feature = "gateway")]
pub mod admin;
#[cfg(feature = "gateway")]
pub mod app;
#[cfg(feature = "gateway")]
pub mod call;
#[cfg(feature = "gateway")]
pub mod cli;
#[cfg(feature = "gateway")]
pub mod compile;
#[cfg(feature = "gateway")]
pub mod compose;
#[cfg(feature = "gateway")]
pub mod config;
#[cfg(feature = "gateway")]
pub mod demo;
#[cfg(feature = "gateway")]
pub mod front;
#[cfg(feature = "gateway")]
pub mod own;
#[cfg(feature = "gateway")]
pub mod policy;
#[cfg(feature = "gateway")]
pub mod server;
#[cfg(feature = "gateway")]
pub mod snapshot;
#[cfg(feature = "gateway")]
pub mod telemetry;
#[cfg(feature = "gateway")]
pub mod tls;
#[cfg(feature = "gateway")]
pub mod upstream;
