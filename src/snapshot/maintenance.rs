//! The switch that takes the whole gateway out of service, for a while and in words.
//!
//! It belongs to the process and not to a configuration. A file can switch it, and an operator; it is off when neither
//! does.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;

use crate::call::network::Networks;
use crate::telemetry::metrics::Tally;

/// The longest message, in bytes: it travels in headers too.
pub const MAX_MESSAGE: usize = 1 << 10;

/// What is said without a message.
pub const MESSAGE: &str = "The service is being maintained. Try again later.";

/// Who has switched maintenance on: 1 for each that has.
pub static MAINTENANCE: Tally<2> = Tally::levels(
    "transom_maintenance",
    "Whether requests are answered with 503 for maintenance, by what has switched it on.",
    [r#"by="file""#, r#"by="operator""#],
);

/// What a configuration says of maintenance.
#[derive(Clone, Debug)]
pub struct Terms {
    /// When callers are told to try again, where the operator says nothing else.
    pub retry_after: Duration,
    /// Whose requests are answered as ever.
    pub except: Networks,
    /// What browsers are shown.
    pub page: Option<Bytes>,
}

impl Default for Terms {
    fn default() -> Self {
        Self { retry_after: Duration::from_secs(300), except: Networks::default(), page: None }
    }
}

impl Terms {
    /// Whether requests from an address are answered as ever.
    pub fn excepts(&self, address: Option<IpAddr>) -> bool {
        address.is_some_and(|address| self.except.contains(address))
    }
}

/// The order of an operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// What callers are told.
    pub message: Option<String>,
    /// When they may try again.
    pub retry_after: Option<Duration>,
}

/// What is known of maintenance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// What the file says, which may be nothing; absent while there is no file.
    pub file: Option<String>,
    /// What the operator has ordered; absent while that is to serve.
    pub order: Option<Order>,
}

impl State {
    /// Whether requests are answered with 503.
    pub const fn is_on(&self) -> bool {
        self.file.is_some() || self.order.is_some()
    }

    /// What callers are told: the operator's words, or else those of the file.
    pub fn message(&self) -> &str {
        let order = self.order.as_ref().and_then(|order| order.message.as_deref());
        order.or(self.file.as_deref()).filter(|text| !text.is_empty()).unwrap_or(MESSAGE)
    }

    /// When callers may try again, as the operator says.
    pub fn retry_after(&self) -> Option<Duration> {
        self.order.as_ref().and_then(|order| order.retry_after)
    }
}

/// The switch. Requests look at it once, which costs one load.
#[derive(Debug, Default)]
pub struct Maintenance {
    is_on: AtomicBool,
    state: ArcSwap<State>,
}

impl Maintenance {
    /// Whether requests are answered with 503.
    pub fn is_on(&self) -> bool {
        self.is_on.load(Relaxed)
    }

    /// All that is known.
    pub fn state(&self) -> Arc<State> {
        self.state.load_full()
    }

    /// The file is there and says this, or there is none.
    pub fn by_file(&self, text: Option<&str>) {
        let file = text.map(said);
        self.change(
            "file",
            0,
            |state| State { file: file.clone(), ..state.clone() },
            |state| state.file.is_some(),
        );
    }

    /// An operator orders maintenance, or its end.
    pub fn by_operator(&self, order: Option<Order>) {
        let order = order.map(|order| Order { message: order.message.as_deref().map(said), ..order });
        self.change(
            "operator",
            1,
            |state| State { order: order.clone(), ..state.clone() },
            |state| state.order.is_some(),
        );
    }

    fn change(&self, by: &str, index: usize, next: impl Fn(&State) -> State, is_set: fn(&State) -> bool) {
        let before = self.state.rcu(|state| next(state));
        let after = self.state.load();
        self.is_on.store(after.is_on(), Relaxed);
        match (is_set(&before), is_set(&after)) {
            (false, true) => {
                MAINTENANCE.add(index, 1);
                tracing::warn!(by, message = after.message(), "maintenance: requests are answered with 503");
            }
            (true, false) => {
                MAINTENANCE.subtract(index, 1);
                tracing::warn!(by, goes_on = after.is_on(), "maintenance has ended");
            }
            _ => {}
        }
    }
}

/// A message as it is passed on: one text of bounded length, without what no dialect carries.
fn said(text: &str) -> String {
    let plain: String =
        text.trim().chars().map(|found| if found.is_control() { ' ' } else { found }).collect();
    let end = plain.floor_char_boundary(MAX_MESSAGE);
    plain[..end].split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_on_while_somebody_wants_it() {
        let switch = Maintenance::default();
        assert!(!switch.is_on());
        switch.by_file(Some(" We move.\nBack at\tten. \n"));
        assert!(switch.is_on());
        assert_eq!(switch.state().message(), "We move. Back at ten.");
        switch.by_operator(Some(Order { message: None, retry_after: Some(Duration::from_secs(9)) }));
        assert_eq!(switch.state().message(), "We move. Back at ten.");
        assert_eq!(switch.state().retry_after(), Some(Duration::from_secs(9)));
        switch.by_operator(Some(Order { message: Some("Later.".into()), retry_after: None }));
        assert_eq!((switch.state().message(), switch.state().retry_after()), ("Later.", None));
        switch.by_file(None);
        assert!(switch.is_on());
        switch.by_operator(None);
        assert!(!switch.is_on());
        assert_eq!(*switch.state(), State::default());
        switch.by_file(Some(""));
        assert!(switch.is_on());
        assert_eq!(switch.state().message(), MESSAGE);
    }

    #[test]
    fn messages_are_bounded() {
        assert_eq!(said(&"ä".repeat(MAX_MESSAGE)).len(), MAX_MESSAGE);
        assert_eq!(said("a\0\r\n\u{85}b"), "a b");
    }
}
