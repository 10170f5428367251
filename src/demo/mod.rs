//! The backend that comes with Transom: the bookstore of `examples/bookstore` and the chat of `examples/chat`, a real
//! gRPC server with reflection that keeps all in memory.
//!
//! It is a backend like any other. The gateway reaches it over the network, and nothing here knows the
//! gateway: this room imports nothing of the crate.

use std::convert::Infallible;
use std::io;
use std::task::{Context, Poll};

use tokio::net::TcpListener;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_reflection::server::{v1, v1alpha};

use bookstore_v1::bookstore_server::BookstoreServer;
use chat::Hall;
use chat_v1::chat_server::ChatServer;
use service::Shop;

#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)]
#[rustfmt::skip]
mod bookstore_v1;
mod chat;
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)]
#[rustfmt::skip]
mod chat_v1;
mod errors;
mod filter;
mod mask;
mod names;
mod seed;
mod service;
mod store;
mod streams;
#[cfg(test)]
mod tests;

/// The `FileDescriptorSet` of the bookstore with all it imports, as it is committed beside its proto.
pub const DESCRIPTORS: &[u8] = include_bytes!("../../examples/bookstore/bookstore.binpb");

/// The same of the chat.
pub const CHAT_DESCRIPTORS: &[u8] = include_bytes!("../../examples/chat/chat.binpb");

/// The longest request, in bytes. A book is much smaller, and so is a message of the chat.
const MAX_REQUEST: usize = 64 << 10;

/// How many calls one connection may have under way.
const MAX_STREAMS: u32 = 1_000;

/// Serves `bookstore.v1.Bookstore`, `chat.v1.Chat` and gRPC reflection (v1 and v1alpha) over HTTP/2 without TLS.
///
/// Every call of this function has books and rooms of its own: at first the books of the example, at most 500, and no
/// room, at most 100, all of them lost at the end. It runs until the future is dropped, which closes the listener; connections end
/// with the runtime.
///
/// # Errors
///
/// Only if the listener cannot be used any more.
pub async fn serve(listener: TcpListener) -> io::Result<()> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(CHAT_DESCRIPTORS)
            .include_reflection_service(false)
    };
    let services = Services {
        bookstore: BookstoreServer::new(Shop::new(seed::store())).max_decoding_message_size(MAX_REQUEST),
        chat: ChatServer::new(Hall::default()).max_decoding_message_size(MAX_REQUEST),
        v1: reflection().build_v1().map_err(io::Error::other)?,
        v1alpha: reflection().build_v1alpha().map_err(io::Error::other)?,
    };
    Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .serve_with_incoming(services, TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await
        .map_err(io::Error::other)
}

/// The services of the backend, chosen by the first segment of the path.
struct Services<A: v1::ServerReflection, B: v1alpha::ServerReflection> {
    bookstore: BookstoreServer<Shop>,
    chat: ChatServer<Hall>,
    v1: v1::ServerReflectionServer<A>,
    v1alpha: v1alpha::ServerReflectionServer<B>,
}

impl<A: v1::ServerReflection, B: v1alpha::ServerReflection> Clone for Services<A, B> {
    fn clone(&self) -> Self {
        Self {
            bookstore: self.bookstore.clone(),
            chat: self.chat.clone(),
            v1: self.v1.clone(),
            v1alpha: self.v1alpha.clone(),
        }
    }
}

impl<A: v1::ServerReflection, B: v1alpha::ServerReflection> Service<http::Request<Body>> for Services<A, B> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path();
        match path.split('/').nth(1).unwrap_or_default() {
            "bookstore.v1.Bookstore" => self.bookstore.call(request),
            "chat.v1.Chat" => self.chat.call(request),
            "grpc.reflection.v1.ServerReflection" => self.v1.call(request),
            "grpc.reflection.v1alpha.ServerReflection" => self.v1alpha.call(request),
            _ => {
                let status = Status::unimplemented(format!(
                    "This backend has no method {path}. It serves bookstore.v1.Bookstore and chat.v1.Chat."
                ));
                Box::pin(async move { Ok(status.into_http()) })
            }
        }
    }
}
