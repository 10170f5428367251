//! `orders.v1.Orders`.

use tonic::{Request, Response};

use super::Answer;
use crate::demo::errors::{self, Violations};
use crate::demo::orders_v1::orders_server;
use crate::demo::orders_v1::{
    GetOrderRequest, Item, ListOrdersRequest, ListOrdersResponse, Order, OrderSummary, State,
};

/// How many orders a list has if nothing is asked for.
const PAGE: i32 = 20;

/// How many orders a list has at most.
const MAX_PAGE: i32 = 100;

/// The service.
#[derive(Clone, Copy)]
pub(in crate::demo) struct Orders;

/// Whose orders there are, the latest first.
fn orders() -> [(&'static str, Order); 4] {
    let item = |title: &str, amount, price_cents| Item { title: title.into(), amount, price_cents };
    let order = |id: &str, state: State, items: Vec<Item>| {
        let total_cents = items.iter().map(|item| i64::from(item.amount) * item.price_cents).sum();
        Order { id: id.into(), state: state.into(), items, total_cents }
    };
    [
        ("ada", order("1007", State::Open, vec![item("Frankenstein", 1, 1_250), item("Candle", 6, 95)])),
        ("ada", order("1003", State::Sent, vec![item("The Moonstone", 2, 950)])),
        ("bob", order("1002", State::Delivered, vec![item("A Christmas Carol", 1, 700)])),
        ("ada", order("1001", State::Delivered, vec![item("The Time Machine", 1, 800)])),
    ]
}

#[tonic::async_trait]
impl orders_server::Orders for Orders {
    async fn list_orders(&self, request: Request<ListOrdersRequest>) -> Answer<ListOrdersResponse> {
        let ListOrdersRequest { user_id, page_size } = request.into_inner();
        let mut violations = Violations::default();
        violations.require(!user_id.is_empty(), "user_id", "must name a user");
        violations.require((0..=MAX_PAGE).contains(&page_size), "page_size", "must lie between 0 and 100");
        violations.finish()?;
        let count = if page_size == 0 { PAGE } else { page_size };
        let theirs = orders().into_iter().filter(|(user, _)| *user == user_id).map(|(_, order)| order);
        let orders = theirs.take(count.unsigned_abs() as usize);
        let orders = orders.map(|Order { id, state, .. }| OrderSummary { id, state }).collect();
        Ok(Response::new(ListOrdersResponse { orders }))
    }

    async fn get_order(&self, request: Request<GetOrderRequest>) -> Answer<Order> {
        let id = request.into_inner().id;
        let order = orders().into_iter().map(|(_, order)| order).find(|order| order.id == id);
        order.map(Response::new).ok_or_else(|| errors::not_found("Order", &id))
    }
}
