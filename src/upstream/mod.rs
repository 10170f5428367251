//! From a [`Call`](crate::call::Call) to a gRPC backend and back.
//!
//! A [`channel::Channel`] is a [`CallService`](crate::call::service::CallService) over HTTP/2, in plaintext with
//! prior knowledge or with TLS. It moves bytes and knows no message type. The backend is not trusted:
//! whatever it sends, a call ends with one well-formed reply, within its deadline and its size limit.
//!
//! Specifications: [gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)
//! and [HTTP to gRPC status codes](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md).

pub mod channel;
pub mod core;
pub mod decide;
pub mod http2;
pub mod meters;
pub mod reflection;
pub mod report;
pub mod resolver;
pub mod settings;
pub mod source;
pub mod target;

mod connect;
mod counted;
mod counting;
mod exchange;
mod fault;
mod frames;
mod gate;
mod group;
mod health;
mod hedged;
mod key;
mod links;
mod pool;
mod request;
mod response;
mod shares;
mod stream;
mod trailers;
mod upload;
mod watch;

#[cfg(test)]
mod tests;
