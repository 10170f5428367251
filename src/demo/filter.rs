//! Which books a filter means, and in which order.

use prost_types::{Duration, Timestamp};

use super::bookstore_v1::book::Edition;
use super::bookstore_v1::book_filter::Rating;
use super::bookstore_v1::{Book, BookFilter, Order};
use super::errors::Violations;

/// Notes what is wrong with a filter.
pub(super) fn check(filter: &BookFilter, violations: &mut Violations) {
    if let Some(price) = &filter.price {
        let ordered = price.min_cents.zip(price.max_cents).is_none_or(|(min, max)| min <= max);
        violations.require(ordered, "filter.price", "must not have min_cents above max_cents");
    }
    if let Some(Rating::MinRating(min)) = filter.rating {
        violations.require((0.0..=5.0).contains(&min), "filter.min_rating", "must lie between 0 and 5");
    }
    let after_epoch = |length: &Duration| length.seconds >= 0 && length.nanos >= 0;
    violations.require(
        filter.max_length.as_ref().is_none_or(after_epoch),
        "filter.max_length",
        "must not be negative",
    );
}

/// Whether a book is meant: all that the filter gives must hold.
pub(super) fn matches(filter: &BookFilter, book: &Book) -> bool {
    (filter.author.is_empty() || book.authors.contains(&filter.author))
        && (filter.genres.is_empty() || filter.genres.contains(&book.genre))
        && (filter.cover_digest.is_empty() || filter.cover_digest == book.cover_digest)
        && filter.has_subtitle.is_none_or(|wanted| book.subtitle.is_some() == wanted)
        && filter.in_print.is_none_or(|wanted| book.in_print == Some(wanted))
        && filter.published_after.as_ref().is_none_or(|after| came_out_after(book, after))
        && filter.max_length.as_ref().is_none_or(|length| is_recording_within(book, length))
        && filter.price.as_ref().is_none_or(|price| {
            price.min_cents.is_none_or(|min| book.price_cents >= min)
                && price.max_cents.is_none_or(|max| book.price_cents <= max)
        })
        && match filter.rating {
            None => true,
            Some(Rating::MinRating(min)) => book.rating.is_some_and(|rating| rating >= min),
            Some(Rating::Unrated(wanted)) => book.rating.is_none() == wanted,
        }
}

/// Sorts books that come in the order of their names.
pub(super) fn sort(order: Order, books: &mut [&Book]) {
    match order {
        Order::Unspecified => {}
        Order::Title => books.sort_by(|one, other| one.title.cmp(&other.title)),
        Order::Price => books.sort_by_key(|book| book.price_cents),
    }
}

fn came_out_after(book: &Book, after: &Timestamp) -> bool {
    let key = |time: &Timestamp| (time.seconds, time.nanos);
    book.publish_time.as_ref().is_some_and(|time| key(time) > key(after))
}

fn is_recording_within(book: &Book, longest: &Duration) -> bool {
    let key = |length: &Duration| (length.seconds, length.nanos);
    match &book.edition {
        Some(Edition::Audio(audio)) => {
            audio.length.as_ref().is_some_and(|length| key(length) <= key(longest))
        }
        _ => false,
    }
}
