//! What the tests stand on: the binary under test, backends, clients and JSON comparison.

pub(crate) mod authority;
pub(crate) mod backend;
pub(crate) mod client;
pub(crate) mod frames;
pub(crate) mod gateway;
pub(crate) mod json;
#[allow(dead_code, reason = "the tests of the crate use the rest")]
pub(crate) mod names;
pub(crate) mod process;
pub(crate) mod raw_backend;
pub(crate) mod sse;
pub(crate) mod stream;

use std::path::PathBuf;

/// The repository's top folder.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
