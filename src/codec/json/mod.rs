//! ProtoJSON: JSON text to and from wire bytes, by <https://protobuf.dev/programming-guides/json/>.
//!
//! [`read::read`] turns text into wire bytes in one pass; [`write::write`] turns wire bytes into text
//! in one pass, and in a second, slower way where the wire is legal but unusual.

mod any;
pub mod error;
pub(super) mod keys;
pub(super) mod out;
pub mod read;
mod scan;
pub mod split;
pub mod status;
pub mod text;
mod token;
mod unusual;
pub(super) mod value;
mod well_known;
pub mod write;
mod write_list;
mod write_map;
pub mod write_value;
mod write_well_known;

#[cfg(test)]
mod tests;
