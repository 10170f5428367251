//! Routes: path templates of `google/api/http.proto` and the table that finds the one for a request.
//!
//! This room is pure: text in, answers out. It knows neither HTTP types nor protobuf; a [`table::Table`]
//! is generic over what its routes lead to.
//!
//! - [`template`]: the grammar, parsed into segments, variables and a verb.
//! - [`table`]: which route answers a method and a path, and with which captured values.
//! - [`decode`]: percent-decoding, and what is wrong with a path that cannot be decoded.
//! - [`query`]: the pairs of a query string.
//! - [`condition`]: what else of a request's head a route may depend on.

pub mod condition;
pub mod decode;
pub mod query;
pub mod table;
pub mod template;

mod path;
mod trie;
