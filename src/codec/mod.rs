//! Text to and from protobuf wire bytes, straight through the tables of [`schema`](crate::schema):
//! synchronous, without I/O, without a tree in between.

pub mod binding;
mod decimal;
mod error;
pub mod field_path;
mod fields;
pub mod http_body;
pub mod json;
mod mask;
pub mod multipart;
mod number;
mod pieces;
pub mod required;
mod time;
mod well_known;
pub mod xml;
