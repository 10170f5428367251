//! The one service type between fronts, policy and upstreams.

use std::future::Future;
use std::pin::Pin;

use super::{Call, Reply};

/// A boxed future that is `Send` and borrows nothing.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// Anything that answers a [`Call`]: an upstream, or a policy layer around another service.
///
/// It is infallible: a failure is a [`Reply`] with its status. There is no readiness to poll, so a
/// service can be shared and cloned freely; a service that is full says so in its reply. Dropping the
/// future cancels the call.
pub trait CallService: Send + Sync {
    /// Answers the call.
    fn call(&self, call: Call) -> BoxFuture<Reply>;
}
