//! Text to and from protobuf wire bytes, straight through the tables of [`schema`](crate::schema):
//! synchronous, without I/O, without a tree in between.

mod decimal;
pub mod json;
mod mask;
mod number;
mod time;
