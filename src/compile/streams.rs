//! What bounds streams: what policies say of them becomes what is counted.

use std::num::NonZeroU32;
use std::sync::Arc;

use super::limits::counted_by;
use crate::config::place::Located;
use crate::config::policy::Policy;
use crate::config::stream::{Count, Messages};
use crate::config::value::rate;
use crate::policy::limit::store::Rate;
use crate::policy::streams::limits::{Direction, Flow, Measure, Open, Passing, Streams};

/// What a policy says of streams.
pub(super) fn streams(name: &str, policy: &Policy) -> Option<Streams> {
    if policy.streams.is_none() && policy.messages.is_none() {
        return None;
    }
    let open = policy.streams.as_ref().and_then(|streams| {
        // The configuration has checked that it is not 0.
        let most = NonZeroU32::new(streams.max.as_ref()?.value)?;
        Some(Open {
            name: name.into(),
            key: format!("streams:{name}").into(),
            counted_by: counted_by(&streams.key)?,
            most,
        })
    });
    let duration = policy.streams.as_ref().and_then(|streams| streams.duration.as_ref());
    let passing = policy.messages.as_ref().and_then(|messages| passing(name, messages));
    Some(Streams { open, duration: duration.map(|duration| duration.value), passing })
}

fn passing(name: &str, messages: &Messages) -> Option<Passing> {
    let counted: Vec<_> = messages.rates.iter().map(|rate| written(rate, &rate.value)).collect();
    let bytes: Vec<_> = messages.bytes.iter().map(|rate| written(rate, &rate.value.0)).collect();
    let kinds = [(Measure::Messages, counted), (Measure::Bytes, bytes)];
    let flows = kinds.iter().filter(|(_, rates)| !rates.is_empty());
    Some(Passing {
        counted_by: counted_by(&messages.key)?,
        direction: match messages.count.value {
            Count::Both => Direction::Both,
            Count::Received => Direction::Received,
            Count::Sent => Direction::Sent,
        },
        flows: flows.map(|(measure, rates)| Arc::new(Flow::new(*measure, name, rates))).collect(),
    })
}

/// A rate and how it is written.
fn written<S: std::fmt::Display>(written: &Located<S>, rate: &rate::Rate) -> (Rate, String) {
    (Rate { count: rate.count, period: rate.period, burst: rate.burst }, written.value.to_string())
}
