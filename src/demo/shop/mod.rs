//! The services of `examples/shop`: users in two versions, orders, offers, and a page that shows them together. What they
//! know does not change, but for prices, which go by the clock, so that all backends tell the same ones.

pub(super) use offers::Offers;
pub(super) use orders::Orders;
pub(super) use pages::Pages;
pub(super) use users::Users;

use tonic::{Response, Status};

mod offers;
mod orders;
mod pages;
#[cfg(test)]
mod tests;
mod users;

type Answer<T> = Result<Response<T>, Status>;
