//! The backends that come with Transom: the bookstore of `examples/bookstore` with the chat of `examples/chat`, and the
//! services of `examples/shop`. They are real gRPC servers with reflection that keep all in memory, and can be broken on
//! purpose.
//!
//! They are backends like any other. The gateway reaches them over the network, and nothing here knows the
//! gateway: this room imports nothing of the crate.

pub use backend::{Backend, Health, Kind, SLOWER_BY};

use chat::Hall;
use service::Shop;

mod backend;
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
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)]
#[rustfmt::skip]
mod offers_v1;
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)]
#[rustfmt::skip]
mod orders_v1;
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)]
#[rustfmt::skip]
mod pages_v1;
mod seed;
mod service;
mod services;
mod shop;
mod store;
mod streams;
#[cfg(test)]
mod tests;
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)]
#[rustfmt::skip]
mod users_v1;
#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all)]
#[rustfmt::skip]
mod users_v2;

/// The `FileDescriptorSet` of the bookstore with all it imports, as it is committed beside its proto.
pub const DESCRIPTORS: &[u8] = include_bytes!("../../examples/bookstore/bookstore.binpb");

/// The same of the chat.
pub const CHAT_DESCRIPTORS: &[u8] = include_bytes!("../../examples/chat/chat.binpb");

/// The same of the services of the shop.
pub const SHOP_DESCRIPTORS: &[u8] = include_bytes!("../../examples/shop/shop.binpb");

/// What backends know together, as replicas with one database do. Clones share it.
///
/// At first there are the books of the example, at most 500, and no room of the chat, at most 100. Users, orders and offers do
/// not change.
#[derive(Clone)]
pub struct World {
    bookstore: Shop,
    chat: Hall,
}

impl Default for World {
    fn default() -> Self {
        Self { bookstore: Shop::new(seed::store()), chat: Hall::default() }
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}
