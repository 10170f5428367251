//! A client of HTTP/2 (RFC 9113) that sends POST requests over a connection it is given.
//!
//! [`engine::Engine`] is the protocol without input and output: it takes the bytes of the peer and gives those for
//! it. Calls work on it under a lock that is never held while anything waits; [`driver::Driver`], a task, moves the
//! bytes. A call so writes its headers and its message straight into the buffer of the connection, and wakes the
//! driver, which runs after all tasks that are ready now: what those send leaves in the same write.
//!
//! The peer is not trusted. What is kept for it has a limit, and so has what it can make this side send or do for
//! nothing. What it breaks ends a stream or the connection, as RFC 9113 says.

pub mod driver;
pub mod engine;
pub mod fields;
pub mod handle;
pub mod hpack;
pub mod piece;
pub mod reason;

mod frame;
mod receive;
mod send;
mod slot;

#[cfg(test)]
mod tests;
