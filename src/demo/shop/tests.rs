use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use tonic::{Code, Request};

use super::{Offers, Orders, Users};
use crate::demo::offers_v1::offers_server::Offers as _;
use crate::demo::offers_v1::{ListOffersRequest, WatchPricesRequest};
use crate::demo::orders_v1::orders_server::Orders as _;
use crate::demo::orders_v1::{GetOrderRequest, ListOrdersRequest};
use crate::demo::{users_v1, users_v2};

#[tokio::test]
async fn both_versions_know_the_same_users() {
    let old = users_v1::users_server::Users::list_users(&Users, Request::new(users_v1::ListUsersRequest {}));
    let new = users_v2::users_server::Users::list_users(&Users, Request::new(users_v2::ListUsersRequest {}));
    let (old, new) = (old.await.unwrap().into_inner().users, new.await.unwrap().into_inner().users);
    let old: Vec<_> =
        old.into_iter().map(|user| (user.id, user.full_name, user.email, user.premium)).collect();
    let new: Vec<_> = new
        .into_iter()
        .map(|user| (user.id, user.display_name, user.contact.unwrap().email, user.premium))
        .collect();
    assert_eq!(old, new);
    let bob = ("bob".to_owned(), "Bob Cratchit".to_owned(), "bob@shop.example".to_owned(), false);
    assert_eq!(old[1], bob);
    let nobody = Request::new(users_v2::GetUserRequest { id: "nobody".into() });
    let status = users_v2::users_server::Users::get_user(&Users, nobody).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::NotFound, "There is no User nobody."));
}

#[tokio::test]
async fn orders_are_listed_and_told_in_full() {
    let list = async |user_id: &str, page_size| {
        let request = Request::new(ListOrdersRequest { user_id: user_id.into(), page_size });
        let response = Orders.list_orders(request).await?;
        Ok::<_, tonic::Status>(
            response.into_inner().orders.into_iter().map(|order| order.id).collect::<Vec<_>>(),
        )
    };
    assert_eq!(list("ada", 0).await.unwrap(), ["1007", "1003", "1001"]);
    assert_eq!(list("ada", 2).await.unwrap(), ["1007", "1003"]);
    assert!(list("eve", 0).await.unwrap().is_empty());
    for (user, size, message) in [
        ("ada", -1, "The field page_size must lie between 0 and 100."),
        ("ada", 101, "The field page_size must lie between 0 and 100."),
        ("", 0, "The field user_id must name a user."),
    ] {
        assert_eq!(list(user, size).await.unwrap_err().message(), message);
    }
    let order = Orders.get_order(Request::new(GetOrderRequest { id: "1007".into() })).await.unwrap();
    // 1,250 + 6 * 95.
    assert_eq!(order.into_inner().total_cents, 1_820);
    let status = Orders.get_order(Request::new(GetOrderRequest { id: "1".into() })).await.unwrap_err();
    assert_eq!(status.message(), "There is no Order 1.");
}

/// Each second the price of another offer of a segment changes, and it is what the list tells then.
#[tokio::test]
async fn prices_move() {
    let watch =
        WatchPricesRequest { offer_ids: vec!["atlas".into(), "lamp".into(), "seat".into()], max_changes: 4 };
    let stream = Offers.watch_prices(Request::new(watch)).await.unwrap().into_inner();
    let mut told = BTreeMap::new();
    let changes: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(changes.len(), 4);
    for change in changes {
        let old = told.insert(change.offer_id, change.price_cents);
        assert_ne!(old, Some(change.price_cents));
    }
    assert_eq!(told.len(), 3);
    let list = Offers.list_offers(Request::new(ListOffersRequest { segment: "gold".into() })).await.unwrap();
    let now: BTreeMap<_, _> =
        list.into_inner().offers.into_iter().map(|offer| (offer.id, offer.price_cents)).collect();
    // The clock may have gone on by a beat meanwhile.
    assert!(now.iter().filter(|(id, price)| told[*id] != **price).count() <= 1, "{now:?} after {told:?}");

    let none = Offers.list_offers(Request::new(ListOffersRequest { segment: "basic".into() })).await.unwrap();
    assert!(none.into_inner().offers.is_empty());
    for (ids, message) in [
        (vec![], "The field offer_ids must name 1 to 20 offers."),
        (vec!["atlas"; 21], "The field offer_ids must name 1 to 20 offers."),
        (vec!["tea", "coffee"], "There is no Offer coffee."),
    ] {
        let ids = ids.into_iter().map(str::to_owned).collect();
        let request = WatchPricesRequest { offer_ids: ids, max_changes: 0 };
        assert_eq!(Offers.watch_prices(Request::new(request)).await.err().unwrap().message(), message);
    }
}
