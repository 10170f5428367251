//! `offers.v1.Offers`.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use futures_util::{Stream, StreamExt, stream};
use tonic::{Request, Response, Status};

use super::Answer;
use crate::demo::errors::{self, Violations};
use crate::demo::offers_v1::offers_server;
use crate::demo::offers_v1::{ListOffersRequest, ListOffersResponse, Offer, PriceChange, WatchPricesRequest};

/// After how many changes a price is again what it was.
const CYCLE: u64 = 8;

/// How many offers one call may watch.
const MAX_WATCHED: usize = 20;

/// The service.
#[derive(Clone, Copy)]
pub(in crate::demo) struct Offers;

/// An offer, whose price changes when it is its turn among those of its segment.
#[derive(Clone, Copy)]
struct Row {
    segment: &'static str,
    id: &'static str,
    title: &'static str,
    /// In cents.
    lowest: i64,
    /// Its place among those of its segment, and how many these are.
    turn: u64,
    turns: u64,
}

/// All offers, by segment and id.
const OFFERS: [Row; 5] = [
    row("gold", "atlas", "Atlas of the Moon", 4_900, 0, 3),
    row("gold", "lamp", "Reading lamp", 3_450, 1, 3),
    row("gold", "seat", "Opera, first row", 12_000, 2, 3),
    row("silver", "shade", "Lamp shade", 950, 0, 2),
    row("silver", "tea", "Tea, 250 g", 720, 1, 2),
];

const fn row(
    segment: &'static str,
    id: &'static str,
    title: &'static str,
    lowest: i64,
    turn: u64,
    turns: u64,
) -> Row {
    Row { segment, id, title, lowest, turn, turns }
}

impl Row {
    /// How often the price has changed until a second: each second it is the turn of another one.
    const fn changes(&self, second: u64) -> u64 {
        (second + self.turns - self.turn) / self.turns
    }

    /// The price in cents: it rises for half of a cycle by 1 % of the lowest at a time, and falls again.
    fn price(&self, second: u64) -> i64 {
        let place = self.changes(second) % CYCLE;
        let risen = place.min(CYCLE - place);
        self.lowest + self.lowest / 100 * i64::try_from(risen).unwrap_or_default()
    }
}

#[tonic::async_trait]
impl offers_server::Offers for Offers {
    async fn list_offers(&self, request: Request<ListOffersRequest>) -> Answer<ListOffersResponse> {
        let wanted = request.into_inner().segment;
        let mut violations = Violations::default();
        violations.require(!wanted.is_empty(), "segment", "must name a segment");
        violations.finish()?;
        let second = now().as_secs();
        let offers = OFFERS.iter().filter(|row| row.segment == wanted).map(|row| Offer {
            id: row.id.into(),
            title: row.title.into(),
            price_cents: row.price(second),
        });
        Ok(Response::new(ListOffersResponse { offers: offers.collect() }))
    }

    type WatchPricesStream = Pin<Box<dyn Stream<Item = Result<PriceChange, Status>> + Send>>;

    async fn watch_prices(&self, request: Request<WatchPricesRequest>) -> Answer<Self::WatchPricesStream> {
        let WatchPricesRequest { offer_ids, max_changes } = request.into_inner();
        let mut violations = Violations::default();
        let count = offer_ids.len();
        violations.require((1..=MAX_WATCHED).contains(&count), "offer_ids", "must name 1 to 20 offers");
        violations.require(max_changes >= 0, "max_changes", "must not be negative");
        violations.finish()?;
        let find = |id: &String| {
            let row = OFFERS.iter().find(|row| row.id == id).copied();
            row.ok_or_else(|| errors::not_found("Offer", id))
        };
        let rows = offer_ids.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let most = if max_changes == 0 { usize::MAX } else { max_changes.unsigned_abs() as usize };
        let watch = Watch { rows, told: now().as_secs(), ready: VecDeque::new() };
        Ok(Response::new(Box::pin(stream::unfold(watch, next).map(Ok).take(most))))
    }
}

/// Somebody who watches prices.
struct Watch {
    rows: Vec<Row>,
    /// The second up to which all changes are told, or ready.
    told: u64,
    ready: VecDeque<PriceChange>,
}

/// Waits for the next change. Of changes that were missed, only the last of each offer is told.
async fn next(mut watch: Watch) -> Option<(PriceChange, Watch)> {
    loop {
        if let Some(change) = watch.ready.pop_front() {
            return Some((change, watch));
        }
        let wait = Duration::from_secs(1).saturating_sub(Duration::from_nanos(now().subsec_nanos().into()));
        tokio::time::sleep(wait).await;
        watch.look(now().as_secs());
    }
}

impl Watch {
    fn look(&mut self, second: u64) {
        let changed = self.rows.iter().filter(|row| row.changes(second) != row.changes(self.told));
        self.ready.extend(changed.map(|row| PriceChange {
            offer_id: row.id.into(),
            price_cents: row.price(second),
            time: Some(SystemTime::now().into()),
        }));
        self.told = second;
    }
}

/// The time since 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
