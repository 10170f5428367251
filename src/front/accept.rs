//! Which media types a caller accepts, by RFC 9110 section 12.5.1.

use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};

/// The one of `names` that the caller names in Accept with the highest weight, the first one among equals.
/// Ranges with `*` name nothing, and neither does what has the weight 0.
pub(super) fn preferred<'n>(headers: &HeaderMap, names: &[&'n str]) -> Option<&'n str> {
    let mut best = None;
    for (name, weight) in headers.get_all(ACCEPT).iter().flat_map(ranges) {
        let Some(&known) = names.iter().find(|known| name.eq_ignore_ascii_case(known)) else { continue };
        if weight > best.map_or(0.0, |(_, weight)| weight) {
            best = Some((known, weight));
        }
    }
    best.map(|(name, _)| name)
}

pub(super) fn ranges(value: &HeaderValue) -> impl Iterator<Item = (&str, f32)> {
    value.to_str().unwrap_or_default().split(',').map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        (name, parts.find_map(weight).unwrap_or(1.0))
    })
}

/// The weight that a parameter gives. One that cannot be read is no wish.
fn weight(parameter: &str) -> Option<f32> {
    let rest = parameter.strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('=')?;
    Some(rest.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_weight_wins_and_then_the_first() {
        let names = ["text/event-stream", "application/x-ndjson"];
        for (accept, expected) in [
            (&["text/event-stream"][..], Some("text/event-stream")),
            (&["Text/Event-Stream; charset=utf-8"], Some("text/event-stream")),
            (&["application/x-ndjson, text/event-stream"], Some("application/x-ndjson")),
            (&["application/x-ndjson;q=0.5, text/event-stream ; Q = 0.6"], Some("text/event-stream")),
            (&["text/html", "application/x-ndjson"], Some("application/x-ndjson")),
            (&["text/event-stream;q=0"], None),
            (&["text/event-stream;q=high"], None),
            (&["*/*, text/*"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in accept {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(preferred(&headers, &names), expected, "{accept:?}");
        }
    }
}
